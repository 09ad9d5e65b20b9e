"""Ops that ONNX does not define: plugins of TensorRT, for which ONNX Runtime has no kernel.

Runs in worker processes only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx

from trtbuild.onnx_weights import read_skeleton

# Domains whose ops ONNX Runtime has without being ONNX's own: its contrib ops.
_RUNTIMES_OWN = ("com.microsoft", "com.microsoft.nchwc", "ai.onnx.contrib")


def why_not_run(path: Path) -> str:
    """Why ONNX Runtime cannot run the graph in `path`; "" where no op of it stands in the way."""
    ops = custom_ops(read_skeleton(path))
    if not ops:
        return ""
    return (
        f"not run: ONNX Runtime has no {', '.join(ops)}, so there is nothing to compare the plan's "
        "numbers with"
    )


def custom_ops(model: onnx.ModelProto) -> tuple[str, ...]:
    """The ops of `model`, sub-graphs and all, that neither ONNX nor ONNX Runtime has, sorted."""
    local = {(function.domain, function.name) for function in model.functions}
    found = set()
    for node in _nodes(model.graph):
        known = onnx.defs.has(node.op_type, node.domain) or node.domain in _RUNTIMES_OWN
        if not known and (node.domain, node.op_type) not in local:
            found.add(f"{node.domain}::{node.op_type}" if node.domain else node.op_type)
    return tuple(sorted(found))


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)
