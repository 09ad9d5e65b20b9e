"""One node replaced by several others that compute the same."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.contract import Done, Job, Pass, skipped
from trtbuild.surgery.graph import Array, all_graphs, infer, is_standard, label, values_of


class Writer:
    """Writes nodes in the place of `node`; `finish` puts them into the graph."""

    def __init__(self, graph: gs.Graph, node: gs.Node, opset: int, taken: set[str]) -> None:
        self.graph = graph
        self.node = node
        self.opset = opset
        self._taken = taken
        self._nodes: list[gs.Node] = []
        self._stem = next(tensor.name for tensor in node.outputs if tensor.name)

    def op(
        self, op: str, *inputs: gs.Tensor, dtype: Any = None, shape: Any = None, **attrs: Any
    ) -> gs.Variable:
        """The one output of a new node of ONNX's own `op`."""
        result = gs.Variable(self._name(op.lower()), dtype, shape)
        self._nodes.append(gs.Node(op, result.name, attrs, inputs=list(inputs), outputs=[result]))
        return result

    def ops(self, op: str, outputs: int, *inputs: gs.Tensor, **attrs: Any) -> list[gs.Variable]:
        """The outputs of a new node that has several."""
        results = [gs.Variable(self._name(op.lower())) for _ in range(outputs)]
        self._nodes.append(
            gs.Node(op, results[0].name, attrs, inputs=list(inputs), outputs=results)
        )
        return results

    def constant(self, values: Any, dtype: Any = None) -> gs.Constant:
        """A new constant."""
        return gs.Constant(self._name("constant"), np.asarray(values, dtype=dtype))

    def reduce(
        self, op: str, tensor: gs.Tensor, axes: gs.Tensor | None, keepdims: int
    ) -> gs.Variable:
        """A reduction whose axes are an input or an attribute, as the model's opset has it."""
        if axes is None:
            return self.op(op, tensor, keepdims=keepdims)
        if self.opset >= (13 if op == "ReduceSum" else 18):
            return self.op(op, tensor, axes, keepdims=keepdims)
        return self.op(op, tensor, axes=values_of(axes).ravel().tolist(), keepdims=keepdims)

    def shaped(self, op: str, tensor: gs.Tensor, axes: Sequence[int]) -> gs.Variable:
        """`tensor` after Squeeze or Unsqueeze of `axes`, as the model's opset has it."""
        if self.opset >= 13:
            return self.op(op, tensor, self.constant(axes, np.int64))
        return self.op(op, tensor, axes=list(axes))

    def _name(self, what: str) -> str:
        name, count = f"{self._stem}__{what}", 1
        while name in self._taken:
            count += 1
            name = f"{self._stem}__{what}_{count}"
        self._taken.add(name)
        return name

    def insert(self) -> None:
        """Put the nodes before the node, which stays."""
        at = next(i for i, other in enumerate(self.graph.nodes) if other is self.node)
        self.graph.nodes[at:at] = self._nodes

    def finish(self, *results: gs.Tensor | None) -> None:
        """Let `results` be the outputs of the node, in order, and drop the node.

        None stands for an output that nobody reads. A result that no new node makes is copied.
        """
        outputs = list(self.node.outputs)
        self.node.outputs.clear()
        for output, result in zip(outputs, results, strict=False):
            if result is None or not output.name:
                continue
            self._nodes.append(
                gs.Node("Identity", f"{output.name}__out", inputs=[result], outputs=[output])
            )
        at = next(i for i, other in enumerate(self.graph.nodes) if other is self.node)
        self.graph.nodes[at : at + 1] = self._nodes
        self.node.inputs.clear()
        self._drop_identities()

    def _drop_identities(self) -> None:
        """Where a new node makes a result that nothing else reads, it makes the output itself."""
        for copy in [node for node in self._nodes if node.op == "Identity"]:
            made, output = copy.inputs[0], copy.outputs[0]
            if len(made.inputs) != 1 or len(made.outputs) != 1 or made.inputs[0] not in self._nodes:
                continue
            maker = made.inputs[0]
            slot = next(i for i, tensor in enumerate(maker.outputs) if tensor is made)
            copy.outputs.clear()
            copy.inputs.clear()
            maker.outputs[slot] = output
            self.graph.nodes.remove(copy)


class Lowering(Pass):
    """A pass that rewrites nodes of some ops one by one, in the graph and its subgraphs."""

    ops: frozenset[str] = frozenset()
    idle = ""  # what the note says where there was nothing to do

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Rewrite `node`, one of `ops`, where it has the form; whether it did."""
        raise NotImplementedError

    def apply(self, job: Job) -> Done:
        """Rewrite every node that has the form."""
        if not any(node.op in self.ops for scope in all_graphs(job.graph) for node in scope.nodes):
            return skipped(self.idle)
        taken = {tensor for scope in all_graphs(job.graph) for tensor in scope.tensors()}
        done: dict[str, list[str]] = {}
        for scope in list(all_graphs(job.graph)):
            for node in [node for node in scope.nodes if node.op in self.ops]:
                op, name = str(node.op), label(node)
                writer = functools.partial(Writer, scope, node, job.graph.opset, taken)
                if is_standard(node) and self.rewrite(node, writer):
                    done.setdefault(op, []).append(name)
        if not done:
            return skipped(self.idle)
        job.graph.cleanup().toposort()
        infer(job.graph)
        return Done(True, ", ".join(f"{op} {_few(names)}" for op, names in done.items()))


def _few(names: list[str]) -> str:
    return f"'{names[0]}'" + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def constant_values(tensor: gs.Tensor | None) -> Array | None:
    """The values of a constant; None for what is computed or absent."""
    return values_of(tensor) if isinstance(tensor, gs.Constant) else None


def optional(node: gs.Node, index: int) -> gs.Tensor | None:
    """Input `index` of `node`, None where it is left out."""
    if index >= len(node.inputs) or not node.inputs[index].name:
        return None
    return node.inputs[index]


def is_read(node: gs.Node, index: int) -> bool:
    """`node` has an output `index` that is not left out."""
    return index < len(node.outputs) and bool(node.outputs[index].name)
