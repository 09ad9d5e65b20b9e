"""Ops that ONNX defines by other ops, written as their definition where no parser knows them.

The definitions are those of the installed onnx, for the model's own opset and, where they depend
on them, its types.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import onnx
from onnx import inliner

# Refused by the parsers of TensorRT 10.6 and of TensorRT for RTX 1.7, in every form.
UNKNOWN_TO_PARSERS = frozenset(
    {
        "AffineGrid", "CausalConvWithState", "CenterCropPad", "DynamicQuantizeLinear",
        "LinearAttention", "NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss", "SwiGLU",
    }
)  # fmt: skip
_DOMAINS = ("", "ai.onnx.preview")  # whose definitions onnx ships
_OURS = "trtbuild.expanded"
_ROUNDS = 8  # definitions within definitions


def without_functions(model: onnx.ModelProto, ops: frozenset[str] = frozenset()) -> onnx.ModelProto:
    """`model` with its own functions inlined, and ops that no parser knows or that `ops` names."""
    if model.functions:
        model = inliner.inline_local_functions(model)
    for _ in range(_ROUNDS):
        if not any(_is_wanted(node, ops) for node in _nodes(model.graph.node)):
            break
        expanded = _once(model, ops)
        if expanded is None:
            break
        model = expanded
    return model


def is_function(op: str) -> bool:
    """Whether ONNX defines `op` by other ops."""
    return any(
        onnx.defs.has(op, domain) and _has_definition(onnx.defs.get_schema(op, domain=domain))
        for domain in _DOMAINS
    )


def _has_definition(schema: onnx.defs.OpSchema) -> bool:
    described: Any = schema  # onnx's types lack these members
    return bool(described.has_function or described.has_context_dependent_function)


def _once(model: onnx.ModelProto, ops: frozenset[str]) -> onnx.ModelProto | None:
    """Every wanted node replaced by its definition; None where no one has any."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    types = _types(model)
    versions = {entry.domain: entry.version for entry in model.opset_import}
    count = 0
    for node in _nodes(changed.graph.node):
        if not _is_wanted(node, ops):
            continue
        function = _definition(node, versions, types)
        if function is None:
            continue
        count += 1
        function.name, function.domain = f"{node.op_type}_{count}", _OURS
        node.op_type, node.domain = function.name, _OURS
        changed.functions.append(function)
    if not count:
        return None
    changed.opset_import.append(onnx.helper.make_opsetid(_OURS, 1))
    inlined = inliner.inline_local_functions(changed)
    kept = [entry for entry in inlined.opset_import if entry.domain != _OURS]
    del inlined.opset_import[:]
    inlined.opset_import.extend(kept)
    return inlined


def _definition(
    node: onnx.NodeProto, versions: dict[str, int], types: dict[str, onnx.TypeProto]
) -> onnx.FunctionProto | None:
    domain = "" if node.domain == "ai.onnx" else node.domain
    version = versions.get(domain, versions.get("ai.onnx", 1))
    schema: Any = onnx.defs.get_schema(node.op_type, version, domain)
    if schema.has_function:
        function = onnx.FunctionProto()
        function.CopyFrom(schema.function_body)
    elif schema.has_context_dependent_function:
        given = [types.get(name, onnx.TypeProto()).SerializeToString() for name in node.input]
        body = schema.get_context_dependent_function(node.SerializeToString(), given)
        function = onnx.FunctionProto.FromString(body)
        if not function.node:  # the types that it depends on are not known
            return None
    else:
        return None
    for entry in function.opset_import:
        entry.version = versions.get(entry.domain, entry.version)
    return function


def _types(model: onnx.ModelProto) -> dict[str, onnx.TypeProto]:
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    types = {
        tensor.name: onnx.helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
        for tensor in model.graph.initializer
    }
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        types[value.name] = value.type
    return types


def _nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _nodes(graph.node)


def _is_wanted(node: onnx.NodeProto, ops: frozenset[str]) -> bool:
    if node.domain not in ("ai.onnx", *_DOMAINS):
        return False
    return node.op_type in ops or node.op_type in UNKNOWN_TO_PARSERS
