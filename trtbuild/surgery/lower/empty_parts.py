"""Split into parts of which some have no element: the others alone, joined without the empty ones.

TensorRT gives a part of size 0 another size. Exporters split so what is joined again at once, as
the part of a vector that a rotary embedding leaves as it is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.lower.writer import Lowering, Writer, constant_values, optional


class EmptyParts(Lowering):
    """See the file's docstring."""

    ops = frozenset({"Split"})
    idle = "no Split has a part without elements"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Rewrite what has constant sizes, and whose empty parts are only joined with others."""
        sizes = constant_values(optional(node, 1))
        if sizes is None or 0 not in sizes or not sizes.any():
            return False
        axis = int(node.attrs.get("axis", 0))
        write = writer()
        ends = {id(tensor) for tensor in write.graph.outputs}
        empty = [tensor for tensor, size in zip(node.outputs, sizes, strict=True) if not size]
        if any(id(part) in ends or not _is_joined(part, axis) for part in empty):
            return False
        for part in empty:
            for reader in list(part.outputs):
                reader.inputs = [tensor for tensor in reader.inputs if tensor is not part]
        kept = write.constant(sizes[sizes > 0], np.int64)
        made = iter(
            write.ops("Split", len(kept.values), node.inputs[0], kept, axis=axis)
            if len(kept.values) > 1
            else [node.inputs[0]]
        )
        write.finish(*(next(made) if size else None for size in sizes))
        return True


def _is_joined(part: gs.Tensor, axis: int) -> bool:
    """Whether whoever reads `part` joins it with something else along `axis`."""
    return all(
        reader.op == "Concat"
        and _same_axis(int(reader.attrs["axis"]), axis, part)
        and any(tensor is not part for tensor in reader.inputs)
        for reader in part.outputs
    )


def _same_axis(one: int, other: int, tensor: gs.Tensor) -> bool:
    if one == other:
        return True
    rank = len(tensor.shape) if tensor.shape is not None else 0
    return bool(rank) and one % rank == other % rank
