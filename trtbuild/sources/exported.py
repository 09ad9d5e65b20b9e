"""A PyTorch ExportedProgram (`torch.export.save`), with the dims that it has as dynamic."""

from __future__ import annotations

import contextlib
import importlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.export.graph_signature import InputKind, OutputKind, TensorArgument
from torch.utils import _pytree as pytree

from trtbuild.artifacts import SourceRef
from trtbuild.errors import SourceError, first_line
from trtbuild.sources.exported_texts import refuse_texts
from trtbuild.sources.options import SourceOptions
from trtbuild.sources.torch_export import ExporterError, onnx_program, quiet, save_program
from trtbuild.sources.torch_finish import finish
from trtbuild.sources.torch_flat import named_leaves, named_tensors, output_names, run_flat

if TYPE_CHECKING:
    import numpy as np

_NO_BOUND = 2**31  # a dim's upper bound beyond it says nothing


class Exported:
    """The program. Its example inputs are not needed: its graph knows its inputs."""

    def __init__(self, ref: SourceRef, options: SourceOptions) -> None:
        self.what = f"the ExportedProgram '{ref.location}'"
        self.options = options
        if not options.trust_source:
            refuse_texts(ref.location, self.what)
        try:
            with quiet(), _nothing_unpickled():
                self.program: Any = torch.export.load(ref.location)
        except Exception as error:
            raise SourceError(
                f"PyTorch {torch.__version__} cannot load {self.what}: {first_line(error)}",
                "it loads programs of its own version and of some before; export it anew",
            ) from error
        self.inputs = [name for name, _ in self._tensor_inputs()]
        found = self._found_outputs()
        self.outputs = output_names(found, options.output_names, self.inputs, self.what)
        self._module: Any = None

    def _tensor_inputs(self) -> list[tuple[str, torch.Tensor]]:
        """Name and fake tensor of each user's input; the shape has symbols for what varies."""
        values = {
            node.name: node.meta.get("val")
            for node in self.program.graph.nodes
            if node.op == "placeholder"
        }
        return [
            (spec.arg.name, values[spec.arg.name])
            for spec in self.program.graph_signature.input_specs
            if spec.kind is InputKind.USER_INPUT and isinstance(spec.arg, TensorArgument)
        ]

    def _found_outputs(self) -> list[str]:
        """The names of those of its results that are tensors."""
        specs = [
            spec
            for spec in self.program.graph_signature.output_specs
            if spec.kind is OutputKind.USER_OUTPUT
        ]
        results = pytree.tree_unflatten(range(len(specs)), self.program.call_spec.out_spec)
        return [
            name
            for (name, _), spec in zip(named_leaves(results), specs, strict=True)
            if isinstance(spec.arg, TensorArgument)
        ]

    def export(self, path: Path) -> tuple[str, ...]:
        """As `session.Source`."""
        try:
            program = onnx_program(self.program, (), self.inputs, self.outputs, self.options.opset)
        except ExporterError as error:
            raise SourceError(
                f"PyTorch {torch.__version__} cannot export {self.what}: {error}",
                "give the module itself, which has a second exporter: file.py:function",
            ) from error
        dims, notes = self._dims()
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            raw = Path(folder) / path.name
            save_program(program, raw)
            return (*notes, *finish(raw, path, self.inputs, dims, self.options.opset))

    def _dims(self) -> tuple[list[dict[int, str]], list[str]]:
        """The dims that vary, with names: the program itself has only symbols (s77) for them."""
        names: dict[str, str] = {}
        dims: list[dict[int, str]] = []
        for name, tensor in self._tensor_inputs():
            dims.append({})
            sizes: tuple[Any, ...] = tuple(tensor.shape)
            for axis, size in enumerate(sizes):
                if isinstance(size, torch.SymInt):
                    new = f"{name}_{axis}" if axis or "batch" in names.values() else "batch"
                    dims[-1][axis] = names.setdefault(str(size), new)
        notes = [
            f"dim '{names[str(symbol)]}' may be {limits}: the program was exported with that bound"
            for symbol, bounds in self.program.range_constraints.items()
            if str(symbol) in names and (limits := _limits(bounds))
        ]
        return dims, notes

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As `session.Source`."""
        if self._module is None:
            self._module = self.program.module()
        return run_flat(self._call, self.inputs, self.outputs, inputs, self.what)

    def _call(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        rest = iter(tensors)
        leaves = [
            next(rest) if isinstance(spec.arg, TensorArgument) else getattr(spec.arg, "value", None)
            for spec in self.program.graph_signature.input_specs
            if spec.kind is InputKind.USER_INPUT
        ]
        args, kwargs = pytree.tree_unflatten(leaves, self.program.call_spec.in_spec)
        return tuple(tensor for _, tensor in named_tensors(self._module(*args, **kwargs)))


def _limits(bounds: Any) -> str:
    """What a user should know of a dim's range; a lower bound of 2 is PyTorch's habit, no limit."""
    least, most = str(bounds.lower), str(bounds.upper)  # numbers, or "int_oo"
    limits = []
    if least.isdecimal() and int(least) > 2:
        limits.append(f"{least} at least")
    if most.isdecimal() and int(most) < _NO_BOUND:
        limits.append(f"{most} at most")
    return " and ".join(limits)


class _NoPickle:
    """Stands in for the module `pickle` where PyTorch unpickles objects of a program."""

    @staticmethod
    def loads(*_: Any, **__: Any) -> Any:
        raise SourceError("it holds pickled objects, which are not unpickled")


_WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # PyTorch's own switch, for every torch.load


@contextlib.contextmanager
def _nothing_unpickled() -> Iterator[None]:
    """`torch.export.load` falls back to full unpickling in places; here it cannot."""
    with contextlib.ExitStack() as stack:
        before = os.environ.get(_WEIGHTS_ONLY, "0")
        os.environ[_WEIGHTS_ONLY] = "1"
        stack.callback(os.environ.__setitem__, _WEIGHTS_ONLY, before)
        with contextlib.suppress(ModuleNotFoundError, AttributeError):
            # PyTorch 2.8 and later; newer ones unpickle opaque objects with `pickle` itself.
            package = importlib.import_module("torch.export.pt2_archive._package")
            stack.callback(setattr, package, "pickle", package.pickle)
            vars(package)["pickle"] = _NoPickle
        yield
