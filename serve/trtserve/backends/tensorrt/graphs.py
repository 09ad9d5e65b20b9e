"""Which input shapes get a CUDA graph of their own. Pure.

As Triton's TensorRT backend: where `optimization.cuda` lists no `graph_spec`, the batch sizes 1,
the preferred ones and the largest with dynamic batching, else 1, 2, 3, 4, 6, 8, 12, 16 and the
largest. A graph serves the shapes it was captured with and no others: `graph_lower_bound`, by
which Triton pads smaller batches, is read and not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from trtserve.backends.tensorrt.profiles import Shape, Signature, choose
from trtserve.errors import ServeError, invalid

_WITHOUT_BATCHER = (1, 2, 3, 4, 6, 8, 12, 16)
Captured = dict[str, Shape]  # an input's name -> its shape, batch dim included where it has one


def captures(config: Any, signature: Signature, allowed: Sequence[int]) -> list[Captured]:
    """The input shapes to capture, each once; those of no allowed profile are left out.

    A dim that is variable and that no `graph_spec` gives has the size that the profile is
    optimized for. Raises `ServeError` for a `graph_spec` that names no input of the model or
    other dims than it has.
    """
    found: list[Captured] = []
    for batch, stated in _wanted(config):
        shapes = _shapes(config, signature, allowed, batch, stated)
        if shapes is not None and shapes not in found:
            found.append(shapes)
    return found


def _wanted(config: Any) -> Iterator[tuple[int, dict[str, Shape]]]:
    """Batch sizes (0: the model does not batch) with the dims that are given for inputs."""
    if specs := config.optimization.cuda.graph_spec:
        for spec in specs:
            yield (
                spec.batch_size,
                {name: tuple(each.dim) for name, each in sorted(spec.input.items())},
            )
        return
    for size in _batch_sizes(config):
        yield size, {}


def _batch_sizes(config: Any) -> list[int]:
    largest = config.max_batch_size
    if not largest:
        return [0]
    if config.WhichOneof("scheduling_choice") == "dynamic_batching":
        sizes = {1, *config.dynamic_batching.preferred_batch_size, largest}
    else:
        sizes = {*_WITHOUT_BATCHER, largest}
    return sorted(size for size in sizes if size <= largest)


def _shapes(
    config: Any, signature: Signature, allowed: Sequence[int], batch: int, stated: Captured
) -> Captured | None:
    """Input shapes of one capture; None where no profile takes them."""
    known = {each.name for each in signature.inputs}
    if unknown := sorted(set(stated) - known):
        raise invalid(f"graph_spec names the input '{unknown[0]}', the plan has {sorted(known)}")
    if bool(batch) != bool(config.max_batch_size) or not 0 <= batch <= config.max_batch_size:
        raise invalid(
            f"graph_spec has batch_size {batch}, max_batch_size is {config.max_batch_size}"
        )
    for index in allowed:
        shapes = {}
        for each in signature.inputs:
            usual = signature.profiles[index][each.name].opt
            first = (batch,) if batch else ()
            inner = stated.get(each.name, usual[len(first) :])
            shapes[each.name] = (*first, *inner)
            if len(shapes[each.name]) != len(each.shape):
                raise invalid(
                    f"graph_spec gives input '{each.name}' {len(inner)} dims, the model has "
                    f"{len(each.shape) - len(first)}"
                )
        try:
            choose(signature, allowed, shapes)
        except ServeError:
            continue
        return shapes
    return None
