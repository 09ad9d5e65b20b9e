"""Which device each instance of a model runs on.

Follows Triton's NormalizeInstanceGroup (core/src/model_config_utils.cc), with one difference on
purpose: a repository for a fleet of GPUs also runs on a laptop, so KIND_GPU without a GPU runs on
the CPU and says so, where Triton refuses the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from trtserve.errors import invalid
from trtserve.limits import check_instances

KIND_AUTO, KIND_GPU, KIND_CPU, KIND_MODEL = range(4)
CPU = "cpu"


class Seat(NamedTuple):
    """The place of one instance."""

    name: str
    device: str  # "cpu" or "cuda:N"
    profiles: tuple[str, ...] = ()  # what its group's `profile` lists, for TensorRT plans


def seats(config: Any, gpus: Sequence[int], forced: str = "auto") -> tuple[Seat, ...]:
    """A seat for each instance, group after group.

    `gpus`: those that the model's backend can use, by index. `forced`: what `--device` says.
    Raises `ServeError` where a group names a GPU that is not there, or there are too many.
    """
    if not config.instance_group:
        return tuple(_of_group(config.name, (), 1, gpus, forced))
    check_instances(config.name, sum(max(1, group.count) for group in config.instance_group))
    return tuple(
        seat._replace(profiles=tuple(group.profile))
        for group in config.instance_group
        for seat in _of_group(
            group.name, tuple(group.gpus), max(1, group.count),
            () if group.kind == KIND_CPU else gpus, forced,
        )
    )  # fmt: skip


def _of_group(
    name: str, wanted: Sequence[int], count: int, gpus: Sequence[int], forced: str
) -> Iterator[Seat]:
    if forced != "auto" or not gpus:
        on: Sequence[str] = (CPU if forced == "auto" else forced,)
    elif missing := set(wanted) - set(gpus):
        there = ", ".join(map(str, gpus))
        raise invalid(f"instance group '{name}' names GPU {min(missing)}; there are {there}")
    else:
        on = [f"cuda:{index}" for index in wanted or gpus]
    for number, device in enumerate(device for device in on for _ in range(count)):
        yield Seat(f"{name}_{number}", device)


def gpu_index(device: str) -> int | None:
    """The N of "cuda:N"; None for the CPU."""
    return None if device == CPU else int(device.partition(":")[2])


def name_instances(config: Any, placed: Sequence[Seat]) -> None:
    """The instance groups that Triton would have filled in, once it is known what runs where."""
    if not config.instance_group:
        config.instance_group.add(name=config.name, count=1)
    gpus = sorted({index for each in placed if (index := gpu_index(each.device)) is not None})
    for group in config.instance_group:
        if group.kind == KIND_AUTO:
            group.kind = KIND_GPU if gpus else KIND_CPU
        if group.kind == KIND_GPU and not group.gpus:
            group.gpus.extend(gpus)


def devices_of(placed: Sequence[Seat]) -> tuple[str, ...]:
    """Each device once: ("cuda:0", "cuda:1")."""
    return tuple(dict.fromkeys(each.device for each in placed))
