"""The two small requests' networks, with random weights, made of ONNX nodes: nothing is downloaded.

A perceptron: INPUT [batch, 16] fp32 -> OUTPUT [batch, 4], 64 bytes a request. An encoder of
BERT-base's shape: INPUT [batch, 128] int64, 1 KB a request -> OUTPUT [batch, 2] of the first token;
12 layers of width 768, 12 heads, GELU, 109 million weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TOKENS, WORDS, WIDTH, HEADS = 128, 30_522, 768, 12


class _Network:
    """Nodes and constants as they are added."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def weight(self, *shape: int, scale: float = 0.02) -> str:
        return self.constant(self._random.standard_normal(shape, np.float32) * np.float32(scale))

    def number(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        made = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [made], **attributes))
        return made

    def linear(self, value: str, width: int, target: int) -> str:
        scale = width**-0.5
        product = self.add("MatMul", value, self.weight(width, target, scale=scale))
        return self.add("Add", product, self.weight(target))

    def norm(self, value: str) -> str:
        scale, shift = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)
        return self.add("LayerNormalization", value, self.constant(scale), self.constant(shift))

    def model(self, dtype: int, width: int, outputs: int, value: str) -> bytes:
        self.nodes.append(helper.make_node("Identity", [value], ["OUTPUT"]))
        given = helper.make_tensor_value_info("INPUT", dtype, ["batch", width])
        made = helper.make_tensor_value_info("OUTPUT", TensorProto.FLOAT, ["batch", outputs])
        graph = helper.make_graph(self.nodes, "net", [given], [made], self.constants)
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=9)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def perceptron(widths: Sequence[int] = (16, 64, 64)) -> bytes:
    """The perceptron, serialized."""
    net, value = _Network(), "INPUT"
    for width, target in pairwise(widths):
        value = net.add("Relu", net.linear(value, width, target))
    return net.model(TensorProto.FLOAT, widths[0], 4, net.linear(value, widths[-1], 4))


def encoder(layers: int = 12) -> bytes:
    """The encoder, serialized. Fewer layers for machines without a GPU."""
    net = _Network()
    words = net.add("Gather", net.weight(WORDS, WIDTH), "INPUT")
    value = net.norm(net.add("Add", words, net.weight(TOKENS, WIDTH)))
    for _ in range(layers):
        value = net.norm(net.add("Add", value, _attention(net, value)))
        value = net.norm(net.add("Add", value, _feed_forward(net, value)))
    first = net.add("Gather", value, net.constant(np.array(0)), axis=1)
    return net.model(TensorProto.INT64, TOKENS, 2, net.linear(first, WIDTH, 2))


def _attention(net: _Network, value: str) -> str:
    heads = net.constant(np.array([0, TOKENS, HEADS, WIDTH // HEADS]))
    joined = net.constant(np.array([0, TOKENS, WIDTH]))

    def head(order: Sequence[int]) -> str:
        return net.add("Transpose", net.add("Reshape", net.linear(value, WIDTH, WIDTH), heads),
                       perm=order)  # fmt: skip

    query, key, values = head((0, 2, 1, 3)), head((0, 2, 3, 1)), head((0, 2, 1, 3))
    scores = net.add("MatMul", query, key)
    scaled = net.add("Mul", scores, net.number((WIDTH // HEADS) ** -0.5))
    mixed = net.add("MatMul", net.add("Softmax", scaled, axis=-1), values)
    back = net.add("Reshape", net.add("Transpose", mixed, perm=(0, 2, 1, 3)), joined)
    return net.linear(back, WIDTH, WIDTH)


def _feed_forward(net: _Network, value: str) -> str:
    inner = net.linear(value, WIDTH, 4 * WIDTH)
    error = net.add("Erf", net.add("Mul", inner, net.number(2**-0.5)))
    half = net.add("Mul", inner, net.number(0.5))
    gelu = net.add("Mul", half, net.add("Add", error, net.number(1)))
    return net.linear(gelu, 4 * WIDTH, WIDTH)
