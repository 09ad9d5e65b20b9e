"""A warm-up input without data.

What: none of `zero_data`, `random_data` and `input_data_file` is set.
Why: Triton refuses the model: "expects input to have input_data_type set".

Example:
    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    model_warmup {
      name: "first" batch_size: 1
      inputs { key: "a" value { data_type: TYPE_FP32 dims: [4] } }
    }

Instead:

    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    model_warmup {
      name: "first" batch_size: 1
      inputs { key: "a" value { data_type: TYPE_FP32 dims: [4] zero_data: true } }
    }

Source: Triton core, backend_model_instance.cc, GenerateWarmupData.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.warmup.each import warm_inputs

NAME = "warmup-without-data"
SEVERITY = Severity.ERROR
NEEDS = "model_warmup"


def check(model: Model) -> Iterator[Finding]:
    """One finding an input."""
    for warm in warm_inputs(model):
        if warm.entry.WhichOneof("input_data_type") is None:
            yield Finding(
                message=f"the warm-up input '{warm.name}' has no data",
                at=warm.at(),
                hint="write zero_data: true, random_data: true or input_data_file:",
            )
