"""The model that the plugins of this folder are tried with, and what it has to give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SCALE = 2.5


def softsign_model(path: Path) -> Path:
    """`y = ScaledSoftsign(x @ w)` for any batch, with w twice the identity; an op of no domain."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("ScaledSoftsign", ["h"], ["y"], name="sign", domain="acme", scale=SCALE),
    ]
    graph = helper.make_graph(
        nodes,
        "softsign",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(2 * np.eye(4, dtype=np.float32), "w")],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def expected(x: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[Any]]:
    """NumPy's own values of the model."""
    h = 2 * x
    return np.asarray(SCALE * h / (1 + np.abs(h)), np.float32)


def suppressing_model(path: Path) -> Path:
    """Of the boxes of each image the two best that do not overlap, by a plugin of TensorRT's own.

    boxes [batch, 3, 4] as two corners, scores [batch, 3, 1] ->
    count [batch, 1], kept [batch, 2, 4],
    kept_scores and classes [batch, 2].
    """
    nms = helper.make_node(
        "EfficientNMS_TRT", ["boxes", "scores"], ["count", "kept", "kept_scores", "classes"],
        name="nms", domain="trt", plugin_version="1", background_class=-1, max_output_boxes=2,
        score_threshold=0.25, iou_threshold=0.5, score_activation=0, box_coding=0,
    )  # fmt: skip
    floats, integers = TensorProto.FLOAT, TensorProto.INT32
    graph = helper.make_graph(
        [nms],
        "suppressing",
        [
            helper.make_tensor_value_info("boxes", floats, ["batch", 3, 4]),
            helper.make_tensor_value_info("scores", floats, ["batch", 3, 1]),
        ],
        [
            helper.make_tensor_value_info("count", integers, ["batch", 1]),
            helper.make_tensor_value_info("kept", floats, ["batch", 2, 4]),
            helper.make_tensor_value_info("kept_scores", floats, ["batch", 2]),
            helper.make_tensor_value_info("classes", integers, ["batch", 2]),
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("trt", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path
