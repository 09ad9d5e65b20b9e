"""Which batches a server may form of a model, by the profiles of its plans. Pure."""

from __future__ import annotations

import msgspec

from trtbuild.artifacts import OnnxModel, Profile


class Batch(msgspec.Struct, frozen=True):
    """The batch sizes of a model that batches: from 1 to `max`, usually one of `opts`."""

    opts: tuple[int, ...]  # of each profile
    max: int
    # Each size fits with whatever else fits. Otherwise a client may send batches, but the server
    # must form none: two requests that fit alone may fit no profile together.
    formed: bool = True


def batch_of(model: OnnxModel, profiles: tuple[Profile, ...]) -> Batch | None:
    """The batch that Triton may form; None where `max_batch_size` has to be 0.

    The batch dim is the first one, as ONNX Runtime's and TensorRT's backends have it. It must
    vary everywhere, in each profile over the same sizes for all inputs, in all of them together
    over every size from 1 on. In a model that calls some dim `batch`, a first dim of another name
    is none; and an output that begins with an input's other dim does not begin with the batch.
    """
    if not _begins_with_batch(model):
        return None
    ranges = []
    for profile in profiles:
        firsts = {(r.min[0], r.opt[0], r.max[0]) for r in profile.values()}
        if len(firsts) != 1:
            return None
        ranges.append(firsts.pop())
    largest = max(high for _, _, high in ranges)
    if _reach([(low, high) for low, _, high in ranges]) != largest:
        return None
    formed = all(_reach(_beside(each, profiles)) == largest for each in profiles)
    return Batch(tuple(dict.fromkeys(usual for _, usual, _ in ranges)), largest, formed)


def _begins_with_batch(model: OnnxModel) -> bool:
    if not model.batchable or not model.inputs:
        return False
    firsts = {spec.shape[0] for spec in model.inputs}
    named = {dim for spec in model.inputs for dim in spec.dynamic_dims if "batch" in dim.lower()}
    others = {dim for spec in model.inputs for dim in spec.dynamic_dims} - firsts
    return not (named and firsts - named) and not others & {s.shape[0] for s in model.outputs}


def _beside(profile: Profile, profiles: tuple[Profile, ...]) -> list[tuple[int, int]]:
    """The batches of the profiles that take all that `profile` takes in the other dims."""
    found = []
    for other in profiles:
        holds = all(
            low <= below and above <= high
            for name, range_ in profile.items()
            for below, above, low, high in zip(
                range_.min[1:], range_.max[1:], other[name].min[1:], other[name].max[1:],
                strict=True,
            )
        )  # fmt: skip
        if holds:
            first = next(iter(other.values()))
            found.append((first.min[0], first.max[0]))
    return found


def _reach(ranges: list[tuple[int, int]]) -> int:
    """The largest size such that each from 1 to it lies in one of `ranges`, both ends included."""
    reached = 0
    for low, high in sorted(ranges):
        if low > reached + 1:
            break
        reached = max(reached, high)
    return reached
