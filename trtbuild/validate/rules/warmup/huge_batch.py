"""A warm-up sample with a batch that no model takes.

What: `batch_size` is over 65536.
Why: the server makes that many inputs before it answers; 4294967295 ends the load only when the
memory does.

Example:
    backend: "python"
    max_batch_size: 4
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    model_warmup {
      name: "first" batch_size: 4294967295
      inputs { key: "a" value { data_type: TYPE_FP32 dims: [4] zero_data: true } }
    }

Instead:

    backend: "python"
    max_batch_size: 4
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    model_warmup {
      name: "first" batch_size: 4
      inputs { key: "a" value { data_type: TYPE_FP32 dims: [4] zero_data: true } }
    }

Source: Triton core, backend_model_instance.cc, GenerateWarmupData; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.warmup.each import samples

NAME = "warmup-batch-size"
SEVERITY = Severity.ERROR
NEEDS = "model_warmup"
_LARGEST = 65536


def check(model: Model) -> Iterator[Finding]:
    """One finding a sample; a warning where it is only more than the model takes."""
    largest = model.config.max_batch_size
    for index, sample in samples(model):
        if sample.batch_size > max(1, largest):
            yield Finding(
                message=f"the warm-up batch has {sample.batch_size} items, the model takes "
                f"{max(1, largest)}",
                at=("model_warmup", index, "batch_size"),
                hint=f"write batch_size: {max(1, largest)}",
                severity=None if sample.batch_size > _LARGEST else Severity.WARNING,
            )
