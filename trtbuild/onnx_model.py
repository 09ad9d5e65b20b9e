"""An ONNX file described as the artifact that travels on. Runs in worker processes only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from trtbuild.artifacts import OnnxModel, digest_of_files
from trtbuild.errors import SourceError
from trtbuild.onnx_files import external_data, external_path
from trtbuild.tensor import Dim, Shape, TensorSpec, dtype_from_onnx

if TYPE_CHECKING:
    import onnx

# What exporters and onnx's own shape inference (unk__0) write for "varies" without meaning a name.
_PLACEHOLDER_DIM = re.compile(r"\s*(\?|\*|-1|[Nn]one|unk(__\d+)?)?\s*")


def describe(path: Path, notes: tuple[str, ...] = ()) -> OnnxModel:
    """The artifact for the ONNX file at `path`; its weights are not loaded.

    Dims keep their names; a dim that varies and has none is called `<tensor>_<axis>`, which is
    unique in the model. Raises `SourceError` for inputs and outputs that are no tensors or
    whose number of dims is unknown.
    """
    from trtbuild.onnx_weights import read_outline

    model = read_outline(path)
    locations = tuple(external_data(path))
    paths = [path, *(external_path(path, location) for location in locations)]
    inputs, outputs = interface(model)
    return OnnxModel(
        directory=path.parent,
        files=(path.name, *locations),
        digest=digest_of_files(*paths),
        size_bytes=sum(file.stat().st_size for file in paths),
        inputs=inputs,
        outputs=outputs,
        opset=default_opset(model),
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        notes=notes,
    )


def interface(model: onnx.ModelProto) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The inputs (without those that are initializers) and outputs of `model`."""
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {tensor.values.name for tensor in graph.sparse_initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    taken = {
        dim.dim_param
        for value in (*inputs, *graph.output)
        for dim in value.type.tensor_type.shape.dim
    }
    return (
        tuple(_spec(value, "input", taken) for value in inputs),
        tuple(_spec(value, "output", taken) for value in graph.output),
    )


def default_opset(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that `model` uses; 1 where it names none."""
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return max(versions, default=1)


def _spec(value: onnx.ValueInfoProto, role: str, taken: set[str]) -> TensorSpec:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        what = (kind or "value of unknown type").removesuffix("_type").replace("_", " ")
        raise SourceError(
            f"{role} '{value.name}' of the ONNX model is a {what}; TensorRT takes tensors only",
            "cut the model where it still has tensors: --inputs, --outputs",
        )
    tensor = value.type.tensor_type
    dtype = dtype_from_onnx(tensor.elem_type)
    if dtype is None:
        raise SourceError(
            f"{role} '{value.name}' of the ONNX model has the unknown data type number "
            f"{tensor.elem_type}",
        )
    if not tensor.HasField("shape"):
        raise SourceError(
            f"{role} '{value.name}' of the ONNX model does not say how many dims it has",
            f"say so: --input '{value.name}=[batch,3,224,224]'"
            if role == "input"
            else "cut the model before the op whose shape nobody knows: --outputs",
        )
    return TensorSpec(value.name, dtype.name, _shape(value, taken))


def _shape(value: onnx.ValueInfoProto, taken: set[str]) -> Shape:
    shape: list[Dim] = []
    for axis, dim in enumerate(value.type.tensor_type.shape.dim):
        if dim.HasField("dim_value") and dim.dim_value >= 0:
            shape.append(dim.dim_value)
        elif not _PLACEHOLDER_DIM.fullmatch(dim.dim_param):
            shape.append(dim.dim_param)
        else:
            shape.append(_new_name(f"{value.name}_{axis}", taken))
    return tuple(shape)


def _new_name(wanted: str, taken: set[str]) -> str:
    """`wanted` as an identifier that no dim of the model has."""
    name = re.sub(r"\W", "_", wanted)
    if not name.isidentifier():
        name = f"dim_{name}"
    while name in taken:
        name += "_"
    taken.add(name)
    return name
