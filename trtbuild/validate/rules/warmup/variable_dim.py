"""A warm-up input whose dims are not known.

What: a dim of a warm-up input is negative; a warm-up input needs sizes.
Why: Triton refuses the model: "expects all variable-size dimensions are specified".

Example:
    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [-1] }
    model_warmup {
      name: "first" batch_size: 1
      inputs { key: "a" value { data_type: TYPE_FP32 dims: [-1] zero_data: true } }
    }

Instead:

    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [-1] }
    model_warmup {
      name: "first" batch_size: 1
      inputs { key: "a" value { data_type: TYPE_FP32 dims: [16] zero_data: true } }
    }

Source: Triton core, backend_model_instance.cc, GenerateWarmupData; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.repository.versions import INT64_MAX
from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.warmup.each import warm_inputs

NAME = "warmup-dims"
SEVERITY = Severity.ERROR
NEEDS = "model_warmup"


def check(model: Model) -> Iterator[Finding]:
    """One finding a dim, and one for an input whose size cannot be counted."""
    for warm in warm_inputs(model):
        dims = list(warm.entry.dims)
        for index, dim in enumerate(dims):
            if dim < 0:
                yield Finding(
                    message=f"the warm-up input '{warm.name}' has the dim {dim}",
                    at=warm.at("value", "dims", index),
                    hint="write the size that requests usually have",
                )
        if words.elements([abs(dim) for dim in dims]) * 8 > INT64_MAX:
            yield Finding(
                message=f"the warm-up input '{warm.name}' has {words.dims(dims)}, over 2^63 bytes",
                at=warm.at(),
                hint="write the size that requests usually have",
            )
