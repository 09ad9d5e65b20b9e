"""A refused target explained: from TensorRT's own words, then from the ops it refuses alone."""

from __future__ import annotations

import msgspec

from trtbuild.artifacts import TargetFailure
from trtbuild.check_report import OpRefusal, OpUse

_MOST = 5  # kinds of op that a message lists


class Examination(msgspec.Struct, frozen=True):
    """What a model uses and what of it is refused; `trtbuild.plan.probe:examine` makes it."""

    used: tuple[OpUse, ...]
    refused: dict[str, tuple[OpRefusal, ...]]  # "8.6" -> what that target does not take
    unknown: tuple[OpUse, ...] = ()  # could not be asked for: the types they read are not known


def explained(failure: TargetFailure, refusals: tuple[OpRefusal, ...]) -> TargetFailure:
    """`failure` with the op, the data type and what would work, where `refusals` tell."""
    if not refusals:
        return failure
    first, *others = refusals
    count = len(first.nodes)
    where = f"node '{first.nodes[0]}'" + (f" and {count - 1} more" if count > 1 else "")
    names = [_named(other) for other in others]
    if len(names) > _MOST:
        names[_MOST - 1 :] = [f"{len(names) - _MOST + 1} more kinds of op"]
    also = f"; so {'is' if len(others) == 1 else 'are'} {', '.join(names)}" if others else ""
    return msgspec.structs.replace(
        failure,
        message=f"{_named(first)} ({where}) is refused for {failure.target}: {first.reason}{also}",
        op=first.op,
        dtype=first.dtype,
        hint=first.hint,
    )


def _named(refusal: OpRefusal) -> str:
    return f"{refusal.op} in {refusal.dtype}" if refusal.dtype else refusal.op
