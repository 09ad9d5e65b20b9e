"""A version's ONNX file beside the config as ONNX Runtime's backend has it, for all rules.

Source: ONNX Runtime backend, onnxruntime.cc (AutoCompleteConfig, AutoCompleteMaxBatch).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from trtbuild.validate.finding import FieldPath
from trtbuild.validate.model import Model
from trtbuild.validate.modelfiles.interface import FileTensor, Interface
from trtbuild.validate.rules.files.versions import VersionFile, interfaces
from trtbuild.validate.rules.sequence.controls import controls

BACKEND = "onnxruntime"
DEFAULT_BATCH = 4  # what core gives backends as default-max-batch-size


class Seen(NamedTuple):
    """One version's file and what auto-complete makes of the config."""

    file: VersionFile
    interface: Interface
    completes: bool  # the backend reads what is missing from the file
    max_batch_size: int | None  # after that; None: only ONNX Runtime's shape inference can say

    @property
    def filled_batch(self) -> bool:
        """Whether auto-complete sets the batch size, of which the config says nothing."""
        return self.completes and self.max_batch_size == DEFAULT_BATCH


def seen(model: Model) -> Iterator[Seen]:
    """Each version of a model of ONNX Runtime's whose file can be read."""
    if model.backend != BACKEND:
        return
    config = model.config
    completes = not model.settings.strict_config and not (
        (config.input or config.batch_input) and config.output
    )
    for file, interface in interfaces(model):
        size: int | None = config.max_batch_size
        if completes and size == 0:
            size = _filled(interface)
        yield Seen(file, interface, completes, size)


def fills_inputs(model: Model, one: Seen) -> bool:
    """Whether auto-complete lists every input of the file in the config."""
    return one.completes and not (model.config.input or model.config.batch_input)


def shape(tensor: FileTensor) -> tuple[int, ...]:
    """What ONNX Runtime says of an input; one without a rank has no dims to it."""
    return tensor.dims or ()


def _filled(interface: Interface) -> int | None:
    stated = [shape(tensor) for tensor in interface.inputs]
    stated += [tensor.dims for tensor in interface.outputs if tensor.dims is not None]
    if any(not dims or dims[0] != -1 for dims in stated):
        return 0
    return DEFAULT_BATCH if all(t.dims is not None for t in interface.outputs) else None


def first_controls(model: Model) -> Iterator[tuple[FieldPath, Any, Any]]:
    """Place, `control_input` and `control` of the first of each kind: what the backend reads."""
    kinds = set()
    for at, entry, control in controls(model):
        if control.kind not in kinds and entry.name:
            kinds.add(control.kind)
            yield at, entry, control
