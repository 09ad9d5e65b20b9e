"""What an ONNX file of PyTorch's exporters still lacks: readable dims, the opset asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trtbuild.sources.opset import at_opset
from trtbuild.sources.shapes import infer_outputs

if TYPE_CHECKING:
    import onnx


def finish(
    raw: Path, path: Path, inputs: Sequence[str], dims: Sequence[dict[int, str]], opset: int | None
) -> tuple[str, ...]:
    """Write the exporter's file `raw` to `path`, weights included, and return notes.

    The dims that vary get the names asked for (`dims` of each of `inputs`: axis -> name).
    """
    from trtbuild.onnx_weights import read_skeleton
    from trtbuild.onnx_write import write

    model = read_skeleton(raw)
    for dim in _dims(model):
        if dim.dim_param.isdecimal():  # what the module's code fixed: the exporter writes "2"
            dim.dim_value = int(dim.dim_param)
    names, notes = _symbols(model, inputs, dims)
    for dim in _dims(model):
        if dim.dim_param:
            dim.dim_param = _renamed(dim.dim_param, names)
    _drop_metadata(model)
    model, note = at_opset(model, opset)
    _, contradiction = infer_outputs(model)
    write(model, path)
    return tuple(text for text in (*notes, note, contradiction) if text)


def _symbols(
    model: onnx.ModelProto, inputs: Sequence[str], dims: Sequence[dict[int, str]]
) -> tuple[dict[str, str], list[str]]:
    """Exporter's symbol -> name asked for (s77 -> batch), and which dims do not vary after all."""
    shapes = {value.name: value.type.tensor_type.shape.dim for value in model.graph.input}
    names: dict[str, str] = {}
    notes = []
    for name, wanted in zip(inputs, dims, strict=True):
        for axis, dim_name in wanted.items():
            dim = shapes[name][axis]
            if dim.dim_param:
                names.setdefault(dim.dim_param, dim_name)
            else:
                notes.append(
                    f"dim '{dim_name}' of input '{name}' does not vary: the model's code makes it "
                    f"{dim.dim_value}"
                )
    return names, notes


def _renamed(expression: str, names: dict[str, str]) -> str:
    """`2*s77 + 1` as `2*batch + 1`."""
    if expression in names:
        return names[expression]
    return re.sub(r"[A-Za-z_]\w*", lambda match: names.get(match[0], match[0]), expression)


def _dims(model: onnx.ModelProto) -> Iterator[onnx.TensorShapeProto.Dimension]:
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield from value.type.tensor_type.shape.dim


def _drop_metadata(model: onnx.ModelProto) -> None:
    """The dynamo exporter notes for each node the user's source lines and file paths.

    They would be published with the model.
    """
    graph = model.graph
    everything: Iterable[onnx.NodeProto | onnx.ValueInfoProto | onnx.TensorProto] = (
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.value_info,
        *graph.initializer,
    )
    for item in everything:
        del item.metadata_props[:]
    del graph.metadata_props[:]
