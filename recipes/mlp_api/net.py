"""A perceptron by TensorRT's network API, and what it computes in NumPy.

python source.py weights
trtbuild convert net.py:define --weights weights/mlp.safetensors --reference net.py:reference \
        --name mlp --repo repo
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorrt as trt

LAYERS = 3


def define(network: Any, weights: dict[str, np.ndarray]) -> None:
    """`x` fp32 [batch, 16] -> `scores` fp32 [batch, 4]."""
    tensor = network.add_input("x", trt.float32, (-1, weights["layer0.weight"].shape[0]))
    for number in range(LAYERS):
        kernel, bias = weights[f"layer{number}.weight"], weights[f"layer{number}.bias"]
        tensor = linear(network, tensor, kernel, bias)
        if number < LAYERS - 1:
            tensor = network.add_activation(tensor, trt.ActivationType.RELU).get_output(0)
    tensor.name = "scores"
    network.mark_output(tensor)


def linear(network: Any, tensor: Any, kernel: np.ndarray, bias: np.ndarray) -> Any:
    """`tensor @ kernel + bias` for kernels [inputs, outputs]."""
    right = network.add_constant(kernel.shape, kernel).get_output(0)
    none = trt.MatrixOperation.NONE
    product = network.add_matrix_multiply(tensor, none, right, none).get_output(0)
    added = network.add_constant((1, bias.size), bias).get_output(0)
    return network.add_elementwise(product, added, trt.ElementWiseOperation.SUM).get_output(0)


def reference(
    inputs: dict[str, np.ndarray], weights: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The same in NumPy."""
    x = inputs["x"]
    for number in range(LAYERS):
        x = x @ weights[f"layer{number}.weight"] + weights[f"layer{number}.bias"]
        if number < LAYERS - 1:
            x = np.maximum(x, 0)
    return {"scores": x}
