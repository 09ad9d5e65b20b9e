"""A TorchScript file. Its code is run by PyTorch's own interpreter; nothing is unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trtbuild.artifacts import SourceRef
from trtbuild.errors import SourceError, first_line
from trtbuild.sources.options import SourceOptions
from trtbuild.sources.torch_examples import random_tensor
from trtbuild.sources.torch_export import ExporterError, quiet, traced_module
from trtbuild.sources.torch_flat import run_flat
from trtbuild.sources.torch_module import flatten
from trtbuild.sources.torchscript_code import refuse_code

if TYPE_CHECKING:
    import numpy as np

_NOTE = "exported with the TorchScript exporter: PyTorch's dynamo exporter takes no TorchScript"


class TorchScript:
    """The loaded module. The shapes that it was traced with serve as examples, if it was."""

    def __init__(self, ref: SourceRef, options: SourceOptions) -> None:
        self.what = f"the TorchScript file '{ref.location}'"
        self.options = options
        if not options.trust_source:
            refuse_code(ref.location, self.what)
        try:
            with quiet():
                # `_restore_shapes`: with the types of its inputs, where it was traced
                load: Any = torch.jit.load
                module = load(ref.location, map_location="cpu", _restore_shapes=True)
        except Exception as error:
            raise SourceError(
                f"PyTorch {torch.__version__} cannot load {self.what}: {first_line(error)}"
            ) from error
        examples = _traced_examples(module, options.seed)
        self.flat, self.outputs, self.notes = flatten(module.eval(), examples, options, self.what)

    def export(self, path: Path) -> tuple[str, ...]:
        """As `session.Source`."""
        try:
            notes = traced_module(self.flat, self.outputs, path, self.options.opset)
        except ExporterError as error:
            raise SourceError(
                f"PyTorch {torch.__version__} cannot export {self.what}: {error}",
                "export the module it was made from: file.py:function",
            ) from error
        return (_NOTE, *self.notes, *notes)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As `session.Source`."""
        given = {**self.flat.inputs.bound(self.options), **inputs}  # what export left out
        return run_flat(self.flat, self.flat.inputs.names, self.outputs, given, self.what)


def _traced_examples(module: Any, seed: int) -> tuple[torch.Tensor, ...] | None:
    """Random tensors of the shapes that the file remembers; None where it does not."""
    examples = []
    for value in list(module.graph.inputs())[1:]:  # the first one is the module itself
        kind = value.type()
        if not isinstance(kind, torch.TensorType):
            return None
        sizes, dtype = kind.sizes(), kind.dtype()
        if sizes is None or dtype is None:
            return None
        examples.append(random_tensor(sizes, dtype, seed))
    return tuple(examples) or None
