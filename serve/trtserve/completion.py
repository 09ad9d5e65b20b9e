"""What Triton fills into a config before a backend sees it, and what it refuses there.

Rules A1-A12, D1-D8, I1-I9, L and G of Triton's AutoCompleteBackendFields, NormalizeModelConfig
and ValidateModelConfig (core/src/model_config_utils.cc), as far as the served backends need them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trtserve.errors import Kind, ServeError, invalid

# Platform -> (backend, default model file).
PLATFORMS = {
    "tensorrt_plan": ("tensorrt", "model.plan"),
    "onnxruntime_onnx": ("onnxruntime", "model.onnx"),
    "pytorch_libtorch": ("pytorch", "model.pt"),
    "torch_aoti": ("pytorch", "model.pt2"),
    "tensorflow_savedmodel": ("tensorflow", "model.savedmodel"),
    "tensorflow_graphdef": ("tensorflow", "model.graphdef"),
}
# Default model file -> (backend, platform), in Triton's order of precedence.
_BY_FILE = {
    "model.savedmodel": ("tensorflow", "tensorflow_savedmodel"),
    "model.graphdef": ("tensorflow", "tensorflow_graphdef"),
    "model.plan": ("tensorrt", "tensorrt_plan"),
    "model.onnx": ("onnxruntime", "onnxruntime_onnx"),
    "model.pt": ("pytorch", "pytorch_libtorch"),
    "model.pt2": ("pytorch", "torch_aoti"),
    "model.py": ("python", ""),
}
_DEFAULT_FILES = {"onnxruntime": "model.onnx", "python": "model.py", "tensorrt": "model.plan"}


def complete_backend(config: Any, directory: Path) -> None:
    """Fill name, backend, platform and model file. Raises `ServeError`."""
    if not config.name:
        config.name = directory.name
    if config.name != directory.name:
        raise invalid(
            f"unexpected directory name '{directory.name}' for model '{config.name}', directory "
            "name must equal model name"
        )
    if config.platform == "ensemble":
        return
    if config.platform and not config.backend:
        if config.platform not in PLATFORMS:
            raise invalid(f"unexpected platform type '{config.platform}' for {config.name}")
        config.backend = PLATFORMS[config.platform][0]
    if not config.backend:
        _from_files(config, directory)
    _agree(config)
    if not config.default_model_filename and config.backend in _DEFAULT_FILES:
        config.default_model_filename = _DEFAULT_FILES[config.backend]


def _from_files(config: Any, directory: Path) -> None:
    wanted = config.default_model_filename
    present = {path.name for folder in _first_folder(directory) for path in folder.iterdir()}
    for file, (backend, platform) in _BY_FILE.items():
        if wanted == file or (not wanted and file in present):
            config.backend, config.platform = backend, platform
            config.default_model_filename = file
            return
    _, dot, suffix = config.name.partition(".")
    if not dot or wanted:
        raise invalid(
            f"unable to determine backend for model '{config.name}': name 'backend' or "
            "'platform' in config.pbtxt, or give the model file its default name"
        )
    config.backend = suffix
    config.default_model_filename = f"model.{suffix}"


def _first_folder(directory: Path) -> Sequence[Path]:
    """The one folder that Triton looks into: the first by name."""
    return sorted(path for path in directory.iterdir() if path.is_dir())[:1]


def _agree(config: Any) -> None:
    expected = PLATFORMS.get(config.platform)
    if expected is None:
        if config.platform == "" and config.backend in ("onnxruntime", "tensorrt"):
            config.platform = {"onnxruntime": "onnxruntime_onnx", "tensorrt": "tensorrt_plan"}[
                config.backend
            ]
    elif expected[0] != config.backend:
        raise invalid(
            f"unexpected platform/backend pair for {config.name}: '{config.platform}' goes with "
            f"backend '{expected[0]}', not '{config.backend}'"
        )


def normalize(config: Any) -> None:
    """Fill the defaults of versions and batching."""
    if config.WhichOneof("scheduling_choice") == "dynamic_batching":
        batching = config.dynamic_batching
        if not batching.preferred_batch_size and config.max_batch_size > 0:
            batching.preferred_batch_size.append(config.max_batch_size)
    if not config.version_policy.WhichOneof("policy_choice"):
        config.version_policy.latest.num_versions = 1
    for index, group in enumerate(config.instance_group):
        group.name = group.name or f"{config.name}_{index}"
        group.count = max(1, group.count)


def name_instances(config: Any, *, gpu: int | None) -> None:
    """The instance group that Triton would have filled in, once it is known what runs where."""
    if not config.instance_group:
        config.instance_group.add(name=config.name, count=1)
    for group in config.instance_group:
        if group.kind == 0:  # KIND_AUTO
            group.kind = 2 if gpu is None else 1  # KIND_CPU, KIND_GPU
        if group.kind == 1 and not group.gpus and gpu is not None:
            group.gpus.append(gpu)


def validate(config: Any) -> None:
    """Refuse what Triton refuses. Raises `ServeError`."""
    if config.max_batch_size < 0:
        raise invalid(f"'max_batch_size' must be non-negative value in {config.name}")
    for kind, tensors in (("input", config.input), ("output", config.output)):
        for tensor in tensors:
            _validate_tensor(config, kind, tensor)
    choice = config.WhichOneof("scheduling_choice")
    if choice == "dynamic_batching":
        _validate_batching(config)
    elif choice is not None or config.platform == "ensemble":
        raise ServeError(Kind.UNSUPPORTED, f"{choice or 'ensembles'} are not served")


def _validate_tensor(config: Any, kind: str, tensor: Any) -> None:
    if not tensor.name:
        raise invalid(f"model {kind} must specify 'name'")
    of = f"model {kind} '{tensor.name}'"
    if not tensor.data_type:
        raise invalid(f"{of} must specify 'data_type'")
    if not tensor.dims:
        raise invalid(f"{of} must specify 'dims'")
    if any(dim == 0 or dim < -1 for dim in tensor.dims):
        raise invalid(f"{of} dimension must be integer >= 1, or -1 to indicate a variable-size")
    if not tensor.HasField("reshape"):
        return
    shape = tensor.reshape.shape
    if not shape and config.max_batch_size == 0:
        raise invalid(f"{of} cannot have empty reshape for non-batching model")
    if any(dim == 0 or dim < -1 for dim in shape):
        raise invalid(f"{of} reshape dimensions must be integer >= 1, or -1")
    if _pieces(shape) != _pieces(tensor.dims):
        raise invalid(f"{of} has different size for dims and reshape")


def _pieces(dims: Sequence[int]) -> list[int]:
    """The sizes between variable dims: reshape may not move elements across those."""
    pieces: list[list[int]] = [[]]
    for dim in dims:
        if dim < 0:
            pieces.append([])
        else:
            pieces[-1].append(dim)
    return [math.prod(piece) for piece in pieces]


def _validate_batching(config: Any) -> None:
    stated = config.dynamic_batching
    for size in stated.preferred_batch_size:
        if not 0 < size <= config.max_batch_size:
            raise invalid(
                f"dynamic batching preferred size must be positive and <= max batch size "
                f"{config.max_batch_size} for {config.name}, got {size}"
            )
    levels = stated.priority_levels
    if levels and not 1 <= stated.default_priority_level <= levels:
        raise invalid(f"default priority level must be in range [1, {levels}] for {config.name}")
    if any(not 1 <= level <= levels for level in stated.priority_queue_policy if levels):
        raise invalid(f"priority queue policy must have level in range [1, {levels}]")
    if stated.preserve_ordering and levels > 1:
        raise invalid("only one priority level is allowed when 'preserve_ordering' is true")
