"""An ONNX file as a source: checked, brought to a usable opset, and otherwise left as it is."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trtbuild.artifacts import SourceRef
from trtbuild.errors import SourceError, first_line
from trtbuild.onnx_files import external_files
from trtbuild.sources.external import copy_files, flat_names, rename_locations
from trtbuild.sources.opset import at_opset
from trtbuild.sources.options import SourceOptions
from trtbuild.sources.shapes import give_ranks, infer_outputs

if TYPE_CHECKING:
    import numpy as np

# What the checker says of an op that is not in ONNX's own set. Such an op may be a TensorRT plugin.
_NO_SUCH_OP = "No Op registered for "
# What it says of an output without a shape, which shape inference gives it later.
_NO_SHAPE = "Field 'shape' of 'type' is required but missing"


class OnnxFile:
    """The model in `ref.location`; its reference run is ONNX Runtime on that very file."""

    def __init__(self, ref: SourceRef, options: SourceOptions) -> None:
        self.path = Path(ref.location)
        self.options = options
        self._session: Any = None

    def export(self, path: Path) -> tuple[str, ...]:
        """Weights are copied file to file and never held in memory as arrays."""
        import onnx

        files = external_files(self.path)
        names = flat_names(files, self.path.parent, reserved=path.name)
        notes = [self._check()]
        original = onnx.load(self.path, load_external_data=False)
        model, note = at_opset(original, self.options.opset)
        notes.append(note)
        changed = model is not original
        changed |= give_ranks(model, self.options.overrides)
        filled, note = infer_outputs(model)
        notes.append(note)
        changed |= filled | rename_locations(model, names)
        if changed:
            onnx.save(model, path)
        else:
            shutil.copyfile(self.path, path)
        copy_files(files, names, self.path.parent, path.parent)
        return tuple(note for note in notes if note)

    def _check(self) -> str:
        """The checker of onnx, on the file itself: no second copy of large weights is needed."""
        from onnx import checker

        try:
            checker.check_model(str(self.path))
        except checker.ValidationError as error:
            text = str(error).partition("==> Context")[0]  # which repeats the node as a whole
            reason = " ".join(text.split())
            if _NO_SUCH_OP in reason:
                op = reason.partition(_NO_SUCH_OP)[2].split()[0]
                return f"op {op} is not one of ONNX's own: TensorRT needs a plugin for it"
            if reason.startswith(_NO_SHAPE):
                return ""
            raise SourceError(
                f"the ONNX file '{self.path}' is not valid: {reason}",
                "export it again, or repair it: onnx.checker.check_model says the same",
            ) from None
        return ""

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """ONNX Runtime without graph optimizations on the original file, with all its dtypes."""
        import onnxruntime as ort

        if self._session is None:
            settings = ort.SessionOptions()
            settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            settings.log_severity_level = 3  # errors only
            try:
                self._session = ort.InferenceSession(
                    str(self.path), settings, providers=["CPUExecutionProvider"]
                )
            except Exception as error:
                raise _cannot_run(self.path, error) from None
        names = [output.name for output in self._session.get_outputs()]
        try:
            values = self._session.run(names, dict(inputs))
        except Exception as error:
            raise _cannot_run(self.path, error) from None
        return dict(zip(names, values, strict=True))


def _cannot_run(path: Path, error: Exception) -> SourceError:
    return SourceError(f"ONNX Runtime cannot run '{path}': {first_line(error)}")
