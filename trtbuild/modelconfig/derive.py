"""The config of a model from its plans: what it says is what the plans were built for.

Rules of Triton that shape it, from its model_config_utils.cc and its TensorRT backend:

- A model batches when its batch dim varies in every input and output. Everything else, a fixed
  batch as well, gets `max_batch_size: 0` and dims with the batch in them: the one form that is
  true whatever the first dim counts, and that a client's request looks the same for.
- `max_batch_size: N` promises batches from 1 to N, so a plan for 4 to 8 does not batch either.
- A scalar, which `dims` cannot say, is `dims: [ 1 ]` with `reshape { shape: [ ] }`, and can be
  said only where the model batches.
- An instance uses the profiles that its group's `profile` lists, 0 where it lists none. So a plan
  with several gets all of them listed.
- A GPU whose compute capability is no key of `cc_model_filenames` gets the default file without
  a word. So there is none: no `default_model_filename`, and no plan is called `model.plan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trtbuild.artifacts import OnnxModel, Plan, Profile
from trtbuild.errors import ConfigError
from trtbuild.modelconfig.batching import Batch, batch_of
from trtbuild.modelconfig.cuda_graphs import cuda_graphs
from trtbuild.modelconfig.options import ConfigOptions
from trtbuild.modelconfig.schema import Config, new_config, schema
from trtbuild.tensor import DTYPES, Dim, TensorSpec

_DEFAULT_FILE = "model.plan"  # that Triton's TensorRT backend loads for GPUs without a key
# Which server a plan is for: Triton's own backend refuses a tensorrt-rtx plan inside its
# deserializer, so a name that it does not have makes it refuse the model with a clear message.
_SERVED_BY = {
    "tensorrt": {"platform": "tensorrt_plan"},
    "tensorrt-rtx": {"backend": "tensorrt_rtx"},
}


def config_from_plans(
    name: str,
    model: OnnxModel,
    plans: Sequence[Plan],
    profile: Profile,
    options: ConfigOptions | None = None,
    *,
    profiles: tuple[Profile, ...] = (),
) -> Config:
    """The `inference.ModelConfig` of the model `name` that `plans` were built from.

    `profiles`: the optimization profiles of the plans, that `profile` is the envelope of; (): it
    is the only one.
    Where two plans are for one target, the later one counts. Raises `ConfigError` where Triton
    cannot say what the model has (a data type, a scalar without a batch, an empty dim) and for
    options that contradict the model.
    """
    options = options or ConfigOptions()
    profiles = profiles or (profile,)
    batch = batch_of(model, profiles)
    fields: dict[str, Any] = {
        "name": name,
        **_SERVED_BY[_runtime(plans)],
        "max_batch_size": batch.max if batch else 0,
        "input": [_tensor(spec, dims) for spec, dims in _inputs(model, profile, batch)],
        "output": [_tensor(spec, dims) for spec, dims in _outputs(model, profile, batch)],
        "instance_group": [_instances(options, len(profiles))],
        "cc_model_filenames": {str(t): plan.file for plan in plans for t in plan.targets},
    }
    if (batching := _dynamic_batching(batch, options)) is not None:
        fields["dynamic_batching"] = batching
    if options.warmup:
        fields["model_warmup"] = _warmups(model, profiles, batch)
    if (graphs := cuda_graphs(model, profiles, batch, options)) is not None:
        fields["optimization"] = {"cuda": graphs}
    _label(fields["output"], options)
    return new_config(**fields)


def _runtime(plans: Sequence[Plan]) -> str:
    runtimes = sorted({plan.runtime for plan in plans})
    if len(runtimes) != 1:
        raise ConfigError(
            f"one model has plans of one runtime; these are of: {', '.join(runtimes) or 'none'}",
            "write the plans of each runtime under a name of their own",
        )
    assert all(plan.file != _DEFAULT_FILE for plan in plans), f"{_DEFAULT_FILE} is a default"
    return runtimes[0]


_Dims = list[int]


def _inputs(
    model: OnnxModel, profile: Profile, batch: Batch | None
) -> list[tuple[TensorSpec, _Dims]]:
    """Each input with its dims as the profile has them: those of one size are said."""
    found = []
    for spec in model.inputs:
        given = profile[spec.name]
        dims = [low if low == high else -1 for low, high in zip(given.min, given.max, strict=True)]
        found.append((spec, dims[1:] if batch else dims))
    return found


def _outputs(
    model: OnnxModel, profile: Profile, batch: Batch | None
) -> list[tuple[TensorSpec, _Dims]]:
    """Each output with its dims; one that is called as an input's has that one's size."""
    sizes: dict[Dim, int] = {}
    for spec, dims in _inputs(model, profile, None):
        sizes |= {name: dim for name, dim in zip(spec.shape, dims, strict=True) if name != dim}
    found = []
    for spec in model.outputs:
        dims = [dim if isinstance(dim, int) else sizes.get(dim, -1) for dim in spec.shape]
        found.append((spec, dims[1:] if batch else dims))
    return found


def _tensor(spec: TensorSpec, dims: _Dims) -> dict[str, Any]:
    """An input or output as the schema has it."""
    fields = {"name": spec.name, "data_type": _data_type(spec), "dims": dims}
    if 0 in dims:
        raise ConfigError(
            f"'{spec}' has an empty dim, which Triton does not serve",
            "cut it off with --inputs or --outputs",
        )
    if not dims and not spec.shape:
        raise ConfigError(
            f"'{spec}' is a scalar, and Triton has scalars only in models whose batch varies",
            "give it a dim of size 1 in the model",
        )
    return fields if dims else fields | {"dims": [1], "reshape": {}}


def _data_type(spec: TensorSpec) -> int:
    triton = DTYPES[spec.dtype].triton
    if not triton:
        known = ", ".join(name for name, dtype in DTYPES.items() if dtype.triton)
        raise ConfigError(
            f"'{spec.name}' is {spec.dtype}, which Triton has not; it has {known}",
            f"cast '{spec.name}' inside the model, so that it has one of these outside",
        )
    number: int = schema().DataType.Value(triton)
    return number


def _instances(options: ConfigOptions, profiles: int) -> dict[str, Any]:
    if options.instances < 1:
        raise ConfigError(f"--instances {options.instances}: a model needs 1 instance or more")
    group = {"kind": schema().ModelInstanceGroup.KIND_GPU, "count": options.instances}
    return group if profiles == 1 else group | {"profile": [str(i) for i in range(profiles)]}


def _dynamic_batching(batch: Batch | None, options: ConfigOptions) -> dict[str, Any] | None:
    if batch is None or batch.max == 1 or not batch.formed:
        _refuse_batching(batch, options)
        return None
    wrong = [size for size in options.preferred_batch if not 1 <= size <= batch.max]
    if wrong:
        raise ConfigError(
            f"--preferred-batch {wrong[0]}: the plans were built for batches from 1 to {batch.max}",
            f"give sizes up to {batch.max}, or a larger --max-batch",
        )
    preferred = options.preferred_batch or (size for size in (*batch.opts, batch.max) if size > 1)
    fields: dict[str, Any] = {"preferred_batch_size": sorted(set(preferred))}
    if options.max_queue_delay_us:
        fields["max_queue_delay_microseconds"] = options.max_queue_delay_us
    return fields


def _refuse_batching(batch: Batch | None, options: ConfigOptions) -> None:
    option = "--preferred-batch" if options.preferred_batch else "--max-queue-delay-us"
    if not options.preferred_batch and not options.max_queue_delay_us:
        return
    what, instead = "its batch does not vary from 1 on", "build plans for a batch that varies"
    if batch is not None and batch.formed:
        what = "its batch goes up to 1"
    elif batch is not None:
        what = "requests that fit a profile each may fit none as a batch"
        instead = "give each --profile the same batches"
    raise ConfigError(
        f"{option} is about batches that Triton forms, and of this model it forms none: {what}",
        f"leave {option} out, or {instead}",
    )


def _warmups(
    model: OnnxModel, profiles: tuple[Profile, ...], batch: Batch | None
) -> list[dict[str, Any]]:
    """A request of the usual shapes of each profile."""
    if len(profiles) == 1:
        return [_warmup("usual_shapes", model, profiles[0], batch)]
    return [
        _warmup(f"usual_shapes_of_profile_{index}", model, profile, batch)
        for index, profile in enumerate(profiles)
    ]


def _warmup(name: str, model: OnnxModel, profile: Profile, batch: Batch | None) -> dict[str, Any]:
    """One request. All zeros, since as an index every number might be wrong."""
    size = profile[model.inputs[0].name].opt[0] if batch else 1
    inputs = {
        spec.name: {
            "data_type": _data_type(spec),
            "dims": list(profile[spec.name].opt[1 if batch else 0 :]) or [1],
            "zero_data": True,
        }
        for spec in model.inputs
    }
    return {"name": name, "batch_size": size, "inputs": inputs}


def _label(outputs: list[dict[str, Any]], options: ConfigOptions) -> None:
    by_name = {output["name"]: output for output in outputs}
    for name, file in options.labels.items():
        if name not in by_name:
            raise ConfigError(
                f"--labels names output '{name}'; the model has: {', '.join(by_name)}",
                "use the names the model has",
            )
        by_name[name]["label_filename"] = file
