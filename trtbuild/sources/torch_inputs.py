"""What a PyTorch module is called with: example tensors, their names, the dims that vary.

They come from the examples a factory returns, from `--input`, or from both: a name that
`forward` has means that argument, the other names are given to the remaining arguments in order.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.utils import _pytree as pytree

from trtbuild.bound import bound_array
from trtbuild.errors import SourceError
from trtbuild.sources.options import SourceOptions
from trtbuild.sources.torch_arrays import array_from_tensor, tensor_from_array
from trtbuild.sources.torch_examples import example_from_override, fitted
from trtbuild.tensor import InputOverride, Shape, TensorSpec, dtype_from_numpy

if TYPE_CHECKING:
    import numpy as np


class Inputs(NamedTuple):
    """Example tensors in order, and how they are put back into `forward`'s arguments."""

    names: tuple[str, ...]
    tensors: tuple[torch.Tensor, ...]
    dims: tuple[dict[int, str], ...]  # of each tensor: axis -> name of a dim that varies
    leaves: tuple[Any, ...]  # all values, tensors and constants, of ...
    structure: Any  # ... (args, kwargs): a pytree spec

    def bound(self, options: SourceOptions) -> dict[str, np.ndarray]:
        """The arrays of the inputs that --bind gives their value."""
        return {
            name: array_from_tensor(tensor)
            for name, tensor in zip(self.names, self.tensors, strict=True)
            if name in options.bind
        }

    def arguments(self, tensors: Sequence[torch.Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """`(args, kwargs)` with `tensors` in place of the examples."""
        rest = iter(tensors)
        leaves = [next(rest) if isinstance(leaf, torch.Tensor) else leaf for leaf in self.leaves]
        args, kwargs = pytree.tree_unflatten(leaves, self.structure)
        return tuple(args), dict(kwargs)


def inputs_of(
    module: torch.nn.Module,
    examples: Any,
    options: SourceOptions,
    what: str,
    *,
    fixed: bool = False,
) -> Inputs:
    """The inputs of `module`; `fixed`: exactly the examples, no dim varies.

    Raises `SourceError` where they are not known.
    """
    parameters = _parameters(module)
    if examples is None:
        call = _from_overrides(parameters, options, what)
    else:
        call = _as_call(examples, parameters)
    leaves, structure = pytree.tree_flatten_with_path(call)
    found = [(path, leaf) for path, leaf in leaves if isinstance(leaf, torch.Tensor)]
    if not found:
        raise SourceError(f"{what} has no tensor among its example inputs", "it needs at least one")
    batch = None if fixed else next((tensor.shape[0] for _, tensor in found if tensor.ndim), None)
    names = [_leaf_name(path, list(parameters)) for path, _ in found]
    final, tensors, dims = [], [], []
    for name, said, (_, tensor) in zip(
        names, _assigned(names, options.overrides, what), found, strict=True
    ):
        shape = _usual_shape(tensor, batch)
        if said and said.shape is not None and not fixed:
            shape = said.shape
        final.append(said.name if said else name)
        example = fitted(tensor, final[-1], shape, said.dtype if said else None, options)
        tensors.append(_bound(example, final[-1], options))
        dims.append({axis: dim for axis, dim in enumerate(shape) if isinstance(dim, str)})
    values = tuple(leaf for _, leaf in leaves)
    return Inputs(tuple(final), tuple(tensors), tuple(dims), values, structure)


def _bound(example: torch.Tensor, name: str, options: SourceOptions) -> torch.Tensor:
    """`example`, or with --bind a tensor like it with that value."""
    if name not in options.bind:
        return example
    sizes = tuple(int(size) for size in example.shape)
    dtype = dtype_from_numpy(str(example.dtype).removeprefix("torch."))
    spec = TensorSpec(name, dtype.name if dtype else "fp32", sizes)
    return tensor_from_array(bound_array(spec, options.bind[name]))


def _assigned(
    names: Sequence[str], overrides: Sequence[InputOverride], what: str
) -> list[InputOverride | None]:
    """For each of `names` what `--input` says of it: by name first, the others in order."""
    by_name = {override.name: override for override in overrides if override.name in names}
    others = [override for override in overrides if override.name not in by_name]
    free = [name for name in names if name not in by_name]
    if len(others) > len(free):
        raise SourceError(
            f"{what} has no input for {', '.join(repr(o.name) for o in others[len(free) :])}, "
            f"which --input names; it has: {', '.join(names)}"
        )
    by_name |= dict(zip(free, others, strict=False))
    return [by_name.get(name) for name in names]


def _parameters(module: Any) -> dict[str, bool]:
    """The arguments of `forward`, and whether each must be given."""
    if isinstance(module, torch.jit.ScriptModule):
        forward: Any = module.forward
        arguments = forward.schema.arguments[1:]
        return {argument.name: not argument.has_default_value() for argument in arguments}
    return {
        name: parameter.default is parameter.empty
        for name, parameter in inspect.signature(module.forward).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }


def _from_overrides(
    parameters: dict[str, bool], options: SourceOptions, what: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Random tensors as `--input` describes them."""
    names = list(parameters) or [override.name for override in options.overrides]
    said = dict(zip(names, _assigned(names, options.overrides, what), strict=True))
    missing = [name for name, override in said.items() if not override and parameters[name]]
    if missing or not options.overrides:
        first = (missing or names or ["x"])[0]
        raise SourceError(
            f"{what} does not say what it is called with: nothing is known of "
            f"{', '.join(missing or names) or 'its inputs'}",
            f"say it: --input '{first}=fp32[batch,3,224,224]'",
        )
    tensors = {
        name: example_from_override(override, options)
        for name, override in said.items()
        if override
    }
    return ((), tensors) if parameters else (tuple(tensors.values()), {})


def _as_call(examples: Any, parameters: dict[str, bool]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Example inputs as people write them: a tensor, a tuple or list, or a dict by name."""
    if isinstance(examples, Mapping) and set(examples) <= set(parameters):
        return (), dict(examples)
    if isinstance(examples, tuple | list):
        return tuple(examples), {}
    return (examples,), {}


def _leaf_name(path: Any, parameters: list[str]) -> str:
    """`image` for an argument, `states_0` for what lies in one."""
    role, first, *rest = (_key(step) for step in path)
    if role == "0":  # args
        first = parameters[int(first)] if int(first) < len(parameters) else f"input_{first}"
    return "_".join([first, *rest])


def _key(step: Any) -> str:
    for attribute in ("key", "idx", "name"):
        if hasattr(step, attribute):
            return str(getattr(step, attribute))
    return str(step)


def _usual_shape(tensor: torch.Tensor, batch: int | None) -> Shape:
    """The first dim is the batch where it is as long as that of the first input."""
    sizes = tuple(int(size) for size in tensor.shape)
    return ("batch", *sizes[1:]) if sizes and sizes[0] == batch else sizes
