"""Which ops of a model TensorRT refuses, and what would work: asked by building them.

The builder stops at the first thing it cannot do. So each kind of op is cut out of the model
and built alone, and where it is refused, it is built again for other targets and in other data
types: a hint says only what was seen to build. Runs in worker processes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec
import onnx

from trtbuild.artifacts import OnnxModel
from trtbuild.capability import Capability
from trtbuild.check_report import OpRefusal, OpUse
from trtbuild.errors import PlanError
from trtbuild.onnx_ops import HIGHEST_OPSET, first_opset
from trtbuild.plan.build import configured, serialized
from trtbuild.plan.explain import Examination
from trtbuild.plan.network import NodeRefusal, network_from_bytes, plugin_hint, typed
from trtbuild.plan.options import PlanSpec
from trtbuild.plan.session import session
from trtbuild.plan.subgraphs import Graph, Kind, node_name, retyped
from trtbuild.plan.words import is_usage, refusal_from_log
from trtbuild.tensor import DTYPES
from trtbuild.workers.child import report

_PRECISIONS = ("fp16", "bf16", "fp32")
_QUANTIZED = ("fp8e4m3fn", "fp8e5m2", "fp4e2m1", "int4")
_SUBJECT = re.compile(r"^Cannot compile (?:operation '[^']*' )?for .*?(?:: |, because )")


def examine(spec: PlanSpec, bisect: bool = False) -> Examination:
    """Find what each of the targets, for which the model did not build, refuses.

    With `bisect`, a target that takes each op alone is asked for ever longer beginnings of the
    model; that takes several builds of the whole model.
    """
    assert isinstance(spec.model, OnnxModel), "networks are not examined"
    graph = Graph(spec.model, spec.profile)
    kinds = graph.kinds()
    refused: dict[Capability, list[OpRefusal]] = {}
    unasked: list[Kind] = []
    if spec.targets:
        prober = _Prober(spec, graph)
        refused, unasked = prober.refused(kinds)
        for target in spec.targets:
            if bisect and not refused[target]:
                refused[target] = prober.bisected(target)
    return Examination(
        _uses(kinds),
        {str(target): tuple(found) for target, found in refused.items()},
        _uses(unasked),
    )


def _uses(kinds: list[Kind]) -> tuple[OpUse, ...]:
    counts: dict[tuple[str, str], int] = {}
    for kind in kinds:
        counts[kind.op, kind.dtype] = counts.get((kind.op, kind.dtype), 0) + len(kind.indexes)
    return tuple(OpUse(op, dtype, count) for (op, dtype), count in counts.items())


class _No(NamedTuple):
    reason: str
    dtype: str
    by_parser: bool
    hint: str = ""


class _Prober:
    def __init__(self, spec: PlanSpec, graph: Graph) -> None:
        self._spec = spec
        self._graph = graph
        self._session = session(spec.runtime)
        self._session.plugins(spec.options.plugins)
        self._hints: dict[tuple[str, str, str, Capability], str] = {}

    def refused(self, kinds: list[Kind]) -> tuple[dict[Capability, list[OpRefusal]], list[Kind]]:
        """The refused ops of each target, kinds that are refused alike as one; and the kinds that
        cannot be built alone, since what they read comes from an op that is refused.
        """
        found: dict[Capability, list[OpRefusal]] = {target: [] for target in self._spec.targets}
        bad, unasked = set[int](), []
        for done, kind in enumerate(kinds):
            report("", f"asking for {kind.op}", done, len(kinds))
            first = kind.indexes[0]
            model = None if self._graph.shape_chain(first) & bad else self._graph.cut_out(first)
            if model is None:
                unasked.append(kind)
                continue
            for target, no in self._answers(model).items():
                bad.update(kind.indexes)
                self._note(found[target], kind, target, no, model)
        return found, unasked

    def _answers(self, model: onnx.ModelProto) -> dict[Capability, _No]:
        targets = self._spec.targets
        no = self._ask(model, targets)
        if no is None:
            return {}
        if no.by_parser or len(targets) == 1:
            return dict.fromkeys(targets, no)
        alone = {target: self._ask(model, (target,)) for target in targets}
        return {target: no for target, no in alone.items() if no is not None}

    def _note(
        self,
        found: list[OpRefusal],
        kind: Kind,
        target: Capability,
        no: _No,
        model: onnx.ModelProto,
    ) -> None:
        dtype = no.dtype or kind.dtype
        key = (kind.op, dtype, no.reason, target)
        if key not in self._hints:
            first = self._graph.nodes[kind.indexes[0]]
            self._hints[key] = no.hint or (
                self._way_round(first, no.reason)
                if no.by_parser
                else self._hint(first, model, target, dtype)
            )
        nodes = tuple(node_name(self._graph.nodes[index]) for index in kind.indexes)
        for index, other in enumerate(found):
            if (other.op, other.dtype, other.reason) == key[:3]:
                found[index] = msgspec.structs.replace(other, nodes=other.nodes + nodes)
                return
        found.append(OpRefusal(kind.op, dtype, nodes, no.reason, self._hints[key]))

    def _way_round(self, node: onnx.NodeProto, reason: str) -> str:
        """For an op that the parser does not take, whatever the target."""
        plugin = plugin_hint(self._session, node.op_type, reason)
        without = f"{self._spec.runtime.name} takes it for no target: {self._cut(node)}"
        return f"{plugin}; {without}" if plugin else without

    def _cut(self, node: onnx.NodeProto) -> str:
        """How to do without `node`."""
        cuts = [self._graph.before_cast(name) for name in node.input if self._graph.is_made(name)]
        end = f"end the model before it, with --outputs {','.join(cuts)}, or " if cuts else ""
        return f"{end}export the model without it"

    def _hint(
        self, node: onnx.NodeProto, model: onnx.ModelProto, target: Capability, dtype: str
    ) -> str:
        parts = []
        if better := self._types_that_build(node, model, target, dtype):
            parts.append(f"it builds for {target} {better}")
        if takers := self._takers(model, target):
            parts.append(f"as it is it builds for {_and(takers)}")
        nothing = f"nothing that was tried makes it build for {target}: {self._cut(node)}"
        return "; ".join(parts) or nothing

    def _takers(self, model: onnx.ModelProto, target: Capability) -> list[Capability]:
        """The other targets that take `model`, where the runtime can be asked without their GPU."""
        runtime = self._spec.runtime
        others = [other for other in runtime.capabilities if other != target and not runtime.gpus]
        if others and self._ask(model, tuple(others)) is None:
            return others
        return [other for other in others if self._ask(model, (other,)) is None]

    def _types_that_build(
        self, node: onnx.NodeProto, model: onnx.ModelProto, target: Capability, dtype: str
    ) -> str:
        if dtype in _PRECISIONS:
            tried = [name for name in _PRECISIONS if name != dtype and self._gets(node, name)]
            works = [name for name in tried if self._builds_as(model, target, dtype, name)]
            return f"with {' or '.join(f'--precision {name}' for name in works)}" if works else ""
        if dtype in _QUANTIZED and self._builds_as(model, target, dtype, "int8"):
            return "quantized to int8"
        return ""

    def _gets(self, node: onnx.NodeProto, precision: str) -> bool:
        """Whether --precision would make `node` compute in that type.

        It leaves in fp32 what ONNX has no 16-bit form for, and a graph that holds the type.
        """
        if precision == "fp32":
            return True
        low = DTYPES[precision].onnx
        if self._graph.holds(low):
            return False
        first = first_opset(node.op_type, self._graph.opset, low)
        return node.domain in ("", "ai.onnx") and 0 < first <= HIGHEST_OPSET

    def _builds_as(self, model: onnx.ModelProto, target: Capability, old: str, new: str) -> bool:
        return self._ask(retyped(model, old, new), (target,)) is None

    def bisected(self, target: Capability) -> list[OpRefusal]:
        """The node with which the model stops to build, as a refusal; none where nothing shows."""
        builds, fails = 0, len(self._graph.nodes)
        no = self._ask_prefix(fails, target)
        if no is None:
            return []
        while fails - builds > 1:
            report("", f"looking among {fails - builds} ops", builds, fails)
            middle = (builds + fails) // 2
            answer = self._ask_prefix(middle, target)
            if answer is None:
                builds = middle
            else:
                fails, no = middle, answer
        node = self._graph.nodes[fails - 1]
        kind = next(kind for kind in self._graph.kinds() if fails - 1 in kind.indexes)
        hint = no.hint or f"{target} takes each op alone, and the model up to this one"
        return [OpRefusal(kind.op, no.dtype or kind.dtype, (node_name(node),), no.reason, hint)]

    def _ask_prefix(self, count: int, target: Capability) -> _No | None:
        model = self._graph.prefix(count)
        inputs = {value.name for value in model.graph.input}
        profile = {name: sizes for name, sizes in self._spec.profile.items() if name in inputs}
        return self._ask(
            model, (target,), msgspec.structs.replace(self._spec, profile=profile, profiles=())
        )

    def _ask(
        self,
        model: onnx.ModelProto,
        targets: tuple[Capability, ...],
        spec: PlanSpec | None = None,
    ) -> _No | None:
        """Build `model` for `targets`; None where that works or the cut-out itself is at fault."""
        parsed = network_from_bytes(self._session, model.SerializeToString(), typed(self._session))
        if isinstance(parsed, NodeRefusal):
            if not parsed.hint and any(map(is_usage, self._session.errors)):
                return None
            reason = parsed.reason or "the parser does not implement it"
            return _No(reason, "", True, parsed.hint)
        network = parsed.network
        if any(network.get_input(i).is_shape_tensor for i in range(network.num_inputs)):
            return None
        spec = spec or msgspec.structs.replace(self._spec, profile={}, profiles=())
        try:
            config = configured(
                self._session, parsed, msgspec.structs.replace(spec, targets=targets)
            )
            serialized(self._session, parsed, config)
        except PlanError as error:
            if error.refused_by != "builder":
                return None
            refusal = refusal_from_log(self._session.errors)
            return _No(_SUBJECT.sub("", refusal.reason), ", ".join(refusal.dtypes), False)
        return None


def _and(capabilities: list[Capability]) -> str:
    *most, last = map(str, capabilities)
    return f"{', '.join(most)} and {last}" if most else last
