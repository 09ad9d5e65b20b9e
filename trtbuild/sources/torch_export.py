"""PyTorch's exporters: the dynamo exporter first, the TorchScript exporter where it fails."""

from __future__ import annotations

import contextlib
import importlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim

from trtbuild.errors import SourceError, first_line
from trtbuild.sources.torch_finish import finish
from trtbuild.sources.torch_flat import FlatModule
from trtbuild.workers.child import report

_INLINE_BYTES = 2**30  # of weights; more go beside the ONNX file, well below protobuf's 2 GB
_NEWEST_TRACED_OPSET = 17  # of PyTorch 2.6, the oldest one; later ones go to 20


class ExporterError(Exception):
    """One of PyTorch's exporters failed; its text says why."""


def export_module(
    flat: FlatModule, outputs: Sequence[str], path: Path, opset: int | None, what: str
) -> tuple[str, ...]:
    """Write `flat` to `path` as ONNX; notes say what a user should know.

    Raises `SourceError` with the reasons of both exporters.
    """
    inputs = flat.inputs
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        raw = Path(folder) / path.name
        try:
            save_program(_dynamo(flat, outputs, opset), raw)
            return finish(raw, path, inputs.names, inputs.dims, opset)
        except (ExporterError, SourceError) as error:
            reason = first_line(error)
    report("export", "export to ONNX with TorchScript")
    try:
        notes = traced_module(flat, outputs, path, opset)
    except ExporterError as error:
        raise SourceError(
            f"PyTorch {torch.__version__} cannot export {what}: {reason}",
            f"the TorchScript exporter fails as well: {error}",
        ) from error
    note = f"exported with the TorchScript exporter, because the dynamo exporter failed: {reason}"
    return (note, *notes)


def _dynamo(flat: FlatModule, outputs: Sequence[str], opset: int | None) -> Any:
    """The ONNXProgram with all named dims varying; else without those that the code fixes."""
    names, tensors = flat.inputs.names, flat.inputs.tensors
    try:
        dims = _hints(flat, Dim.DYNAMIC)
        return onnx_program(flat, tensors, names, outputs, opset, dynamic_shapes=dims)
    except ExporterError:
        if not any(flat.inputs.dims):
            raise
        # Not with AUTO in `torch.onnx.export` itself: there a dim that the code fixes stays
        # dynamic, and what it must be is an assertion that gets lost on the way to ONNX.
        try:
            with quiet():
                dims = _hints(flat, Dim.AUTO)
                captured = torch.export.export(flat, tensors, dynamic_shapes=dims, strict=False)
        except Exception as error:
            raise ExporterError(root_cause(error)) from error
        return onnx_program(captured, (), names, outputs, opset)


def _hints(flat: FlatModule, hint: Any) -> Any:
    dims = tuple(dict.fromkeys(named, hint) or None for named in flat.inputs.dims)
    return (dims,)  # of the one argument, which is *tensors


def onnx_program(
    model: Any,
    tensors: tuple[torch.Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    opset: int | None,
    *,
    dynamic_shapes: Any = None,
) -> Any:
    """What the dynamo exporter makes of a module, or of an ExportedProgram without `tensors`.

    Raises `ExporterError`.
    """
    importlib.import_module("onnxscript")  # without it the reason given would be another
    try:
        with quiet():
            return torch.onnx.export(
                model,
                tensors,
                dynamo=True,
                dynamic_shapes=dynamic_shapes,
                input_names=list(inputs),
                output_names=list(outputs),
                opset_version=opset,
                verbose=False,
            )
    except Exception as error:
        raise ExporterError(root_cause(error)) from error


def save_program(program: Any, path: Path) -> None:
    """Write an ONNXProgram, with its weights in a file beside it when they are large."""
    size = sum(
        value.const_value.nbytes
        for value in program.model.graph.initializers.values()
        if value.const_value is not None
    )
    program.save(str(path), external_data=size > _INLINE_BYTES)


def traced_module(
    flat: FlatModule, outputs: Sequence[str], path: Path, opset: int | None
) -> tuple[str, ...]:
    """Export by tracing, with the TorchScript exporter; returns notes. Raises `ExporterError`."""
    inputs = flat.inputs
    trace: Any = (
        torch.jit.trace
    )  # which takes modules that are TorchScript, as the exporter does not
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        raw = Path(folder) / path.name
        try:
            with quiet(), torch.no_grad():
                torch.onnx.export(
                    trace(flat, inputs.tensors, check_trace=False),
                    inputs.tensors,
                    str(raw),
                    dynamo=False,
                    input_names=list(inputs.names),
                    output_names=list(outputs),
                    dynamic_axes=dict(zip(inputs.names, inputs.dims, strict=True)),
                    opset_version=min(opset or _NEWEST_TRACED_OPSET, _NEWEST_TRACED_OPSET),
                )
        except Exception as error:
            raise ExporterError(root_cause(error)) from error
        return finish(raw, path, inputs.names, inputs.dims, opset)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the exporters' logging: what matters of it becomes notes and errors."""
    import logging
    import warnings

    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def root_cause(error: BaseException) -> str:
    """What went wrong in an exporter; it wraps the cause in pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {first_line(error)}"
