"""A network that a user's function defines with TensorRT's own API, in place of an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from trtbuild.tensor import TensorSpec

Precision = Literal["fp32", "fp16", "bf16", "fp8"]


class NetworkModel(msgspec.Struct, frozen=True, tag="network"):
    """`define(network, weights)` in a file of code, its weights, and what the network is.

    It has no file of its own in `directory`: each plan's process defines the network anew.
    """

    directory: Path
    location: str  # file.py:function
    weights: Path | None
    digest: str  # SHA-256 over the files of code and weights; what the code imports is not in it
    size_bytes: int  # of these
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: dict[str, int]  # LayerType's member, how many
    precision: Precision  # of the least exact layer
    producer: str  # the runtime whose API it was defined with
    notes: tuple[str, ...] = ()
    opset: int = 0  # of ONNX, which has no part in it

    @property
    def batchable(self) -> bool:
        """As `OnnxModel.batchable`."""
        tensors = self.inputs + self.outputs
        return bool(tensors) and all(t.shape and isinstance(t.shape[0], str) for t in tensors)
