"""What TensorFlow would run of a graph that somebody else made, read before anything of it runs.

Loading a SavedModel already runs parts of it: initializers, resources, the restore ops. So the
ops are read out of the messages that TensorFlow itself parses, from where a load and a call begin,
through inputs, control inputs and every function that a node names, and held against
`tf_ops.COMPUTING`. What is not reached (a saver's SaveV2, another signature) is left alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from trtbuild.errors import SourceError
from trtbuild.sources.tf_ops import COMPUTING
from trtbuild.sources.trust import TRUST_HINT

_SHOWN = 5  # ops in a message
# Where PrintV2 may print: anything else is a file (its kernel's source).
_STREAMS = {b"", b"stdout", b"stderr", b"log(info)", b"log(warning)", b"log(error)"}
# Functions that carry one of these with the same value stand in for each other (grappler's
# implementation selector), whichever of them a node names.
_IMPLEMENTS = ("api_implements", "experimental_api_implements")


class Reached(NamedTuple):
    """A node that would run; `function` is where it stands, "" for the graph itself."""

    node: Any  # NodeDef
    function: str

    def __str__(self) -> str:
        inside = f" in function '{self.function}'" if self.function else ""
        return f"{self.node.op} (node '{self.node.name}'{inside})"


Allowed = Callable[[Reached], bool]


def refuse_ops(reached: Iterable[Reached], what: str, also: Allowed = lambda _: False) -> None:
    """Raise `SourceError` where a node does more than compute; `also`: what else may run."""
    found = {
        (each.node.op, each.node.name): each
        for each in reached
        if not _computes(each.node) and not also(each)
    }
    if found:
        listed = ", ".join(str(each) for each in list(found.values())[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise SourceError(
            f"{what} has ops that are not known to stay inside the model, and nothing of it was "
            f"run: {listed}{more}",
            f"leave them out of the model; {TRUST_HINT}",
        )


def _computes(node: Any) -> bool:
    if node.op == "PrintV2":
        return node.attr["output_stream"].s in _STREAMS
    return node.op in COMPUTING or not _is_registered(node.op)


def _is_registered(op: str) -> bool:
    """TensorFlow has such an op; a graph with one that it has not is refused by TensorFlow."""
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get(op) is not None


class Library:
    """The functions that come with a graph."""

    def __init__(self, library: Any) -> None:
        self._functions: defaultdict[str, list[Any]] = defaultdict(list)
        self._kin: defaultdict[str, set[str]] = defaultdict(set)
        implementing: defaultdict[bytes, set[str]] = defaultdict(set)
        for function in library.function:
            self._functions[function.signature.name].append(function)
            for attribute in _IMPLEMENTS:
                if attribute in function.attr:
                    implementing[function.attr[attribute].s].add(function.signature.name)
        for names in implementing.values():
            for name in names:
                self._kin[name] |= names
        for gradient in library.gradient:
            self._kin[gradient.function_name].add(gradient.gradient_func)

    def named_by(self, node: Any) -> set[str]:
        """The functions that `node` calls: by its op, or by an attribute however deep in it."""
        names = {node.op}
        for value in node.attr.values():
            names.update(_names_in(value))
        return names & self._functions.keys()

    def reached_from(self, names: Iterable[str]) -> Iterator[Reached]:
        """Every node of the functions `names`, and of those that they name."""
        waiting, seen = list(names), set[str]()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            waiting.extend(self._kin.get(name, ()))
            for function in self._functions.get(name, ()):
                for value in function.attr.values():
                    waiting.extend(_names_in(value))
                for node in function.node_def:
                    yield Reached(node, name)
                    waiting.extend(self.named_by(node))


def _names_in(value: Any) -> Iterator[str]:
    """What may be a function's name in an attribute: functions, and texts, which name some too."""
    for text in (value.s, *value.list.s):
        yield text.decode(errors="replace")
    for function in (value.func, *value.list.func):
        yield function.name
        for inner in function.attr.values():
            yield from _names_in(inner)


def reached_in_graph(
    graph: Any, library: Library, roots: Iterable[str], fed: Iterable[str] = ()
) -> Iterator[Reached]:
    """The nodes that the tensors or nodes `roots` need, with the functions that they call.

    Tensors that are `fed` need nothing.
    """
    nodes: defaultdict[str, list[Any]] = defaultdict(list)
    for node in graph.node:
        nodes[node.name].append(node)
    given = {_tensor(name) for name in fed}
    waiting = [name for name in roots if _tensor(name) not in given]
    seen, called = set[str](), set[str]()
    while waiting:
        name = _node_of(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        for node in nodes.get(name, ()):
            yield Reached(node, "")
            called |= library.named_by(node)
            waiting.extend(name for name in node.input if _tensor(name) not in given)
    yield from library.reached_from(called)


def _node_of(reference: str) -> str:
    """`^name`, `name:0` or `name` as the node's name."""
    return reference.removeprefix("^").partition(":")[0]


def _tensor(reference: str) -> str:
    """`name` as `name:0`; a control input `^name` is no tensor and stays as it is."""
    return reference if ":" in reference or reference.startswith("^") else f"{reference}:0"
