"""Tiny ONNX models as the artifacts of the stages before verify."""

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper

from trtbuild.artifacts import OnnxModel, SurgeryResult
from trtbuild.onnx_model import describe

Dims = Sequence[str | int | None]


def scaled(
    folder: Path, factor: object, dims: Dims = ("n", 3), name: str = "model.onnx"
) -> OnnxModel:
    """y = x * factor; the factor's dtype is the model's."""
    import numpy as np

    weight = numpy_helper.from_array(np.asarray(factor), "w")
    values = [
        helper.make_tensor_value_info(tensor, weight.data_type, list(dims)) for tensor in ("x", "y")
    ]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])], "g", values[:1], values[1:], [weight]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / name)
    return describe(folder / name)


def unchanged(model: OnnxModel) -> SurgeryResult:
    """Surgery that had nothing to do."""
    return SurgeryResult(
        model,
        None,
        (),
        {spec.name: spec.name for spec in model.inputs},
        {spec.name: spec.name for spec in model.outputs},
    )


FLOAT = TensorProto.FLOAT
