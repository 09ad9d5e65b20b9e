"""A PyTorch module that a user's function makes: `file.py:function`, `package.module:function`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trtbuild.artifacts import SourceRef
from trtbuild.errors import SourceError, first_line
from trtbuild.sources.factory import call_factory
from trtbuild.sources.options import SourceOptions
from trtbuild.sources.torch_export import export_module
from trtbuild.sources.torch_flat import FlatModule, named_tensors, output_names, run_flat
from trtbuild.sources.torch_inputs import Inputs, inputs_of

if TYPE_CHECKING:
    import numpy as np


class TorchModule:
    """The module in inference mode, on the CPU."""

    def __init__(self, ref: SourceRef, options: SourceOptions) -> None:
        self.what = f"the module of '{ref.location}'"
        self.options = options
        module, examples = call_factory(ref.location, options.seed)
        module = module.eval().cpu()
        self.flat, self.outputs, self.notes = flatten(module, examples, options, self.what)

    def export(self, path: Path) -> tuple[str, ...]:
        """As `session.Source`."""
        notes = export_module(self.flat, self.outputs, path, self.options.opset, self.what)
        return (*self.notes, *notes)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As `session.Source`."""
        given = {**self.flat.inputs.bound(self.options), **inputs}  # what export left out
        return run_flat(self.flat, self.flat.inputs.names, self.outputs, given, self.what)


def flatten(
    module: torch.nn.Module, examples: Any, options: SourceOptions, what: str
) -> tuple[FlatModule, tuple[str, ...], tuple[str, ...]]:
    """`module` with flat inputs and outputs, the names of the latter, and notes.

    The module runs once, which also tells a wrong example from an exporter's failure. Raises
    `SourceError`.
    """
    notes: tuple[str, ...] = ()
    inputs = inputs_of(module, examples, options, what)
    try:
        results = _results(module, inputs, what)
    except SourceError as error:
        # What the user says is never dropped; only the batch that we free unasked is.
        if examples is None or any(said.shape is not None for said in options.overrides):
            raise
        inputs = inputs_of(module, examples, options, what, fixed=True)
        results = _results(module, inputs, what)
        notes = (f"no dim varies: {error.message}",)
    found = [name for name, _ in named_tensors(results)]
    if not found:
        raise SourceError(f"{what} returns no tensors", "its results must be or hold tensors")
    names = output_names(found, options.output_names, inputs.names, what)
    return FlatModule(module, inputs).eval(), names, notes


def _results(module: torch.nn.Module, inputs: Inputs, what: str) -> Any:
    args, kwargs = inputs.arguments(inputs.tensors)
    try:
        with torch.no_grad():
            return module(*args, **kwargs)
    except Exception as error:
        shapes = ", ".join(
            f"{name} {list(tensor.shape)}"
            for name, tensor in zip(inputs.names, inputs.tensors, strict=True)
        )
        raise SourceError(
            f"{what} fails when it is called with {shapes}: {first_line(error)}",
            "give the dims it takes, --input 'image=fp32[batch,3,224,224]', or an input its value, "
            "--bind rate=16000, or let the function return (module, example_inputs)",
        ) from error
