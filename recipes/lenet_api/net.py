"""A LeNet by TensorRT's network API, and what it computes in NumPy.

python source.py weights
trtbuild convert net.py:define --weights weights/lenet.wts --reference net.py:reference \
        --name lenet --repo repo
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorrt as trt


def define(network: Any, weights: dict[str, np.ndarray]) -> None:
    """`image` fp32 [batch, 1, 28, 28] -> `probs` fp32 [batch, 10]. A .wts file has no shapes."""
    tensor = network.add_input("image", trt.float32, (-1, 1, 28, 28))
    for name, channels in (("conv1", 6), ("conv2", 16)):
        kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        convolution = network.add_convolution_nd(tensor, channels, (5, 5), kernel, bias)
        active = network.add_activation(convolution.get_output(0), trt.ActivationType.RELU)
        pool = network.add_pooling_nd(active.get_output(0), trt.PoolingType.MAX, (2, 2))
        pool.stride_nd = (2, 2)
        tensor = pool.get_output(0)
    flat = network.add_shuffle(tensor)
    flat.reshape_dims = (0, 256)  # 0: as it is
    tensor = linear(network, flat.get_output(0), weights, "fc1", 120)
    tensor = network.add_activation(tensor, trt.ActivationType.RELU).get_output(0)
    tensor = linear(network, tensor, weights, "fc2", 10)
    softmax = network.add_softmax(tensor)
    softmax.axes = 1 << 1
    softmax.get_output(0).name = "probs"
    network.mark_output(softmax.get_output(0))


def linear(
    network: Any, tensor: Any, weights: dict[str, np.ndarray], name: str, outputs: int
) -> Any:
    """A fully connected layer with a kernel [outputs, inputs]."""
    kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    right = network.add_constant((outputs, kernel.size // outputs), kernel).get_output(0)
    as_it_is, transposed = trt.MatrixOperation.NONE, trt.MatrixOperation.TRANSPOSE
    product = network.add_matrix_multiply(tensor, as_it_is, right, transposed).get_output(0)
    added = network.add_constant((1, outputs), bias).get_output(0)
    return network.add_elementwise(product, added, trt.ElementWiseOperation.SUM).get_output(0)


def reference(
    inputs: dict[str, np.ndarray], weights: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The same in NumPy."""
    x = inputs["image"]
    for name, channels in (("conv1", 6), ("conv2", 16)):
        windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), (2, 3))
        kernel = weights[f"{name}.weight"].reshape(channels, x.shape[1], 5, 5)
        x = np.einsum("nchwij,ocij->nohw", windows, kernel)
        x = np.maximum(x + weights[f"{name}.bias"][:, None, None], 0)
        n, c, h, w = x.shape
        x = x.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))
    x = x.reshape(len(x), -1)
    x = np.maximum(x @ weights["fc1.weight"].reshape(120, -1).T + weights["fc1.bias"], 0)
    x = x @ weights["fc2.weight"].reshape(10, -1).T + weights["fc2.bias"]
    powers = np.exp(x - x.max(1, keepdims=True))
    return {"probs": powers / powers.sum(1, keepdims=True)}
