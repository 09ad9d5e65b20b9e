"""A dim that is no size.

What: a dim is 0 or below -1.
Why: Triton refuses the model: "dimension must be integer >= 1, or -1".

Example:
    backend: "python"
    input { name: "image" data_type: TYPE_FP32 dims: [3, 0] }

Instead:

    backend: "python"
    input { name: "image" data_type: TYPE_FP32 dims: [3, -1] }

Source: Triton core, model_config_utils.cc, ValidateIOShape.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.modelconfig.refusals import refused_dims
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.tensors.each import tensors

NAME = "dim-value"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a dim, of `dims` and of `reshape`."""
    for tensor in tensors(model):
        reshape = tensor.entry.reshape.shape
        for field, dims in ((("dims",), tensor.entry.dims), (("reshape", "shape"), reshape)):
            for index, dim in refused_dims(dims):
                yield Finding(
                    message=f"{tensor} has the dim {dim}; a dim is at least 1, or -1 where "
                    "it varies",
                    at=tensor.at(*field, index),
                    hint="write -1 for a dim that varies",
                )
