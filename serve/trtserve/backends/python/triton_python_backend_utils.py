"""The module that a Python model imports by this name: Triton's API, implemented by this server.

Its names are those of the module that Triton 2.51 gives a model. Those that this server cannot
serve raise `TritonModelException` when they are used: BLS (`InferenceRequest(...)`, `exec`),
decoupled responses (`get_response_sender`), custom metrics, and loading other models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from trtserve.backends.python.dtypes import (
    TRITON_STRING_TO_NUMPY,
    TRITON_TO_NUMPY,
    deserialize_bytes_tensor,
    enum_number,
    serialize_byte_tensor,
    wire_name,
)
from trtserve.backends.python.inference import (
    InferenceRequest,
    InferenceResponse,
    TritonError,
    unsupported,
)
from trtserve.backends.python.logger import Logger
from trtserve.backends.python.model_config import ModelConfig
from trtserve.backends.python.tensor import Tensor, TritonModelException

__all__ = [
    "TRITON_STRING_TO_NUMPY",
    "InferenceRequest",
    "InferenceResponse",
    "Logger",
    "MetricFamily",
    "ModelConfig",
    "PreferredMemory",
    "Tensor",
    "TritonError",
    "TritonModelException",
    "deserialize_bytes_tensor",
    "get_input_config_by_name",
    "get_input_tensor_by_name",
    "get_model_dir",
    "get_output_config_by_name",
    "get_output_tensor_by_name",
    "is_model_ready",
    "load_model",
    "numpy_to_triton_type",
    "serialize_byte_tensor",
    "triton_string_to_numpy",
    "triton_to_numpy_type",
    "unload_model",
    "using_decoupled_model_transaction_policy",
]

TRITONSERVER_REQUEST_FLAG_SEQUENCE_START = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_END = 2
TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1
TRITONSERVER_REQUEST_RELEASE_ALL = 1
TRITONSERVER_REQUEST_RELEASE_RESCHEDULE = 2
TRITONSERVER_MEMORY_CPU = 0
TRITONSERVER_MEMORY_GPU = 1

_model_directory = ""  # the version's, set before the model is imported


def _by_name(tensors: Sequence[Tensor], name: str) -> Tensor | None:
    for tensor in tensors:
        if tensor._name == name:
            return tensor
    return None


def get_input_tensor_by_name(inference_request: InferenceRequest, name: str) -> Tensor | None:
    """The input of that name, or None."""
    return _by_name(inference_request.inputs(), name)


def get_output_tensor_by_name(inference_response: InferenceResponse, name: str) -> Tensor | None:
    """The output of that name, or None."""
    return _by_name(inference_response.output_tensors(), name)


def _properties(model_config: Mapping[str, Any], kind: str, name: str) -> dict[str, Any] | None:
    for properties in model_config.get(kind, ()):
        if properties["name"] == name:
            found: dict[str, Any] = properties
            return found
    return None


def get_input_config_by_name(model_config: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """What the config (as a dict) says of an input, or None."""
    return _properties(model_config, "input", name)


def get_output_config_by_name(model_config: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """What the config (as a dict) says of an output, or None."""
    return _properties(model_config, "output", name)


def using_decoupled_model_transaction_policy(model_config: Mapping[str, Any]) -> bool:
    """Whether the config (as a dict) asks for decoupled responses."""
    return bool(model_config.get("model_transaction_policy", {}).get("decoupled", False))


def triton_string_to_numpy(triton_type_string: str) -> Any:
    """`numpy.float32` for `TYPE_FP32`. Raises `KeyError`: BF16 has none."""
    return TRITON_STRING_TO_NUMPY[triton_type_string]


def triton_to_numpy_type(data_type: int) -> Any:
    """The NumPy type for a number of Triton's enum DataType, or None."""
    return TRITON_TO_NUMPY.get(data_type)


def numpy_to_triton_type(data_type: Any) -> int | None:
    """The number in Triton's enum DataType for a NumPy type, or None."""
    wire = wire_name(np.dtype(data_type))
    return enum_number(wire) if wire else None


def get_model_dir() -> str:
    """The directory of this version, where `model.py` lies."""
    return _model_directory


def _no_other_models(*_: Any, **__: Any) -> Any:
    """Raises: a model's process reaches no other models."""
    raise unsupported("reaching other models from a model", "use the server's repository endpoints")


load_model = unload_model = is_model_ready = _no_other_models


class PreferredMemory:
    """Where BLS responses should lie: there are none."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise unsupported("PreferredMemory", "it is for BLS only; leave it out")


class MetricFamily:
    """Custom metrics are not there."""

    COUNTER: ClassVar = 0
    GAUGE: ClassVar = 1
    HISTOGRAM: ClassVar = 2

    def __init__(self, *_: Any, **__: Any) -> None:
        raise unsupported("MetricFamily (custom metrics)", "log, or export them from the model")
