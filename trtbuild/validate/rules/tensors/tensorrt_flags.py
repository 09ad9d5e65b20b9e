"""A flag that only TensorRT models have.

What: `is_shape_tensor` or `is_non_linear_format_io` in a model whose platform is not
`tensorrt_plan`, or the latter with other than three dims.
Why: Triton refuses the model.

Example:
    backend: "python"
    input { name: "shape" data_type: TYPE_INT32 dims: [2] is_shape_tensor: true }

Instead:

    backend: "python"
    input { name: "shape" data_type: TYPE_INT32 dims: [2] }

Source: Triton core, model_config_utils.cc, ValidateModelInput, ValidateNonLinearFormatIO.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import remove_field
from trtbuild.validate.model import Model
from trtbuild.validate.rules.tensors.each import tensors

NAME = "tensorrt-only-flag"
SEVERITY = Severity.ERROR
_FLAGS = ("is_shape_tensor", "is_non_linear_format_io")


def check(model: Model) -> Iterator[Finding]:
    """One finding a flag."""
    plan = model.platform == "tensorrt_plan" or model.backend == "tensorrt_rtx"
    for tensor in tensors(model):
        for flag in _FLAGS:
            if not getattr(tensor.entry, flag):
                continue
            if not plan:
                yield Finding(
                    message=f"{tensor} sets {flag}, which is for TensorRT plans only",
                    at=tensor.at(flag),
                    hint="take it out",
                    fix=remove_field(model, tensor.at(flag)),
                )
            elif flag == "is_non_linear_format_io" and len(tensor.entry.dims) != 3:
                yield Finding(
                    message=f"{tensor} has a non-linear format and {len(tensor.entry.dims)} "
                    "dims; such a format wants three",
                    at=tensor.at(flag),
                    hint="leave the batch dim out of dims",
                )
