"""Move the Cast of bytes up to where they come from: TensorRT has uint8 as an input or output only.

1. uint8 that only ops moving data hand on, from inputs to Casts (`permute(...).float()` on an
   image): all of it takes the type of those Casts, where they have one, else int32.
2. An input whose type --input gave is cast to uint8 in front: to int32, modulo 256, instead.
3. A uint8 output that such ops make: cast to uint8 at the end.
4. uint8 that anything else reads or makes: left alone, and TensorRT names the op.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.contract import Done, Job, Pass, skipped
from trtbuild.surgery.drop_dead import read_instead
from trtbuild.surgery.graph import (
    elem_type,
    fresh_name,
    infer,
    is_standard,
    set_elem_type,
    values_of,
)
from trtbuild.tensor import dtype_from_onnx

_T = onnx.TensorProto
_BYTES, _WIDE = _T.UINT8, _T.INT32
# The types that TensorRT moves; all of them hold every byte.
_TARGETS = {_T.FLOAT, _T.FLOAT16, _T.BFLOAT16, _T.INT32, _T.INT64}
_MOVES = {
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND",
    "Identity", "Pad", "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile",
    "Transpose", "Unsqueeze", "Where",
}  # fmt: skip


class RaiseCasts(Pass):
    """See the file's docstring."""

    def apply(self, job: Job) -> Done:
        """Widen every region of bytes that data movement alone makes up."""
        moved = []
        for region in _regions(job.graph):
            inner = region.nodes or (region.makers and region.readers)
            if region.movable and inner:
                moved.append(_widen(job.graph, region))
        if not moved:
            return skipped("no op moves uint8")
        job.graph.cleanup().toposort()
        infer(job.graph)
        return Done(True, f"Casts of uint8 moved up: {'; '.join(moved)}")


class _Region:
    """uint8 tensors that hang together by the nodes that read and make them."""

    def __init__(self) -> None:
        self.tensors: dict[int, gs.Tensor] = {}
        self.nodes: dict[int, gs.Node] = {}  # that move the bytes
        self.makers: dict[int, gs.Node] = {}  # Casts to uint8
        self.readers: dict[int, gs.Node] = {}  # Casts from uint8
        self.movable = True


def _regions(graph: gs.Graph) -> list[_Region]:
    own = {id(node) for node in graph.nodes}
    seen: set[int] = set()
    regions = []
    for tensor in graph.tensors().values():
        if elem_type(tensor) != _BYTES or isinstance(tensor, gs.Constant) or id(tensor) in seen:
            continue
        region = _Region()
        waiting = [tensor]
        while waiting:
            waiting += _grown(region, waiting.pop(), own)
        seen |= region.tensors.keys()
        regions.append(region)
    return regions


def _grown(region: _Region, tensor: gs.Tensor, own: set[int]) -> list[gs.Tensor]:
    """Take `tensor` into `region`; the bytes beyond the nodes around it come back."""
    if id(tensor) in region.tensors:
        return []
    region.tensors[id(tensor)] = tensor
    beyond: list[gs.Tensor] = []
    if isinstance(tensor, gs.Constant):  # it may be read elsewhere as well: it gets a copy
        return []
    for node in [*tensor.inputs, *tensor.outputs]:
        if id(node) in own and node.op == "Cast" and is_standard(node):
            if any(made is tensor for made in node.outputs):
                region.makers[id(node)] = node
            else:
                region.readers[id(node)] = node
        elif id(node) in own and node.op in _MOVES and is_standard(node):
            region.nodes[id(node)] = node
            ends = [*node.inputs, *node.outputs]
            beyond += [end for end in ends if end.name and elem_type(end) == _BYTES]
        else:
            region.movable = False
    return beyond


def _widen(graph: gs.Graph, region: _Region) -> str:
    """Give the region another type, with Casts at its ends; returns what was done."""
    inputs = [t for t in graph.inputs if id(t) in region.tensors]
    outputs = [t for t in graph.outputs if id(t) in region.tensors]
    wanted = {node.attrs["to"] for node in region.readers.values()}
    plain = len(wanted) == 1 and wanted <= _TARGETS and not region.makers and not outputs
    target = wanted.pop() if plain else _WIDE
    for node in region.makers.values():
        _wrap(graph, node, target)
    for tensor in region.tensors.values():
        if isinstance(tensor, gs.Constant):
            _widen_constant(graph, tensor, region, target)
        elif tensor not in inputs and tensor not in outputs:
            set_elem_type(tensor, target)
    for tensor in inputs:
        _cast_input(graph, tensor, target)
    for tensor in outputs:
        _cast_output(graph, tensor, target)
    ends = {tensor.name for tensor in graph.outputs}
    for node in region.readers.values():
        if node.attrs["to"] == target and node.outputs[0].name not in ends:
            read_instead(node.outputs[0], node.inputs[0])
    first = next(iter([*inputs, *region.tensors.values()]))
    dtype = dtype_from_onnx(target)
    return f"{first.name} to {dtype.name if dtype else target}"


def _widen_constant(graph: gs.Graph, constant: gs.Constant, region: _Region, target: int) -> None:
    values = values_of(constant).astype(onnx.helper.tensor_dtype_to_np_dtype(target))
    wide = gs.Constant(fresh_name(graph, f"{constant.name}__wide"), values)
    for node in region.nodes.values():
        node.inputs = [wide if tensor is constant else tensor for tensor in node.inputs]


def _wrap(graph: gs.Graph, cast: gs.Node, target: int) -> None:
    """Case 2: what a Cast to uint8 gives, in `target`, int32."""
    result = cast.outputs[0]
    wide = gs.Variable(fresh_name(graph, f"{result.name}__wide"), target, result.shape)
    period = gs.Constant(
        fresh_name(graph, f"{result.name}__period"),
        np.array(256, onnx.helper.tensor_dtype_to_np_dtype(target)),
    )
    cast.attrs["to"] = target
    cast.outputs[0] = wide
    graph.nodes.append(gs.Node("Mod", period.name, inputs=[wide, period], outputs=[result]))


def _cast_input(graph: gs.Graph, tensor: gs.Variable, target: int) -> None:
    wide = gs.Variable(fresh_name(graph, f"{tensor.name}__wide"), target, tensor.shape)
    read_instead(tensor, wide)
    node = gs.Node("Cast", f"{wide.name}_cast", {"to": target}, [tensor], [wide])
    graph.nodes.insert(0, node)


def _cast_output(graph: gs.Graph, tensor: gs.Variable, target: int) -> None:
    """Case 3."""
    wide = gs.Variable(fresh_name(graph, f"{tensor.name}__wide"), target, tensor.shape)
    maker = tensor.inputs[0]
    maker.outputs[maker.outputs.index(tensor)] = wide
    read_instead(tensor, wide)
    node = gs.Node("Cast", f"{wide.name}_cast", {"to": _BYTES}, [wide], [tensor])
    graph.nodes.append(node)
