"""The `config.pbtxt` of a converted model: what is true of its plans, and nothing else.

dims and `max_batch_size` come from the profile that the plans were built with. The plan files
are named by compute capability; no default file is named, so that a GPU without a plan is
refused by name rather than given a plan that it cannot run.

A repository of data-centre plans says `platform: "tensorrt_plan"`. One of TensorRT for RTX says
`backend: "tensorrt_rtx"`: a stock Triton, which cannot load such plans, refuses that by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from trtbuild.artifacts import OnnxModel, Plan, Profile
from trtbuild.errors import ConfigError, UsageError
from trtbuild.modelconfig.schema import new_config, schema
from trtbuild.tensor import DTYPES, TensorSpec

if TYPE_CHECKING:
    from trtbuild.modelconfig.schema import Config


class ConfigOptions(msgspec.Struct, frozen=True):
    """What a user may say of the configuration; the rest follows from the model."""

    instances: int = 1  # for each GPU
    max_queue_delay_us: int | None = None
    preferred_batch: tuple[int, ...] = ()  # (): the profile's opt and max
    labels: dict[str, str] = {}  # output -> file name in the model's folder
    warmup: bool = False


def config_from_plans(
    name: str, model: OnnxModel, plans: Iterable[Plan], profile: Profile, options: ConfigOptions
) -> Config:
    """The configuration of `name`. Raises `ConfigError` for what Triton cannot express."""
    plans = tuple(plans)
    batch = max_batch_size(model, profile)
    config = new_config(name=name, max_batch_size=batch)
    if all(plan.runtime == "tensorrt" for plan in plans):
        config.platform = "tensorrt_plan"
    else:
        config.backend = "tensorrt_rtx"
    _check_labels(options.labels, model)
    for spec in model.inputs:
        _describe(config.input.add(), spec, batched=batch > 0)
    for spec in model.outputs:
        output = config.output.add()
        _describe(output, spec, batched=batch > 0)
        output.label_filename = options.labels.get(spec.name, "")
    for plan in plans:
        for target in plan.targets:
            config.cc_model_filenames[str(target)] = plan.file
    group = config.instance_group.add()
    group.kind = schema().ModelInstanceGroup.KIND_GPU
    group.count = options.instances
    if batch > 0:
        _batch(config, profile, options)
    elif options.preferred_batch or options.max_queue_delay_us is not None:
        raise UsageError(
            f"'{name}' takes no batches, so there is no batch size to prefer and no queue to delay",
            "leave --preferred-batch and --max-queue-delay-us out, or name the batch dim: "
            "--input 'NAME=[batch,...]'",
        )
    if options.warmup:
        _warm_up(config, model, profile, batched=batch > 0)
    return config


def max_batch_size(model: OnnxModel, profile: Profile) -> int:
    """The largest batch that every input of the plans takes; 0 where the model has no batch dim.

    A batch dim varies: a first dim that is fixed is part of the shape, whatever its size
    (a channel count is none; Triton's own auto-complete takes it for one).
    """
    if not model.batchable:
        return 0
    return min(profile[spec.name].max[0] for spec in model.inputs)


def _describe(entry: Any, spec: TensorSpec, *, batched: bool) -> None:
    """Fill in a ModelInput or ModelOutput: name, data type, dims without the batch dim."""
    dtype = DTYPES[spec.dtype]
    if not dtype.triton:
        known = ", ".join(row.name for row in DTYPES.values() if row.triton)
        raise ConfigError(
            f"'{spec.name}' is {dtype.name}, which Triton has no type for; it has {known}",
            f"give --input '{spec.name}=DTYPE', or cut the graph elsewhere",
        )
    entry.name = spec.name
    entry.data_type = schema().DataType.Value(dtype.triton)
    dims = [dim if isinstance(dim, int) else -1 for dim in spec.shape[batched:]]
    if not dims:
        entry.dims.append(1)  # dims must not be empty; the empty reshape says what it is
        entry.reshape.SetInParent()
    if not dims and not batched:
        raise ConfigError(
            f"'{spec.name}' is a scalar and the model has no batch dim: Triton cannot express that",
            "make it a tensor of one element",
        )
    if 0 in dims:
        raise ConfigError(
            f"'{spec.name}' has a dim of size 0: {spec}", "Triton has no such tensors"
        )
    entry.dims.extend(dims)


def _batch(config: Config, profile: Profile, options: ConfigOptions) -> None:
    """Dynamic batching towards the batch that the plans were tuned for, and the largest."""
    largest = config.max_batch_size
    preferred = options.preferred_batch
    if too_large := [size for size in preferred if size > largest]:
        raise UsageError(
            f"--preferred-batch {too_large[0]} is more than the largest batch, {largest}",
            f"give at most {largest}, or a larger --max-batch",
        )
    if not preferred:
        usual = min(range_.opt[0] for range_ in profile.values())
        preferred = tuple(size for size in (usual, largest) if size > 1)
    if not preferred and options.max_queue_delay_us is None:
        return  # batches of one: nothing to batch
    batching = config.dynamic_batching
    batching.SetInParent()
    batching.preferred_batch_size.extend(sorted(set(preferred)))
    batching.max_queue_delay_microseconds = options.max_queue_delay_us or 0


def _warm_up(config: Config, model: OnnxModel, profile: Profile, *, batched: bool) -> None:
    """One request of random values in the usual shapes; strings are zeros."""
    sample = config.model_warmup.add()
    sample.name = "usual shapes"
    sample.batch_size = min(profile[s.name].opt[0] for s in model.inputs) if batched else 1
    for spec in model.inputs:
        values = sample.inputs[spec.name]
        values.data_type = schema().DataType.Value(DTYPES[spec.dtype].triton)
        values.dims.extend(profile[spec.name].opt[batched:] or (1,))
        if spec.dtype == "string":
            values.zero_data = True
        else:
            values.random_data = True


def _check_labels(labels: Mapping[str, str], model: OnnxModel) -> None:
    outputs = [spec.name for spec in model.outputs]
    for name in labels:
        if name not in outputs:
            raise UsageError(
                f"--labels names output '{name}', which the model lacks",
                f"it has: {', '.join(outputs)}",
            )
