"""Example tensors to trace a PyTorch module with: the user's own, or random ones of fit sizes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trtbuild.errors import SourceError
from trtbuild.sources.options import SourceOptions
from trtbuild.sources.torch_arrays import torch_dtype
from trtbuild.tensor import InputOverride, Shape, shape_text

# Sizes where a dim has only a name: large enough for what such dims usually are.
_BATCH = 2  # with 1, PyTorch takes the dim for one that is always 1
_PIXELS = 224
_STEPS = 16


def random_tensor(sizes: Sequence[int], dtype: torch.dtype, seed: int) -> torch.Tensor:
    """Normal values; of integers 0 and 1, which are valid indices into any table of two rows."""
    generator = torch.Generator().manual_seed(seed)
    if dtype.is_floating_point or dtype.is_complex:
        return torch.randn(tuple(sizes), generator=generator).to(dtype)
    return torch.randint(0, 2, tuple(sizes), generator=generator).to(dtype)


def example_from_override(override: InputOverride, options: SourceOptions) -> torch.Tensor:
    """A random tensor as `--input` describes it. Raises `SourceError` where it has no dims."""
    if override.shape is None:
        raise SourceError(
            f"--input '{override.name}' does not say what dims it has",
            f"write for example --input '{override.name}=fp32[batch,3,224,224]'",
        )
    shape = override.shape
    usual = [
        _BATCH if axis == 0 else _PIXELS if len(shape) == 4 and axis > 1 else _STEPS
        for axis in range(len(shape))
    ]
    sizes = _sizes(override.name, shape, usual, options)
    return random_tensor(sizes, torch_dtype(override.dtype or "fp32"), options.seed)


def fitted(
    tensor: torch.Tensor, name: str, shape: Shape, dtype: str | None, options: SourceOptions
) -> torch.Tensor:
    """The user's example itself, where it has the dims of `shape` and is long enough in those
    that vary; else a random one.
    """
    if len(shape) != tensor.ndim:
        return example_from_override(InputOverride(name, dtype, shape), options)
    wanted = torch_dtype(dtype) if dtype else tensor.dtype
    sizes = _sizes(name, shape, tuple(tensor.shape), options)
    if sizes == tuple(tensor.shape):
        return tensor.detach().to("cpu", wanted)
    return random_tensor(sizes, wanted, options.seed)


def _shared(shape: Shape, usual: Sequence[int], options: SourceOptions) -> tuple[int, ...]:
    """`usual`, with the sizes that dims of the same name have in the shapes given for others."""
    if len(usual) != len(shape):
        return tuple(usual)
    known = {
        dim: size
        for override in options.overrides
        for dim, size in zip(
            override.shape or (), options.example_shapes.get(override.name, ()), strict=False
        )
        if isinstance(dim, str)
    }
    return tuple(known.get(str(dim), size) for dim, size in zip(shape, usual, strict=True))


def _sizes(
    name: str, shape: Shape, usual: Sequence[int], options: SourceOptions
) -> tuple[int, ...]:
    """The number that each dim of `shape` is, or the size for its name: given, else usual."""
    given = options.example_shapes.get(name) or _shared(shape, usual, options)
    if len(given) != len(shape):
        raise SourceError(
            f"--input '{name}' has {len(shape)} dims {shape_text(shape)}, and the shapes given for "
            f"it have {len(given)}: {shape_text(tuple(given))}"
        )
    return tuple(
        max(size, _BATCH) if isinstance(dim, str) else dim
        for dim, size in zip(shape, given, strict=True)
    )
