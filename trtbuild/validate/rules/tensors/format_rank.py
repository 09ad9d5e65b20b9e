"""An image format for an input that is no image.

What: `format: FORMAT_NHWC` or `FORMAT_NCHW` and not exactly three dims.
Why: Triton refuses the model: "NHWC/NCHW require 3 dims". The batch dim is not among `dims`.

Example:
    backend: "python"
    input { name: "image" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [1, 3, 224, 224] }

Instead:

    backend: "python"
    input { name: "image" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [3, 224, 224] }

Source: Triton core, model_config_utils.cc, ValidateModelInput.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.modelconfig.refusals import lacks_image_dims
from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "format-needs-three-dims"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding an input."""
    for index, entry in enumerate(model.config.input):
        if lacks_image_dims(entry) and (entry.dims or not model.fills_tensors):
            yield Finding(
                message=f"input '{entry.name}' has an image format and the dims "
                f"{words.dims(entry.dims)}; such a format wants three",
                at=("input", index, "format"),
                hint="leave the batch dim out of dims, or format: out",
            )
