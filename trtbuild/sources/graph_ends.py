"""Where a TensorFlow graph begins and ends, as the user says or as its nodes tell.

An end is `name in ONNX -> tensor`; the tensor `x:0` is called `x` where the user says nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from trtbuild.errors import SourceError

_PLACEHOLDERS = frozenset({"Placeholder", "PlaceholderV2"})
_VARIABLES = frozenset({"Variable", "VariableV2", "VarHandleOp", "TemporaryVariable"})
# Ops that end a graph without being a result of it.
_NO_RESULT = frozenset({"Assert", "Assign", "Const", "NoOp", "Print", "RestoreV2", "SaveV2"})
_SHOWN = 10  # names in a message


def find_outputs(graph: Any, asked: tuple[str, ...], what: str) -> dict[str, str]:
    """The tensors `asked` for, else the results of nodes that depend on a placeholder and that
    no node consumes. Raises `SourceError`.
    """
    if asked:
        return _named(graph, asked, what, "--outputs")
    consumed = {tensor.name for op in graph.get_operations() for tensor in op.inputs}
    consumed |= {tensor.rpartition(":")[0] for tensor in consumed}
    depending = _depending_on_placeholders(graph)
    ends = [
        tensor.name
        for op in graph.get_operations()
        if op.name in depending and op.name not in consumed and op.type not in _NO_RESULT
        for tensor in op.outputs
        if op.type not in _PLACEHOLDERS
    ]
    if not ends:
        raise SourceError(
            f"{what} has no node that depends on a placeholder and that nobody consumes",
            "say where it ends: --outputs TENSOR",
        )
    return {_short(tensor): tensor for tensor in ends}


def ends_of(graph: Any) -> list[str]:
    """The nodes of a GraphDef that `find_outputs` may take for its ends, and perhaps some more:
    those that depend on a placeholder and whose first tensor no node consumes.
    """
    users: dict[str, list[str]] = {}
    consumed = set()
    for node in graph.node:
        for tensor in node.input:
            if not tensor.startswith("^"):
                users.setdefault(tensor.partition(":")[0], []).append(node.name)
                consumed.add(tensor.partition(":")[0])
    depending: set[str] = set()
    waiting = [node.name for node in graph.node if node.op in _PLACEHOLDERS]
    while waiting:
        name = waiting.pop()
        if name not in depending:
            depending.add(name)
            waiting.extend(users.get(name, ()))
    return [
        node.name
        for node in graph.node
        if node.name in depending and node.name not in consumed and node.op not in _NO_RESULT
    ]


def find_inputs(
    graph: Any, asked: tuple[str, ...], outputs: dict[str, str], what: str
) -> dict[str, str]:
    """The tensors `asked` for, else the placeholders that `outputs` depend on."""
    inputs = _named(graph, asked, what, "--inputs") if asked else {}
    needed = _needed(graph, inputs.values(), outputs.values())
    placeholders = [op.outputs[0].name for op in needed if op.type in _PLACEHOLDERS]
    if not asked:
        return {_short(tensor): tensor for tensor in placeholders}
    if placeholders:
        raise SourceError(
            f"{what} needs more inputs for {', '.join(outputs)} than --inputs names: "
            f"{', '.join(placeholders)}",
            "name them too, or cut it closer to its outputs",
        )
    return inputs


def refuse_variables(
    graph: Any, inputs: dict[str, str], outputs: dict[str, str], what: str
) -> None:
    """Raises `SourceError` when a variable lies between `inputs` and `outputs`."""
    needed = _needed(graph, inputs.values(), outputs.values())
    variables = sorted(op.name for op in needed if op.type in _VARIABLES)
    if variables:
        nodes = ", ".join(repr(tensor.rpartition(":")[0]) for tensor in outputs.values())
        raise SourceError(
            f"{what} is not frozen: the values of its variables are elsewhere "
            f"({_listed(variables)})",
            "give the SavedModel, or freeze it: tf.compat.v1.graph_util."
            f"convert_variables_to_constants(session, graph_def, [{nodes}])",
        )


def _named(graph: Any, asked: tuple[str, ...], what: str, option: str) -> dict[str, str]:
    """Read `[NEW=]TENSOR`; a tensor without a port is the first one of its node."""
    ends = {}
    for text in asked:
        new, _, name = text.rpartition("=")
        tensor = name if ":" in name else f"{name}:0"
        try:
            graph.get_tensor_by_name(tensor)
        except (KeyError, ValueError):
            names = [op.name for op in graph.get_operations()]
            close = difflib.get_close_matches(name, names, n=_SHOWN, cutoff=0.5)
            there = close or [op.name for op in graph.get_operations() if op.type in _PLACEHOLDERS]
            raise SourceError(
                f"{what} has no tensor '{name}', which {option} names; "
                f"it has, among others: {_listed(there or names)}"
            ) from None
        ends[new or _short(tensor)] = tensor
    return ends


def _depending_on_placeholders(graph: Any) -> set[str]:
    depending: set[str] = set()
    waiting = [op for op in graph.get_operations() if op.type in _PLACEHOLDERS]
    while waiting:
        op = waiting.pop()
        if op.name not in depending:
            depending.add(op.name)
            waiting.extend(user for tensor in op.outputs for user in tensor.consumers())
    return depending


def _needed(graph: Any, inputs: Iterable[str], outputs: Iterable[str]) -> list[Any]:
    """The ops that compute `outputs` from `inputs`, in the graph's order."""
    known = set(inputs)
    found: set[str] = set()
    waiting = [graph.get_tensor_by_name(name) for name in outputs]
    while waiting:
        tensor = waiting.pop()
        if tensor.name not in known:
            known.add(tensor.name)
            found.add(tensor.op.name)
            waiting.extend(tensor.op.inputs)
    return [op for op in graph.get_operations() if op.name in found]


def _short(tensor: str) -> str:
    return tensor.removesuffix(":0")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
