"""A warm-up sample that is never run.

What: `batch_size` is 0 (also when left out), or every instance group is passive.
Why: the model loads and the sample is skipped without a word.

Example:
    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    model_warmup {
      name: "first"
      inputs { key: "a" value { data_type: TYPE_FP32 dims: [4] zero_data: true } }
    }

Instead:

    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    model_warmup {
      name: "first" batch_size: 1
      inputs { key: "a" value { data_type: TYPE_FP32 dims: [4] zero_data: true } }
    }

Source: Triton core, backend_model_instance.cc, GenerateWarmupData; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.warmup.each import samples

NAME = "warmup-skipped"
SEVERITY = Severity.WARNING
NEEDS = "model_warmup"


def check(model: Model) -> Iterator[Finding]:
    """One finding a sample."""
    if model.is_ensemble:
        return
    run = {index for index, _ in samples(model)}
    for index, sample in enumerate(model.config.model_warmup):
        if index not in run:
            why = "all instances are passive" if sample.batch_size else "its batch_size is 0"
            yield Finding(
                message=f"the warm-up sample '{sample.name}' is never run: {why}",
                at=("model_warmup", index),
                hint="write batch_size: 1",
            )
