"""Which runs a server captures as CUDA graphs, as `optimization.cuda` says it. Pure.

Rules of Triton that shape it, from its TensorRT backend (instance_state.cc):

- A graph serves the shapes it was captured with. With `graph_lower_bound` it also serves smaller
  ones down to that (`FindClosestCudaGraph`): they run as large as the graph.
- The bound is compared in each dim of each input, and where a `graph_spec` names no inputs the
  batch dim of its bound is the captured one, so nothing smaller passes. So all inputs are named.
- Values of smaller requests lie packed in the graph's buffer. Only a smaller first dim leaves each
  value in its place: a bound that is lower in another dim would give wrong numbers, so there is
  none.
- A model that does not batch (`max_batch_size: 0`) has graphs that Triton captures and never
  uses: it looks for them under batch 1 and keeps them under 0. `trtbuild serve` uses them.
"""

from __future__ import annotations

from typing import Any

from trtbuild.artifacts import Model, Profile
from trtbuild.errors import ConfigError
from trtbuild.modelconfig.batching import Batch
from trtbuild.modelconfig.options import ConfigOptions


def cuda_graphs(
    model: Model, profiles: tuple[Profile, ...], batch: Batch | None, options: ConfigOptions
) -> dict[str, Any] | None:
    """The fields of `optimization.cuda`; None where nobody asked for graphs.

    Raises `ConfigError` for batch sizes to capture that the model does not take.
    """
    if not options.cuda_graphs:
        if options.graph_batch:
            raise ConfigError(
                "--graph-batch says which batches are captured, and without --cuda-graphs none is",
                "add --cuda-graphs, or leave --graph-batch out",
            )
        return None
    if batch is None:
        _refuse_sizes(options)
        specs = [_spec(model, profile, 0, 0) for profile in profiles]
    else:
        sizes = _sizes(batch, options)
        specs = [
            _spec(model, profile, size, below + 1)
            for below, size in zip([0, *sizes], sizes, strict=False)
            for profile in profiles
            if _takes(profile, size)
        ]
    return {"graphs": True, "graph_spec": _each_once(specs)}


def _refuse_sizes(options: ConfigOptions) -> None:
    if options.graph_batch:
        raise ConfigError(
            f"--graph-batch {options.graph_batch[0]}: this model forms no batches: its batch does "
            "not vary from 1 on",
            "leave --graph-batch out: its usual shapes are captured",
        )


def _sizes(batch: Batch, options: ConfigOptions) -> list[int]:
    """Batch sizes to capture, ascending. A batch is padded to less than twice its size."""
    for size in options.graph_batch:
        if not 1 <= size <= batch.max:
            raise ConfigError(
                f"--graph-batch {size}: the plans were built for batches from 1 to {batch.max}",
                f"give sizes up to {batch.max}, or a larger --max-batch",
            )
    return sorted(set(options.graph_batch) or usual_sizes(batch.max))


def usual_sizes(largest: int) -> set[int]:
    """The batch sizes that are captured where nobody names some."""
    return {1 << power for power in range(largest.bit_length())} | {largest}


def _takes(profile: Profile, size: int) -> bool:
    return all(each.min[0] <= size <= each.max[0] for each in profile.values())


def _spec(model: Model, profile: Profile, size: int, lowest: int) -> dict[str, Any]:
    """One `graph_spec`: the usual shapes of `profile`, in batches of `size`, 0 for no batches.

    It serves batches from `lowest` on, as far down as the profile goes.
    """
    dims = {
        spec.name: {"dim": list(profile[spec.name].opt[1 if size else 0 :])}
        for spec in model.inputs
    }
    spec = {"batch_size": size, "input": dims}
    lowest = max(lowest, *(each.min[0] for each in profile.values())) if size else 0
    return spec | {"graph_lower_bound": {"batch_size": lowest, "input": dims}}


def _each_once(specs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Profiles may share usual shapes: one graph, down to the lowest of their bounds.

    A bound that is the graph itself says nothing and is left out.
    """
    found: list[dict[str, Any]] = []
    for spec in specs:
        key = (spec["batch_size"], spec["input"])
        same = [each for each in found if (each["batch_size"], each["input"]) == key]
        if not same:
            found.append(spec)
        elif spec["graph_lower_bound"]["batch_size"] < same[0]["graph_lower_bound"]["batch_size"]:
            same[0]["graph_lower_bound"] = spec["graph_lower_bound"]
    for spec in found:
        if spec["graph_lower_bound"]["batch_size"] == spec["batch_size"]:
            del spec["graph_lower_bound"]
    return found
