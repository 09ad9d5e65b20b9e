"""A config's tensors beside the engine's: fill what is absent, refuse what does not fit.

Auto-complete and check follow Triton's TensorRT backend (model_state.cc AutoCompleteConfig,
instance_state.cc). One difference on purpose: an engine whose first dim is fixed is no batching
model for auto-complete, where Triton takes the size of that dim for `max_batch_size`, be it the
channels of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trtbuild.artifacts import Profile
from trtbuild.tensor import dtype_from_kserve
from trtserve.backends.tensorrt.profiles import (
    EngineTensor,
    Signature,
    batchable,
    largest_batch,
)
from trtserve.errors import invalid
from trtserve.tensors import shape_text


def complete(config: Any, signature: Signature, allowed: Sequence[int]) -> None:
    """Fill tensors and batching from the engine, where the config leaves them out.

    `allowed`: the optimization profiles that instances use. Raises `ServeError`.
    """
    if not config.max_batch_size and _lists_batches(config, signature):
        config.max_batch_size = largest_batch(signature, allowed)
    batching = config.max_batch_size > 0
    for stated, found in ((config.input, signature.inputs), (config.output, signature.outputs)):
        if not stated:
            for each in found:
                stated.add(name=each.name)
        by_name = {each.name: each for each in found}
        for tensor in stated:
            if tensor.name in by_name:
                _fill(tensor, by_name[tensor.name], batching=batching)
    if config.max_batch_size > 1 and config.WhichOneof("scheduling_choice") is None:
        config.dynamic_batching.SetInParent()


def _lists_batches(config: Any, signature: Signature) -> bool:
    """Whether the config's dims are those of one batch entry; where it has none, the engine's."""
    engine = {each.name: each for each in (*signature.inputs, *signature.outputs)}
    shorter = {
        len(tensor.dims) + 1 == len(engine[tensor.name].shape)
        for tensor in (*config.input, *config.output)
        if tensor.dims and tensor.name in engine
    }
    if len(shorter) > 1:
        raise invalid(
            f"model '{config.name}': some dims of the config have the batch dim of the plan and "
            "some have not; leave it out everywhere, or state it everywhere with max_batch_size 0"
        )
    return shorter.pop() if shorter else batchable(signature)


def _fill(tensor: Any, found: EngineTensor, *, batching: bool) -> None:
    if not tensor.data_type:
        numbers = tensor.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_name
        tensor.data_type = numbers[_triton(found)].number
    if not tensor.dims:
        dims = found.shape[1:] if batching else found.shape
        tensor.dims.extend(dims or (1,))
        if not dims and batching:
            tensor.reshape.SetInParent()


def _triton(found: EngineTensor) -> str:
    row = dtype_from_kserve(found.dtype)
    assert row is not None, f"{found.name} has no type that a config could state"
    return row.triton


def check(config: Any, signature: Signature, allowed: Sequence[int]) -> None:
    """The config's tensors are the engine's, in name, type and dims. Raises `ServeError`."""
    for kind, stated, found in (
        ("input", config.input, signature.inputs),
        ("output", config.output, signature.outputs),
    ):
        by_name = {each.name: each for each in found}
        for tensor in stated:
            if tensor.name not in by_name:
                raise invalid(
                    f"unexpected inference {kind} '{tensor.name}', allowed {kind}s are: "
                    + ", ".join(by_name)
                )
            _check_type(kind, tensor, by_name[tensor.name])
            _check_dims(config, kind, tensor, by_name[tensor.name])
            if kind == "input":
                _check_bounds(config, tensor, [signature.profiles[index] for index in allowed])
        names = {tensor.name for tensor in stated}
        if missing := [name for name in by_name if name not in names]:
            raise invalid(f"expected configuration for {kind} '{missing[0]}' of the plan")
    largest = largest_batch(signature, allowed)
    if config.max_batch_size > largest:
        numbers = ", ".join(map(str, allowed))
        raise invalid(
            f"max_batch_size is {config.max_batch_size}, the plan takes batches up to {largest} "
            f"(optimization profile {numbers}): state {largest}, or build it for more"
        )


def _check_type(kind: str, tensor: Any, found: EngineTensor) -> None:
    names = tensor.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    stated = names[tensor.data_type].name
    if stated != _triton(found):
        raise invalid(
            f"{kind} '{tensor.name}' is {stated} in the config, the plan says {_triton(found)}"
        )


def _check_dims(config: Any, kind: str, tensor: Any, found: EngineTensor) -> None:
    dims = _seen_by_backend(tensor)
    full = (-1, *dims) if config.max_batch_size else dims
    scalar = not found.shape and dims == (1,) and not config.max_batch_size
    if not scalar and not _compatible(full, found.shape):
        raise invalid(
            f"{kind} '{tensor.name}' has the shape {shape_text(full)} by the config "
            + ("(max_batch_size adds the first dim)" if config.max_batch_size else "")
            + f", the plan says {shape_text(found.shape)}"
        )


def _check_bounds(config: Any, tensor: Any, profiles: Sequence[Profile]) -> None:
    """One of the profiles takes the dims that the config fixes."""
    batch = 1 if config.max_batch_size else 0
    dims = _seen_by_backend(tensor)
    bounds = [(each[tensor.name].min[batch:], each[tensor.name].max[batch:]) for each in profiles]
    if not any(
        # Not strict: a scalar has no bounds, and [1] in a config.
        all(dim < 0 or a <= dim <= b for dim, a, b in zip(dims, low, high, strict=False))
        for low, high in bounds
    ):
        taken = ", ".join(f"{shape_text(low)} to {shape_text(high)}" for low, high in bounds)
        raise invalid(
            f"input '{tensor.name}' has the dims {shape_text(dims)} in the config, the plan's "
            f"optimization profiles take {taken}"
        )


def _seen_by_backend(tensor: Any) -> tuple[int, ...]:
    return tuple(tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims)


def _compatible(stated: Sequence[int], found: Sequence[int]) -> bool:
    return len(stated) == len(found) and all(
        -1 in (one, other) or one == other for one, other in zip(stated, found, strict=True)
    )
