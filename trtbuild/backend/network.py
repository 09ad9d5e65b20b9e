"""A model and the arrays at hand -> an engine that runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
import onnx

from trtbuild.backend import engine
from trtbuild.backend.constants import with_constants
from trtbuild.backend.tensors import as_network, numpy_type
from trtbuild.errors import PlanError
from trtbuild.plan.network import NodeRefusal, Parsed
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.sources.opset import at_opset
from trtbuild.surgery.functions import is_function
from trtbuild.surgery.specialize import Specialized, specialize

T = TypeVar("T")
Array = np.ndarray[Any, np.dtype[Any]]
_EXPANSIONS = 8  # kinds of op, one after the other, each of which the parser refused


class Compiled(NamedTuple):
    """What runs: an engine, and the outputs that need none."""

    engine: engine.Engine | None
    specialized: Specialized

    def run(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name; widened integers are wide still, and coded floats codes."""
        types = self.specialized.elem_types
        outputs = {
            name: np.empty(shape, numpy_type(types[name]))
            for name, shape in self.specialized.empty.items()
        }
        if self.engine is not None:
            names = {value.name for value in self.specialized.model.graph.input}
            feed = {
                name: as_network(array, types[name])
                for name, array in arrays.items()
                if name in names
            }
            outputs |= self.engine.run(feed)
        return outputs


def compiled(
    model: onnx.ModelProto,
    arrays: Mapping[str, Array],
    constants: frozenset[str],
    runtime: RuntimeInfo,
    device: int,
) -> Compiled:
    """The engine for inputs shaped as `arrays`, with the values of those in `constants`.

    Raises `PlanError` where TensorRT refuses the model, `SurgeryError` for types it lacks.
    """

    def built(specialized: Specialized, network: Parsed | None) -> Compiled:
        if network is None:
            return Compiled(None, specialized)
        plan = engine.built(runtime, network, None)
        return Compiled(engine.Engine(runtime, plan, device), specialized)

    return _first(model, arrays, constants, runtime, built)


def parsed(
    model: onnx.ModelProto,
    arrays: Mapping[str, Array],
    constants: frozenset[str],
    runtime: RuntimeInfo,
) -> tuple[Specialized, Parsed | None]:
    """The network that TensorRT's parser makes; None where no output has an element.

    An op that the parser refuses and ONNX defines by others is written so.
    """

    def both(specialized: Specialized, network: Parsed | None) -> tuple[Specialized, Parsed | None]:
        return specialized, network

    return _first(model, arrays, constants, runtime, both)


def _first(
    model: onnx.ModelProto,
    arrays: Mapping[str, Array],
    constants: frozenset[str],
    runtime: RuntimeInfo,
    use: Callable[[Specialized, Parsed | None], T],
) -> T:
    """What `use` makes of the first network that it takes.

    Ops that the builder may have refused are written as ONNX defines them. Where parser or
    builder refuse that too, all inputs but the first are made constants, as onnx-tensorrt did;
    where nothing helps, the first refusal is raised.
    """
    model, _ = at_opset(model, None)  # from 13 on, which passes and parsers are written for
    first = next(iter(arrays), "")
    refusal: PlanError | None = None
    for names in dict.fromkeys((constants, frozenset(arrays) - {first} | constants)):
        expand: frozenset[str] = frozenset()
        while True:
            answer = _answer(model, arrays, names, runtime, expand)
            if not isinstance(answer, NodeRefusal) and (setting := _setting_shapes(answer[1])):
                answer = _answer(model, arrays, names | setting, runtime, expand)
            if isinstance(answer, NodeRefusal):
                refusal = refusal or _refused(answer, runtime)
                break
            try:
                return use(*answer)
            except PlanError as error:
                refusal = refusal or error
            found = {node.op_type for node in answer[0].model.graph.node}
            more = frozenset(op for op in found if is_function(op)) - expand
            if not more:
                break
            expand |= more
    assert refusal is not None
    raise refusal


def _refused(answer: NodeRefusal, runtime: RuntimeInfo) -> PlanError:
    return PlanError(
        f"{runtime.name} {runtime.version} does not take {answer.op or 'the model'}: "
        f"{answer.reason or 'its parser does not implement it'}",
        answer.hint,
        op=answer.op,
        node=answer.node,
        refused_by="parser",
    )


def _setting_shapes(network: Parsed | None) -> frozenset[str]:
    """The inputs whose values set the shape of other tensors."""
    if network is None:
        return frozenset()
    inputs = (network.network.get_input(i) for i in range(network.network.num_inputs))
    return frozenset(tensor.name for tensor in inputs if tensor.is_shape_tensor)


def _answer(
    model: onnx.ModelProto,
    arrays: Mapping[str, Array],
    constants: frozenset[str],
    runtime: RuntimeInfo,
    expand: frozenset[str],
) -> tuple[Specialized, Parsed | None] | NodeRefusal:
    fixed = with_constants(model, {name: arrays[name] for name in constants})
    shapes = {name: array.shape for name, array in arrays.items()}
    return _expanded(fixed, shapes, runtime, expand)


def _expanded(
    model: onnx.ModelProto,
    shapes: Mapping[str, tuple[int, ...]],
    runtime: RuntimeInfo,
    expand: frozenset[str],
) -> tuple[Specialized, Parsed | None] | NodeRefusal:
    answer: Parsed | NodeRefusal | None = None
    for _ in range(_EXPANSIONS):
        specialized = specialize(model, shapes, expand)
        if not specialized.model.graph.output:
            return specialized, None
        answer = engine.parsed(runtime, specialized.model.SerializeToString())
        if not isinstance(answer, NodeRefusal):
            return specialized, answer
        if answer.op in expand or not is_function(answer.op):
            return answer
        expand |= {answer.op}
    assert isinstance(answer, NodeRefusal)
    return answer
