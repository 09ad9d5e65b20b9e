"""An ONNX file as a source: checked, brought to a usable opset, and otherwise left as it is."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trtbuild.artifacts import SourceRef
from trtbuild.errors import SourceError, first_line
from trtbuild.onnx_files import external_data
from trtbuild.sources.opset import at_opset, check
from trtbuild.sources.options import SourceOptions
from trtbuild.sources.shapes import give_ranks, infer_outputs

if TYPE_CHECKING:
    import numpy as np
    import onnx

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
        """Weights go from file to file, one at a time.

        A copy in any case: a hard link would let the file's owner, who writes it anew in place,
        change what is in the store and in the repository.
        """
        from trtbuild.onnx_weights import read_skeleton
        from trtbuild.onnx_write import write

        original = read_skeleton(self.path)
        notes = [self._check(original)]
        model, note = at_opset(original, self.options.opset)
        notes.append(note)
        changed = model is not original
        changed |= give_ranks(model, self.options.overrides)
        filled, note = infer_outputs(model)
        notes.append(note)
        external = bool(external_data(self.path))
        if changed or filled or external:
            write(model, path, external=external)
        else:
            shutil.copyfile(self.path, path)
        return tuple(note for note in notes if note)

    def _check(self, model: onnx.ModelProto) -> str:
        from onnx import TensorProto, checker

        for tensor in model.graph.initializer:
            if tensor.data_type not in TensorProto.DataType.values():
                raise SourceError(
                    f"the weight '{tensor.name}' of the ONNX file '{self.path}' has the unknown "
                    f"data type number {tensor.data_type}",
                    "export it again",
                )
        try:
            check(model)
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
        """ONNX Runtime on the original file, on the CPU, with all its data types."""
        from trtbuild import onnx_session
        from trtbuild.onnx_weights import read_skeleton

        try:
            if self._session is None:
                self._session = onnx_session.open_session(read_skeleton(self.path))
            return onnx_session.run(self._session, inputs)
        except Exception as error:
            raise SourceError(
                f"ONNX Runtime cannot run '{self.path}': {first_line(error)}"
            ) from None
