"""ONNX's backend API on TensorRT: `prepare`, `run_model`, `run_node`, `supports_device`.

As onnx-tensorrt had it, and like there everything runs in the caller's process: the caller gives
and gets arrays, call by call, which a worker process would copy twice, and asked for TensorRT in
its process. Commands of trtbuild use worker processes.

A network is built when arrays first come, for their shapes and the values of those that set
shapes (axes, sizes, pads), and kept for the next ones alike. Outputs have the model's data types.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import onnx
from onnx.backend.base import Backend, BackendRep, Device, DeviceType, namedtupledict

from trtbuild import device as devices
from trtbuild.backend.constants import wanted_constants
from trtbuild.backend.network import Compiled, compiled
from trtbuild.backend.tensors import as_model, check_types, numpy_type
from trtbuild.errors import UsageError
from trtbuild.plan.runtimes import RuntimeInfo, choose_runtime

Array = np.ndarray[Any, np.dtype[Any]]
Model = onnx.ModelProto | bytes | str | Path | IO[bytes]


class TensorRTRep(BackendRep):
    """A model that runs on a GPU; made by `prepare`."""

    def __init__(self, model: onnx.ModelProto, device: Device, runtime: RuntimeInfo) -> None:
        check_types(model)
        constants = {tensor.name for tensor in model.graph.initializer}
        self._model = model
        self._device = int(device.device_id)
        self._runtime = runtime
        self._inputs = [v for v in model.graph.input if v.name not in constants]
        self._wanted = wanted_constants(model)
        self._compiled: dict[tuple[Any, ...], Compiled] = {}

    def run(self, inputs: Any, **_: Any) -> tuple[Array, ...]:
        """The outputs as a named tuple, for arrays in the order of the model's inputs.

        `inputs` is one array, a sequence of arrays, or a dict of them by name. Raises `PlanError`
        where TensorRT refuses the model, `UsageError` for inputs that it does not take.
        """
        arrays = self._named(inputs)
        constants = {name: arrays[name] for name in arrays if name in self._wanted}
        key = tuple(
            (name, array.shape, array.tobytes() if name in constants else b"")
            for name, array in arrays.items()
        )
        if key not in self._compiled:
            self._compiled[key] = compiled(
                self._model, arrays, frozenset(constants), self._runtime, self._device
            )
        made = self._compiled[key].run(arrays)
        names = [output.name for output in self._model.graph.output]
        values = [
            self._as_declared(output, made[output.name]) for output in self._model.graph.output
        ]
        return namedtupledict("Outputs", names)(*values)

    def _named(self, inputs: Any) -> dict[str, Array]:
        names = [value.name for value in self._inputs]
        if isinstance(inputs, Mapping):
            given = dict(inputs)
        else:
            one = isinstance(inputs, np.ndarray) or np.isscalar(inputs)
            values: Sequence[Any] = [inputs] if one else list(inputs)
            if len(values) != len(names):
                raise UsageError(
                    f"{len(values)} arrays for {len(names)} inputs", f"give {', '.join(names)}"
                )
            given = dict(zip(names, values, strict=True))
        if missing := [name for name in names if name not in given]:
            raise UsageError(f"no array for input '{missing[0]}'", f"give {', '.join(names)}")
        return {value.name: self._array(value, given[value.name]) for value in self._inputs}

    def _array(self, value: onnx.ValueInfoProto, given: Any) -> Array:
        array = np.asarray(given)
        wanted = numpy_type(value.type.tensor_type.elem_type)
        if array.dtype != wanted:
            raise UsageError(
                f"input '{value.name}' is {wanted}, the array {array.dtype}",
                f"convert it: array.astype('{wanted}')",
            )
        return array

    def _as_declared(self, output: onnx.ValueInfoProto, array: Array) -> Array:
        """The array in the model's own type; widened integers go back without loss."""
        elem_type = output.type.tensor_type.elem_type
        return as_model(array, elem_type) if elem_type else array


class TensorRTBackend(Backend):
    """See the file's docstring."""

    @classmethod
    def is_compatible(cls, model: Any, device: str = "CUDA:0", **_: Any) -> bool:
        """Whether `prepare` takes the model; what it computes, `run` alone can tell."""
        try:
            check_types(_loaded(model))
        except Exception:  # onnx's own readers raise many kinds
            return False
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model: Any, device: str = "CUDA:0", **kwargs: Any) -> TensorRTRep:
        """A model that is ready to run: a `ModelProto`, its bytes, a path or an open file.

        `runtime`: "tensorrt", "tensorrt-rtx" or "auto". Raises `PlanError` for inputs and outputs
        that TensorRT has no type for, `UsageError` for a device that is no GPU.
        """
        loaded = _loaded(model)
        onnx.checker.check_model(loaded)
        return _prepared(loaded, device, kwargs)

    @classmethod
    def run_model(
        cls, model: Any, inputs: Any, device: str = "CUDA:0", **kwargs: Any
    ) -> tuple[Array, ...]:
        """`prepare` and `run` in one."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CUDA:0",
        outputs_info: object = None,  # noqa: ARG003 - the API has it; ONNX infers the types
        **kwargs: Any,
    ) -> tuple[Array, ...]:
        """Run one node; the types of its outputs are inferred by ONNX.

        `opset_version` says of which opset the node is, else of the newest.
        """
        values = [inputs] if isinstance(inputs, np.ndarray) else list(inputs)
        names = dict.fromkeys(name for name in node.input if name)
        arrays = [np.asarray(value) for value in values]
        model = _model_of_node(node, dict(zip(names, arrays, strict=True)), kwargs)
        onnx.checker.check_node(node, _context(model))
        return _prepared(model, device, kwargs).run(arrays)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether `device` ("CUDA", "CUDA:1") is a GPU of this machine."""
        where = Device(device)
        return where.type == DeviceType.CUDA and where.device_id < len(devices.gpus().gpus)


def _prepared(model: onnx.ModelProto, device: str, kwargs: Mapping[str, Any]) -> TensorRTRep:
    where = Device(device)
    if where.type != DeviceType.CUDA:
        raise UsageError(f"TensorRT runs on GPUs, not on '{device}'", "name CUDA, or CUDA:0")
    runtime = choose_runtime(kwargs.get("runtime", "auto"), devices.gpus())
    return TensorRTRep(model, where, runtime)


def _context(model: onnx.ModelProto) -> onnx.checker.C.CheckerContext:
    context = onnx.checker.C.CheckerContext()
    context.ir_version = model.ir_version
    context.opset_imports = {entry.domain: entry.version for entry in model.opset_import}
    return context


def _loaded(model: Model) -> onnx.ModelProto:
    if isinstance(model, onnx.ModelProto):
        return model
    return onnx.load(io.BytesIO(model) if isinstance(model, bytes) else model)


def _model_of_node(
    node: onnx.NodeProto, arrays: Mapping[str, Array], kwargs: Mapping[str, Any]
) -> onnx.ModelProto:
    helper = onnx.helper
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in arrays.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    version = kwargs.get("opset_version", onnx.defs.onnx_opset_version())
    opsets = [helper.make_opsetid("", version)]
    if node.domain not in ("", "ai.onnx"):
        opsets.append(helper.make_opsetid(node.domain, 1))
    graph = helper.make_graph([node], node.op_type, inputs, outputs)
    model = helper.make_model(graph, opset_imports=opsets)
    inferred = onnx.shape_inference.infer_shapes(model)
    types = {value.name: value for value in inferred.graph.output}
    for output in model.graph.output:
        output.type.CopyFrom(types[output.name].type)
    return model


prepare = TensorRTBackend.prepare
run_model = TensorRTBackend.run_model
run_node = TensorRTBackend.run_node
supports_device = TensorRTBackend.supports_device
is_compatible = TensorRTBackend.is_compatible
