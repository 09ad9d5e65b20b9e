"""Turn float types that must not stay into fp32, everywhere: tensors, weights, attributes.

1. fp64 always: TensorRT computes none, and takes fp64 for fp32 without a word.
2. For --precision fp32, fp16 and bf16 as well; for fp16, bf16; for bf16, fp16.
3. Casts that cast nothing any more are dropped.
4. An input whose type --input gave keeps it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import onnx
import onnx_graphsurgeon as gs

from trtbuild.errors import SurgeryError
from trtbuild.onnx_weights import array_of
from trtbuild.surgery.contract import ContractError, Done, Job, Pass, skipped
from trtbuild.surgery.drop_dead import read_instead
from trtbuild.surgery.graph import (
    ConvertedValues,
    all_graphs,
    elem_type,
    infer,
    label,
    set_elem_type,
)
from trtbuild.surgery.precision.types import BF16, FP16, FP32, FP64, TYPE_ATTRIBUTES
from trtbuild.tensor import dtype_from_onnx

_REPLACED = {
    "keep": {FP64},
    "fp32": {FP64, FP16, BF16},
    "fp16": {FP64, BF16},
    "bf16": {FP64, FP16},
}


class UnifyFloats(Pass):
    """See the file's docstring."""

    def apply(self, job: Job) -> Done:
        """Replace the types that `job.options.precision` has no room for."""
        replaced = _REPLACED[job.options.precision]
        count: Counter[int] = Counter()
        for graph in all_graphs(job.graph):
            _refuse_bits(graph, replaced)
            lazy = graph is job.graph  # inside subgraphs names may repeat, and weights are small
            count.update(_retype_tensors(graph, replaced, typed_inputs(job), lazy))
            for node in graph.nodes:
                _retype_attributes(node, replaced)
        if not count:
            names = ", ".join(_name(number) for number in sorted(replaced))
            return skipped(f"the model has no {names}")
        for node in list(job.graph.nodes):
            bypass_idle_cast(job.graph, node)
        job.graph.cleanup().toposort()
        infer(job.graph)
        facts = ", ".join(f"{n} tensors {_name(number)}" for number, n in sorted(count.items()))
        return Done(True, f"made fp32: {facts}")

    def ensures(self, job: Job) -> None:
        """None of the types is left."""
        replaced = _REPLACED[job.options.precision]
        typed = typed_inputs(job)
        for graph in all_graphs(job.graph):
            for tensor in graph.tensors().values():
                if elem_type(tensor) in replaced and tensor.name not in typed:
                    raise ContractError(f"'{tensor.name}' is still {_name(elem_type(tensor))}")


def _refuse_bits(graph: gs.Graph, replaced: set[int]) -> None:
    """BitCast means the bits, and there are as many only in the type it was made for."""
    for node in graph.nodes:
        for tensor in [*node.inputs, *node.outputs] if node.op == "BitCast" else ():
            if elem_type(tensor) in replaced:
                raise SurgeryError(
                    f"node '{label(node)}' (BitCast) reads the bits of {_name(elem_type(tensor))}, "
                    "which cannot be made fp32",
                    "cut the model before that node: --outputs",
                )


def typed_inputs(job: Job) -> set[str]:
    """The inputs whose type --input gave."""
    return {override.name for override in job.options.overrides if override.dtype is not None}


def _name(number: int) -> str:
    dtype = dtype_from_onnx(number)
    return dtype.name if dtype else "?"


def _retype_tensors(graph: gs.Graph, replaced: set[int], typed: set[str], lazy: bool) -> list[int]:
    """Make the tensors of `graph` fp32; returns the types that they had."""
    found = []
    for tensor in graph.tensors().values():
        number = elem_type(tensor)
        if number not in replaced or tensor.name in typed:
            continue
        found.append(number)
        if isinstance(tensor, gs.Constant):
            source = gs.Constant(tensor.name, tensor._values)
            values = ConvertedValues(source, FP32, tensor.name)
            tensor._values = values if lazy else values.load()
        else:
            set_elem_type(tensor, FP32)
    return found


def _retype_attributes(node: gs.Node, replaced: set[int]) -> None:
    for name, value in node.attrs.items():
        if name in TYPE_ATTRIBUTES and value in replaced:
            node.attrs[name] = FP32
        elif isinstance(value, gs.Constant) and elem_type(value) in replaced:
            node.attrs[name] = constant_as(value, FP32)


def constant_as(constant: gs.Constant, number: int) -> gs.Constant:
    """The small constant `constant`, an attribute's, in the data type `number`."""
    values: Any = constant._values
    array = array_of(values.tensor) if hasattr(values, "tensor") else values
    numpy_type = onnx.helper.tensor_dtype_to_np_dtype(number)
    return gs.Constant(constant.name, array.astype(numpy_type))


def bypass_idle_cast(graph: gs.Graph, node: gs.Node) -> None:
    """Drop `node` where it is a Cast to the type its input has, unless an output needs it."""
    if node.op != "Cast" or elem_type(node.inputs[0]) != node.attrs["to"]:
        return
    source, result = node.inputs[0], node.outputs[0]
    if result.name not in {tensor.name for tensor in graph.outputs}:
        read_instead(result, source)
