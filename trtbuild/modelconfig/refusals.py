"""What Triton's core refuses in a config that a backend has completed.

`refusal` is its first reason in its own words, as a server says it. The functions before it are
the single checks, which the validator's rules use too: those say more, and where.
Source: Triton core, model_config_utils.cc (ValidateModelConfig, ValidateModelIOConfig).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trtbuild.modelconfig.schema import Config

Path = tuple[str | int, ...]
_DELAY = 1  # ModelQueuePolicy.TimeoutAction
_IMAGES = (1, 2)  # ModelInput.Format: FORMAT_NHWC, FORMAT_NCHW


def refused_dims(dims: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Index and value of each dim that is neither at least 1 nor -1."""
    return ((index, dim) for index, dim in enumerate(dims) if dim == 0 or dim < -1)


def reshape_problem(dims: Sequence[int], shape: Sequence[int]) -> str:
    """Why `dims` cannot be reshaped to `shape`; "" where they can.

    Elements may not move across a dim that varies.
    """
    before, after = _products(dims), _products(shape)
    if len(before) != len(after):
        return "different numbers of varying dims" if shape else "different numbers of elements"
    return "" if before == after else "different numbers of elements"


def _products(dims: Sequence[int]) -> list[int]:
    """The elements of each run of dims between those that vary."""
    runs: list[list[int]] = [[]]
    for dim in dims:
        if dim == -1:
            runs.append([])
        else:
            runs[-1].append(dim)
    return [math.prod(run) for run in runs]


def is_scalar_without_batching(config: Config, tensor: Any) -> bool:
    """Whether `tensor` is reshaped to a scalar in a model that does not batch."""
    to_scalar = tensor.HasField("reshape") and not tensor.reshape.shape
    return bool(to_scalar and config.max_batch_size == 0)


def lacks_image_dims(model_input: Any) -> bool:
    """Whether an input has an image format and not the three dims that it wants."""
    return model_input.format in _IMAGES and len(model_input.dims) != 3


def refused_batch_sizes(config: Config) -> Iterator[tuple[Path, int]]:
    """Place and value of each preferred size outside 1 to max_batch_size."""
    for field in (("dynamic_batching",), ("sequence_batching", "oldest")):
        batcher = config
        for name in field:
            batcher = getattr(batcher, name)
        for index, size in enumerate(batcher.preferred_batch_size):
            if not 1 <= size <= config.max_batch_size:
                yield (*field, "preferred_batch_size", index), size


def is_default_level_refused(batching: Any) -> bool:
    """Whether there are priority levels and the default is none of them."""
    levels = batching.priority_levels
    return bool(levels and not 1 <= batching.default_priority_level <= levels)


def absent_levels(batching: Any) -> list[int]:
    """The levels that have a queue policy and do not exist; refused where there are levels."""
    levels = batching.priority_levels
    return [level for level in sorted(batching.priority_queue_policy) if not 1 <= level <= levels]


def is_order_of_levels_refused(batching: Any) -> bool:
    """Whether responses must keep the order of requests that priorities change."""
    return bool(batching.preserve_ordering and batching.priority_levels > 1)


def delaying_policies(batching: Any) -> Iterator[tuple[Path, Any]]:
    """Place and value of each queue policy that delays requests which must keep their order."""
    by_level = batching.priority_queue_policy
    policies: Iterator[tuple[Path, Any]] = chain(
        [(("default_queue_policy",), batching.default_queue_policy)],
        ((("priority_queue_policy", level), by_level[level]) for level in sorted(by_level)),
    )
    for place, policy in policies if batching.preserve_ordering else ():
        if policy.default_timeout_microseconds and policy.timeout_action == _DELAY:
            yield place, policy


def refusal(config: Config) -> str:
    """Why Triton refuses `config`, by its batch size, tensors and dynamic batching; "" if not."""
    return next(_refusals(config), "")


def _refusals(config: Config) -> Iterator[str]:
    if config.max_batch_size < 0:
        yield f"'max_batch_size' must be non-negative value in {config.name}"
    for kind, tensors in (("input", config.input), ("output", config.output)):
        for tensor in tensors:
            yield from _of_tensor(config, kind, tensor)
    for _, size in refused_batch_sizes(config):
        yield (
            "dynamic batching preferred size must be positive and <= max batch size "
            f"{config.max_batch_size} for {config.name}, got {size}"
        )
    yield from _of_dynamic_batching(config)


def _of_tensor(config: Config, kind: str, tensor: Any) -> Iterator[str]:
    if not tensor.name:
        yield f"model {kind} must specify 'name'"
    of = f"model {kind} '{tensor.name}'"
    if not tensor.data_type:
        yield f"{of} must specify 'data_type'"
    if not tensor.dims:
        yield f"{of} must specify 'dims'"
    if any(refused_dims(tensor.dims)):
        yield f"{of} dimension must be integer >= 1, or -1 to indicate a variable-size"
    if kind == "input" and lacks_image_dims(tensor):
        yield f"{of} NHWC/NCHW require 3 dims"
    if tensor.HasField("reshape"):
        if is_scalar_without_batching(config, tensor):
            yield f"{of} cannot have empty reshape for non-batching model"
        if any(refused_dims(tensor.reshape.shape)):
            yield f"{of} reshape dimensions must be integer >= 1, or -1"
        if reshape_problem(tensor.dims, tensor.reshape.shape):
            yield f"{of} has different size for dims and reshape"


def _of_dynamic_batching(config: Config) -> Iterator[str]:
    batching = config.dynamic_batching
    levels = batching.priority_levels
    if is_default_level_refused(batching):
        yield f"default priority level must be in range [1, {levels}] for {config.name}"
    if levels and absent_levels(batching):
        yield f"priority queue policy must have level in range [1, {levels}]"
    if is_order_of_levels_refused(batching):
        yield "only one priority level is allowed when 'preserve_ordering' is true"
    if any(delaying_policies(batching)):
        yield "a queue policy can not have DELAY as timeout action when 'preserve_ordering' is true"
