"""A ResNet-50 in FP16 with random weights, made of ONNX nodes: nothing is downloaded.

The network of He et al. (2015), v1.5 (strides in the 3x3 convolutions), batch norms folded into
the convolutions: INPUT [batch, 3, size, size] fp16 -> OUTPUT [batch, classes] fp16, 25.5 million
weights, 4.1 GMAC an image of 224 x 224.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_EXPANSION = 4


class _Network:
    """Nodes and weights as they are added; `value` is the tensor that was made last."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.value = "INPUT"

    def weight(self, shape: tuple[int, ...], scale: float) -> str:
        name = f"w{len(self.weights)}"
        values = self._random.standard_normal(shape, np.float32) * scale
        self.weights.append(numpy_helper.from_array(values.astype(np.float16), name))
        return name

    def add(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        self.value = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [self.value], **attributes))
        return self.value

    def convolution(self, of: str, channels: tuple[int, int], kernel: int, stride: int = 1,
                    gain: float = 1.0) -> str:  # fmt: skip
        source, target = channels
        # He et al.: keeps the variance through a ReLU.
        scale = gain * float(np.sqrt(2 / (source * kernel * kernel)))
        weight = self.weight((target, source, kernel, kernel), scale)
        bias = self.weight((target,), 0.01)
        pads = [kernel // 2] * 4
        return self.add("Conv", [of, weight, bias], kernel_shape=[kernel] * 2,
                        strides=[stride] * 2, pads=pads)  # fmt: skip

    def bottleneck(self, channels: tuple[int, int], stride: int) -> None:
        source, width = channels
        target, began = width * _EXPANSION, self.value
        value = self.add("Relu", [self.convolution(began, (source, width), 1)])
        value = self.add("Relu", [self.convolution(value, (width, width), 3, stride)])
        # A small last convolution: sums of 16 blocks stay within fp16.
        value = self.convolution(value, (width, target), 1, gain=0.3)
        if source != target or stride != 1:
            began = self.convolution(began, (source, target), 1, stride)
        self.add("Relu", [self.add("Add", [value, began])])


def resnet(blocks: Sequence[int] = (3, 4, 6, 3), width: int = 64, size: int = 224,
           classes: int = 1000) -> bytes:  # fmt: skip
    """The model, serialized. By default ResNet-50; smaller ones for machines without a GPU."""
    net = _Network()
    net.add("Relu", [net.convolution("INPUT", (3, width), 7, 2)])
    net.add("MaxPool", [net.value], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = width
    for stage, count in enumerate(blocks):
        inner = width << stage
        for block in range(count):
            net.bottleneck((channels, inner), 2 if stage and not block else 1)
            channels = inner * _EXPANSION
    flat = net.add("Flatten", [net.add("GlobalAveragePool", [net.value])])
    weight = net.weight((channels, classes), channels**-0.5)
    net.nodes.append(helper.make_node("MatMul", [flat, weight], ["OUTPUT"]))
    half = TensorProto.FLOAT16
    graph = helper.make_graph(
        net.nodes, "resnet",
        [helper.make_tensor_value_info("INPUT", half, ["batch", 3, size, size])],
        [helper.make_tensor_value_info("OUTPUT", half, ["batch", classes])],
        net.weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()
