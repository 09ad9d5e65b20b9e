"""ONNX's backend API on TensorRT; `onnx.backend.test` runs with this module.

import trtbuild.backend as backend
outputs = backend.prepare(model, "CUDA:0").run([image])
"""

from trtbuild.backend.api import (
    TensorRTBackend,
    TensorRTRep,
    is_compatible,
    prepare,
    run_model,
    run_node,
    supports_device,
)

__all__ = [
    "TensorRTBackend",
    "TensorRTRep",
    "is_compatible",
    "prepare",
    "run_model",
    "run_node",
    "supports_device",
]
