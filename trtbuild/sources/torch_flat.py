"""A PyTorch module seen as ONNX sees it: tensors in, tensors out, each with a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from trtbuild.errors import SourceError, first_line
from trtbuild.sources.torch_arrays import array_from_tensor, tensor_from_array
from trtbuild.sources.torch_inputs import Inputs

if TYPE_CHECKING:
    import numpy as np


class FlatModule(torch.nn.Module):
    """`module` with its nested arguments and results flattened; what is no tensor is left out."""

    def __init__(self, module: torch.nn.Module, inputs: Inputs) -> None:
        super().__init__()
        self.module = module
        self.inputs = inputs

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The tensors among the results, in order."""
        args, kwargs = self.inputs.arguments(tensors)
        return tuple(tensor for _, tensor in named_tensors(self.module(*args, **kwargs)))


def named_tensors(results: Any) -> list[tuple[str, torch.Tensor]]:
    """The tensors in a module's nested results, called by their keys: `logits`, `output_1`."""
    return [(name, leaf) for name, leaf in named_leaves(results) if isinstance(leaf, torch.Tensor)]


def named_leaves(results: Any) -> list[tuple[str, Any]]:
    """Everything in nested results, in order, called by its keys."""
    leaves, _ = pytree.tree_flatten_with_path(results)
    return [("_".join(_steps(path)) or "output", leaf) for path, leaf in leaves]


def _steps(path: Any) -> list[str]:
    """Keys and attribute names; a number alone says too little: `output_0`."""
    steps = [str(getattr(s, "key", getattr(s, "idx", getattr(s, "name", s)))) for s in path]
    return ["output", *steps] if steps and steps[0].isdecimal() else steps


def output_names(
    found: Sequence[str], asked: Sequence[str], inputs: Sequence[str], what: str
) -> tuple[str, ...]:
    """The names that outputs get: those asked for, else those found, distinct from all inputs."""
    if asked and len(asked) != len(found):
        raise SourceError(
            f"{what} has {len(found)} outputs ({', '.join(found)}), and {len(asked)} names were "
            f"given for them: {', '.join(asked)}"
        )
    names: list[str] = []
    for name in asked or found:
        new = name
        while new in inputs or new in names:
            new += "_output"
        names.append(new)
    return tuple(names)


def run_flat(
    flat: Any,
    inputs: Sequence[str],
    outputs: Sequence[str],
    arrays: Mapping[str, np.ndarray],
    what: str,
) -> dict[str, np.ndarray]:
    """Call `flat` (tensors in, a tuple of tensors out) on `arrays`. Raises `SourceError`."""
    tensors = [tensor_from_array(arrays[name]) for name in inputs]
    try:
        with torch.no_grad():
            results = flat(*tensors)
    except Exception as error:
        raise SourceError(
            f"PyTorch cannot run {what} on these inputs: {first_line(error)}"
        ) from error
    return dict(zip(outputs, (array_from_tensor(result) for result in results), strict=True))
