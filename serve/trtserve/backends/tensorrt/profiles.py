"""What an engine takes and makes, and which of its optimization profiles a batch runs in. Pure.

A profile holds, for each input, the smallest, usual and largest shape that its kernels were built
for. `instance_group.profile` names those that an instance may use (profile 0 where it names
none), as Triton's TensorRT backend reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from trtbuild.artifacts import Profile, Range
from trtserve.errors import invalid
from trtserve.tensors import shape_text

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
Key = tuple[Shape, ...]  # of all inputs, in the engine's order


class EngineTensor(NamedTuple):
    """One input or output of an engine."""

    name: str
    dtype: str  # wire name: FP32
    shape: Shape  # batch dim included; -1: variable


class Signature(NamedTuple):
    """An engine as it describes itself."""

    inputs: tuple[EngineTensor, ...]
    outputs: tuple[EngineTensor, ...]
    profiles: tuple[Profile, ...]  # each with all inputs, also those that are static


def profile_indices(named: Sequence[str], signature: Signature) -> tuple[int, ...]:
    """The profiles that an instance group's `profile` names; (0,) for none.

    Raises `ServeError` for what is no profile of the plan.
    """
    count = len(signature.profiles)
    for text in named:
        if not (text.isascii() and text.isdecimal() and int(text) < count):
            raise invalid(
                f"instance_group names optimization profile '{text}'; the plan has "
                + ("profile 0" if count == 1 else f"profiles 0 to {count - 1}")
            )
    return tuple(dict.fromkeys(int(text) for text in named)) or (0,)


def choose(signature: Signature, allowed: Sequence[int], shapes: Shapes) -> int:
    """The profile for these input shapes: of those that hold them, the one optimized nearest.

    Raises `ServeError` that names the input and what would be taken.
    """
    missing = [each.name for each in signature.inputs if each.name not in shapes]
    if missing:
        raise invalid(f"the plan needs the input '{missing[0]}', which the request lacks")
    fitting = [index for index in allowed if _holds(signature.profiles[index], shapes)]
    if not fitting:
        raise invalid(_no_fit(signature, allowed, shapes))
    return min(fitting, key=lambda index: _distance(signature.profiles[index], shapes))


def key_of(signature: Signature, shapes: Shapes) -> Key:
    """What stands for these input shapes in a dict."""
    return tuple(shapes.get(each.name, ()) for each in signature.inputs)


def _holds(profile: Profile, shapes: Shapes) -> bool:
    return all(_within(shape, profile[name]) for name, shape in shapes.items())


def _within(shape: Shape, bounds: Range) -> bool:
    return len(shape) == len(bounds.min) and all(
        low <= size <= high for low, size, high in zip(bounds.min, shape, bounds.max, strict=True)
    )


def _distance(profile: Profile, shapes: Shapes) -> int:
    """Manhattan distance to the shapes that the profile is optimized for."""
    return sum(
        abs(size - usual)
        for name, shape in shapes.items()
        for size, usual in zip(shape, profile[name].opt, strict=True)
    )


def _no_fit(signature: Signature, allowed: Sequence[int], shapes: Shapes) -> str:
    for name, shape in shapes.items():
        bounds = {index: signature.profiles[index][name] for index in allowed}
        if not any(_within(shape, each) for each in bounds.values()):
            taken = ", or ".join(_bounds_text(index, each) for index, each in bounds.items())
            return f"input '{name}' has the shape {shape_text(shape)}, the plan takes {taken}"
    given = ", ".join(f"'{name}' {shape_text(shape)}" for name, shape in shapes.items())
    return f"no optimization profile of the plan takes these shapes together: {given}"


def _bounds_text(index: int, bounds: Range) -> str:
    low, high = shape_text(bounds.min), shape_text(bounds.max)
    return f"{low} (profile {index})" if low == high else f"{low} to {high} (profile {index})"


def batchable(signature: Signature) -> bool:
    """Every input and output has an open first dim."""
    tensors = (*signature.inputs, *signature.outputs)
    return bool(tensors) and all(each.shape[:1] == (-1,) for each in tensors)


def largest_batch(signature: Signature, allowed: Sequence[int]) -> int:
    """The most that every input's first dim can be in one of the profiles; 0 without dims."""
    return max(
        min((bounds.max[:1] or (0,))[0] for bounds in signature.profiles[index].values())
        for index in allowed
    )
