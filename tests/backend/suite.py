"""ONNX's own backend tests, one at a time, each with what came of it. Runs in worker processes.

A worker loads them once; the tests' inputs and answers are made by onnx as it is installed.
"""

from __future__ import annotations

import functools
import json
import re
import time
import warnings
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import onnx.reference
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

from tests.backend.rounding import only_rounded
from trtbuild import device as devices
from trtbuild import onnx_session
from trtbuild.backend import TensorRTBackend, engine
from trtbuild.backend.constants import wanted_constants
from trtbuild.backend.network import parsed
from trtbuild.backend.tensors import as_model, as_network, check_types, numpy_type
from trtbuild.capability import Capability
from trtbuild.errors import CudaError, TrtbuildError
from trtbuild.plan.network import NodeRefusal
from trtbuild.plan.runtimes import choose_runtime
from trtbuild.tensor import dtype_from_onnx

KINDS = ("node", "real", "simple", "pytorch-converted", "pytorch-operator")
_RANDOM = {"Bernoulli", "RandomUniformLike"}  # any answer of the shape and type is one
_NEWEST_IN_ORT = 26  # opset that ONNX Runtime 1.31 loads
_SHOWN = 64  # elements of a wrong answer that are kept


class Outcome(msgspec.Struct, frozen=True):
    """What came of one test."""

    name: str
    kind: str
    mode: str
    status: str  # right, rounded, random, refused, wrong, error, builds, lost (the worker died)
    ops: tuple[str, ...]
    types: tuple[str, ...]  # of inputs and outputs
    opset: int
    reason: str = ""
    details: str = ""
    seconds: float = 0.0


class Case(msgspec.Struct, frozen=True):
    """A test of onnx, its data read."""

    name: str
    kind: str
    model: Any
    data: list[Any]
    rtol: float
    atol: float


@functools.cache
def _node_cases() -> dict[str, Any]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return {case.name: case for case in load_model_tests(kind="node")}


def names(kind: str) -> list[str]:
    """The tests of a kind."""
    if kind == "node":
        return list(_node_cases())
    if kind == "real":
        return sorted(path.parent.name for path in _folder(kind).glob("*/data.json"))
    return sorted(path.parent.name for path in _folder(kind).glob("*/model.onnx"))


def _folder(kind: str) -> Path:
    return Path(onnx.__file__).parent / "backend/test/data" / kind


def case_of(kind: str, name: str) -> Case:
    """The test `name` with its inputs and answers."""
    if kind == "node":
        case = _node_cases()[name]
        data = [
            ([_array(i) for i in ins], [_array(o) for o in outs]) for ins, outs in case.data_sets
        ]
        return Case(name, kind, case.model, data, case.rtol, case.atol)
    if kind == "real":
        return _real_case(name)
    folder = _folder(kind) / name
    model = onnx.load(folder / "model.onnx")
    sets = []
    for data_set in sorted(folder.glob("test_data_set_*")):
        inputs = [
            _read(data_set / f"input_{i}.pb", v)
            for i, v in enumerate(model.graph.input)
            if (data_set / f"input_{i}.pb").exists()
        ]
        outputs = [_read(data_set / f"output_{i}.pb", v) for i, v in enumerate(model.graph.output)]
        sets.append((inputs, outputs))
    return Case(name, kind, model, sets, 1e-3, 1e-7)


def _real_case(name: str) -> Case:
    """A whole net whose weights are one repeated value; onnx ships it and its answer."""
    facts = json.loads((_folder("real") / name / "data.json").read_text())
    path = _folder("light") / Path(facts["url"]).name
    model = onnx.load(path)
    constants = {tensor.name for tensor in model.graph.initializer}
    ends = [value for value in model.graph.input if value.name not in constants]
    inputs = [Runner.generate_dummy_data(value, name=name) for value in ends]
    outputs = [
        _read(path.with_name(f"{path.stem}_output_{i}.pb"), value)
        for i, value in enumerate(model.graph.output)
    ]
    return Case(name, "real", model, [(inputs, outputs)], facts["rtol"], facts["atol"])


def _read(path: Path, value: onnx.ValueInfoProto) -> Any:
    if value.type.WhichOneof("value") != "tensor_type":
        return None
    return onnx.numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))


def _array(value: Any) -> Any:
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def run_case(kind: str, name: str, mode: str) -> Outcome:
    """Run a test: `run` through the backend, `raw` by TensorRT's parser alone, `build` no run."""
    case, begun = case_of(kind, name), time.perf_counter()
    try:
        with np.errstate(all="ignore"):  # onnx's reference divides by zero where ONNX says so
            status, reason, details = _result(case, mode)
    except CudaError:
        raise  # the process is of no more use
    except TrtbuildError as error:
        status, reason, details = "refused", error.message, error.hint
    except AssertionError as error:
        status, reason, details = "wrong", "", str(error)[-700:]
    except Exception as error:  # a bug, or a library's own kind of refusal
        status, reason, details = "error", f"{type(error).__name__}: {error}"[:600], ""
    ends = [*case.model.graph.input, *case.model.graph.output]
    rows = (dtype_from_onnx(value.type.tensor_type.elem_type) for value in ends)
    return Outcome(
        name,
        kind,
        mode,
        status,
        tuple(dict.fromkeys(node.op_type for node in case.model.graph.node)),
        tuple(sorted({row.name if row else "other" for row in rows})),
        max((entry.version for entry in case.model.opset_import), default=0),
        reason,
        details,
        round(time.perf_counter() - begun, 3),
    )


def _result(case: Case, mode: str) -> tuple[str, str, str]:
    if mode == "build":
        return _built(case)
    run = {"raw": _raw, "onnx": _rewritten, "run": _prepared}[mode](case)
    for inputs, expected in case.data:
        got = run(inputs)
        try:
            Runner.assert_similar_outputs(expected, got, case.rtol, case.atol)
        except AssertionError as error:
            if any(node.op_type in _RANDOM for node in case.model.graph.node):
                return "random", "", ""
            if only_rounded(case.model, inputs, expected, got):
                return "rounded", "", ""
            words = re.sub(r"\s+", " ", str(error))[:400]
            return "wrong", words, _differences(inputs, expected, got)
    return "right", "", ""


def _differences(inputs: list[Any], expected: list[Any], got: Any) -> str:
    def shown(array: Any) -> str:
        flat = np.asarray(array).ravel()[:_SHOWN]
        with np.printoptions(precision=4, suppress=True, threshold=1000, linewidth=10000):
            return f"{np.asarray(array).dtype}{np.shape(array)} {flat}"

    parts = [f"want {shown(w)} got {shown(g)}" for w, g in zip(expected, got, strict=False)]
    return "; ".join(parts)[:1500]


def _built(case: Case) -> tuple[str, str, str]:
    """Parsed and built for 8.9 by TensorRT for RTX, which needs no GPU."""
    runtime = choose_runtime("tensorrt-rtx", devices.gpus())
    check_types(case.model)
    for inputs, _ in case.data:
        known = {tensor.name for tensor in case.model.graph.initializer}
        ends = [value.name for value in case.model.graph.input if value.name not in known]
        arrays = {name: np.asarray(value) for name, value in zip(ends, inputs, strict=True)}
        wanted = frozenset(wanted_constants(case.model) & set(arrays))
        _, network = parsed(case.model, arrays, wanted, runtime)
        if network is not None:
            engine.built(runtime, network, Capability(8, 9))
    return "builds", "", ""


def _prepared(case: Case) -> Any:
    return TensorRTBackend.prepare(case.model, "CUDA:0").run


def _rewritten(case: Case) -> Any:
    """What TensorRT for RTX's parser takes, run by ONNX Runtime: are the rewritten ops the same?"""
    runtime = choose_runtime("tensorrt-rtx", devices.gpus())
    check_types(case.model)
    known = {tensor.name for tensor in case.model.graph.initializer}
    ends = [value.name for value in case.model.graph.input if value.name not in known]

    def run(inputs: list[Any]) -> list[Any]:
        arrays = {name: np.asarray(value) for name, value in zip(ends, inputs, strict=True)}
        wanted = frozenset(wanted_constants(case.model) & set(arrays))
        specialized, _ = parsed(case.model, arrays, wanted, runtime)
        return InOnnx(specialized, case.model).run(arrays)

    return run


class InOnnx:
    """A specialized model in ONNX Runtime, or where that has no kernel in ONNX's reference."""

    def __init__(self, specialized: Any, model: onnx.ModelProto) -> None:
        self._specialized = specialized
        self._outputs = model.graph.output

    def run(self, arrays: dict[str, Any]) -> list[Any]:
        made, types = self._specialized.model, self._specialized.elem_types
        feed = {
            value.name: as_network(arrays[value.name], types[value.name])
            for value in made.graph.input
        }
        values = {n: np.empty(s, numpy_type(types[n])) for n, s in self._specialized.empty.items()}
        if made.graph.output:
            try:
                values |= onnx_session.run(onnx_session.open_session(_loadable(made)), feed)
            except Exception:  # no kernel: the reference has
                names = [value.name for value in made.graph.output]
                ran = onnx.reference.ReferenceEvaluator(made).run(None, feed)
                values |= dict(zip(names, ran, strict=True))
        return [
            as_model(np.asarray(values[value.name]), value.type.tensor_type.elem_type)
            for value in self._outputs
        ]


def _loadable(made: onnx.ModelProto) -> onnx.ModelProto:
    """`made` with an opset that ONNX Runtime loads: of what rewrites leave, newer ones say the
    same, and of the rest the answer tells."""
    older = onnx.ModelProto()
    older.CopyFrom(made)
    for entry in older.opset_import:
        if entry.domain in ("", "ai.onnx"):
            entry.version = min(entry.version, _NEWEST_IN_ORT)
    return older


def _raw(case: Case) -> Any:
    runtime = choose_runtime("auto", devices.gpus())
    network = engine.parsed(runtime, case.model.SerializeToString())
    if isinstance(network, NodeRefusal):
        raise TrtbuildError(f"{network.op}: {network.reason}")
    ready = engine.Engine(runtime, engine.built(runtime, network, None), 0)
    ends = [value.name for value in case.model.graph.input]

    def run(inputs: list[Any]) -> list[Any]:
        outputs = ready.run(dict(zip(ends, inputs, strict=True)))
        return [outputs[value.name] for value in case.model.graph.output]

    return run
