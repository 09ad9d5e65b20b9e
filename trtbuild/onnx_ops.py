"""The ops of an ONNX file, those of subgraphs included, and what ONNX defines of them.

Runs in worker processes only.
"""

from __future__ import annotations

import functools
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


# ONNX's spelling of a type in schemas, by its number in TensorProto.DataType.
SPELLING = {1: "tensor(float)", 10: "tensor(float16)", 16: "tensor(bfloat16)"}
_FP32 = 1
# Graphs are raised to no later one: where the last common ops took bf16, and what every TensorRT
# from 10.8 reads.
HIGHEST_OPSET = 22


@functools.cache
def schema_of(op: str, opset: int) -> onnx.defs.OpSchema | None:
    """The schema of an op of ONNX's own set at `opset`; None: there is none."""
    import onnx

    try:
        return onnx.defs.get_schema(op, opset, "")
    except onnx.defs.SchemaError:
        return None


def first_opset(op: str, opset: int, low: int) -> int:
    """The first opset from `opset` on at which `op` takes the float type `low` where it takes fp32.

    0: there is none, or `op` is not one of ONNX's.
    """
    import onnx

    for version in range(opset, onnx.defs.onnx_opset_version() + 1):
        schema = schema_of(op, version)
        if schema is None:
            return 0
        for constraint in schema.type_constraints:
            if {SPELLING[_FP32], SPELLING[low]} <= set(map(str, constraint.allowed_type_strs)):
                return version
    return 0
