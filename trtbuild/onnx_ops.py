"""The ops of an ONNX file, those of subgraphs included. Runs in worker processes only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def count_ops(path: Path) -> dict[str, int]:
    """How often each op occurs, the most frequent first; ops of other domains with their domain."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    graphs = [model.graph.node, *(function.node for function in model.functions)]
    return dict(Counter(name for nodes in graphs for name in _ops(nodes)).most_common())


def _ops(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    for node in nodes:
        standard = node.domain in ("", "ai.onnx")
        yield node.op_type if standard else f"{node.domain}::{node.op_type}"
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _ops(graph.node)
