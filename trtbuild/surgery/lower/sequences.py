"""Sequences and optional values whose members are known, as the tensors that they are of.

TensorRT has tensors alone. Exporters split into a sequence and take its members, or collect some
and join them: then who is at which place follows from the graph. A sequence that is a model's
input or output, or is made in a loop, stays and is refused.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.contract import Done, Job, Pass, skipped
from trtbuild.surgery.graph import all_graphs, elem_type, infer, is_standard, label
from trtbuild.surgery.lower.writer import Writer, constant_values, optional

_LONGEST = 1024  # members
_Members = dict[str, list[gs.Tensor]]  # of a sequence, by its name


class Sequences(Pass):
    """See the file's docstring."""

    def apply(self, job: Job) -> Done:
        """Write what reads a known sequence; what made it goes where nothing else reads it."""
        graph = job.graph
        if not any(node.op in (*_MAKERS, *_READERS) for node in graph.nodes):
            return skipped("the model has no sequences")
        taken = {tensor for scope in all_graphs(graph) for tensor in scope.tensors()}
        known: _Members = {}
        done: list[str] = []
        for node in list(graph.nodes):
            if not is_standard(node):
                continue
            if node.op in _MAKERS:
                members = _MAKERS[node.op](node, known, Writer(graph, node, graph.opset, taken))
                if members is not None and len(members) <= _LONGEST:
                    known[node.outputs[0].name] = members
            elif node.op in _READERS:
                name = label(node)
                write = Writer(graph, node, graph.opset, taken)
                result = _READERS[node.op](node, known, write)
                if result is not None:
                    write.finish(result)
                    done.append(name)
        if not done:
            return skipped("who is in the model's sequences is not known")
        graph.cleanup().toposort()
        infer(graph)
        return Done(True, f"'{done[0]}'" + (f" and {len(done) - 1} more" if len(done) > 1 else ""))


def _of(node: gs.Node, known: _Members) -> list[gs.Tensor] | None:
    return known.get(node.inputs[0].name)


def _place(node: gs.Node, index: int, absent: int) -> int | None:
    """A position that is a constant, `absent` where none is given; None for one that varies."""
    given = optional(node, index)
    if given is None:
        return absent
    values = constant_values(given)
    return None if values is None else int(values.ravel()[0])


def _constructed(node: gs.Node, _known: _Members, _: Writer) -> list[gs.Tensor]:
    return list(node.inputs)


def _empty(_node: gs.Node, _known: _Members, _: Writer) -> list[gs.Tensor]:
    return []


def _inserted(node: gs.Node, known: _Members, _: Writer) -> list[gs.Tensor] | None:
    members = _of(node, known)
    at = None if members is None else _place(node, 2, len(members))
    if members is None or at is None:
        return None
    at += len(members) if at < 0 else 0
    return [*members[:at], node.inputs[1], *members[at:]]


def _erased(node: gs.Node, known: _Members, _: Writer) -> list[gs.Tensor] | None:
    members = _of(node, known)
    at = _place(node, 1, -1)
    if not members or at is None:
        return None
    at %= len(members)
    return [*members[:at], *members[at + 1 :]]


def _split(node: gs.Node, _known: _Members, write: Writer) -> list[gs.Tensor] | None:
    """The parts, of size 1 where no size is given."""
    x, given = node.inputs[0], optional(node, 1)
    if x.shape is None:
        return None
    axis = int(node.attrs.get("axis", 0)) % len(x.shape)
    size = x.shape[axis]
    values = None if given is None else constant_values(given)
    if given is not None and values is None:
        return None
    if values is not None and values.ndim:
        sizes = [int(value) for value in values]
    elif isinstance(size, int):
        part = 1 if values is None else int(values)
        sizes = [min(part, size - start) for start in range(0, size, part)]
    else:
        return None
    if not sizes or len(sizes) > _LONGEST:
        return None
    parts: list[gs.Tensor] = [x]
    if len(sizes) > 1:
        parts = [*write.ops("Split", len(sizes), x, write.constant(sizes, np.int64), axis=axis)]
    if given is None and not node.attrs.get("keepdims", 1):
        parts = [write.shaped("Squeeze", part, [axis]) for part in parts]
    write.insert()
    return parts


def _taken(node: gs.Node, known: _Members, _: Writer) -> gs.Tensor | None:
    members = _of(node, known)
    at = _place(node, 1, 0)
    if not members or at is None or not -len(members) <= at < len(members):
        return None
    return members[at]


def _counted(node: gs.Node, known: _Members, write: Writer) -> gs.Tensor | None:
    members = _of(node, known)
    return None if members is None else write.constant(len(members), np.int64)


def _joined(node: gs.Node, known: _Members, write: Writer) -> gs.Tensor | None:
    members = _of(node, known)
    if not members:
        return None
    axis = int(node.attrs["axis"])
    if node.attrs.get("new_axis", 0):
        members = [write.shaped("Unsqueeze", member, [axis]) for member in members]
    return write.op("Concat", *members, axis=axis)


def _has_element(node: gs.Node, _known: _Members, write: Writer) -> gs.Tensor | None:
    given = optional(node, 0)
    if given is not None and not elem_type(given):
        return None
    return write.constant(given is not None, np.bool_)


def _element(node: gs.Node, _known: _Members, _: Writer) -> gs.Tensor | None:
    return node.inputs[0] if elem_type(node.inputs[0]) else None


_MAKERS: dict[str, Callable[[gs.Node, _Members, Writer], list[gs.Tensor] | None]] = {
    "SequenceConstruct": _constructed,
    "SequenceEmpty": _empty,
    "SequenceErase": _erased,
    "SequenceInsert": _inserted,
    "SplitToSequence": _split,
}
_READERS: dict[str, Callable[[gs.Node, _Members, Writer], gs.Tensor | None]] = {
    "ConcatFromSequence": _joined,
    "OptionalGetElement": _element,
    "OptionalHasElement": _has_element,
    "SequenceAt": _taken,
    "SequenceLength": _counted,
}
