"""How much a model's backend may fill in of its config: inputs, outputs, types, dims, batch size.

What a backend may fill in is unknown, and no rule judges it. Only where this very backend is known
to fill in nothing is what the config leaves out missing.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from trtbuild.validate.python_model import auto_completes

if TYPE_CHECKING:
    from trtbuild.validate.model import Model


class Completion(enum.IntEnum):
    """What auto-complete does to a config, as far as a look at the repository tells."""

    NOTHING = 0  # what is left out is missing
    PERHAPS = 1  # a backend that nobody knows, or a Python class that cannot be seen
    SURELY = 2  # what is left out comes from the model file


# Their sources neither look at the option nor set a config.
_COMPLETE_NOTHING = frozenset({"pytorch", "identity", "repeat", "square", "tensorrtllm"})
_READ_THE_FILE = frozenset({"tensorrt", "tensorrt_rtx", "tensorflow", "openvino", "dali"})
# Those that leave a batch size which the config states as it is, or refuse it.
KEEP_BATCH_SIZE = frozenset({"onnxruntime", "tensorrt", "tensorrt_rtx", "tensorflow", "openvino"})


def completion_of(model: Model) -> Completion:
    """What the model's backend fills in.

    Source: auto-complete of the backends: TensorRT, TensorFlow, OpenVINO and DALI fill in every
    tensor, ONNX Runtime nothing where the config lists both inputs and outputs, Python what the
    model's `auto_complete_config` does, PyTorch, TensorRT-LLM's C++ backend, the three examples
    (identity, repeat, square) and ensembles nothing. vLLM's is a Python-based backend that adds
    its own list of tensors; so may any backend of one's own.
    """
    if model.settings.strict_config or model.is_ensemble or not model.backend:
        return Completion.NOTHING
    backend = model.backend
    if backend in _COMPLETE_NOTHING:
        return Completion.NOTHING
    if backend in _READ_THE_FILE:
        return Completion.SURELY
    if backend == "onnxruntime":
        listed = model.config.input and model.config.output
        return Completion.NOTHING if listed else Completion.SURELY
    if backend == "python":
        return _of_python(model)
    return Completion.PERHAPS


def _of_python(model: Model) -> Completion:
    """The most that a version's class may do."""
    files = (folder.inside(model.completed.filename) for folder in model.version_folders.values())
    python = model.settings.server_python
    found = (auto_completes(file, python) for file in files if file is not None)
    told = {True: Completion.SURELY, False: Completion.NOTHING, None: Completion.PERHAPS}
    return max((told[answer] for answer in found), default=Completion.NOTHING)
