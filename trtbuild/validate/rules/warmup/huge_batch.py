"""A warm-up sample with a batch that the model does not take.

What: `batch_size` is over `max_batch_size` (over 1 in a model that does not batch). For a backend
of one's own, and where auto-complete may set another `max_batch_size`, that is a warning up to
65536.
Why: the sample runs as a request while the model loads, and the backends of Triton refuse it:
"failed to run warmup sample: batch size 8, max allowed is 4". The server makes all those inputs
before it answers; 4294967295 ends the load only when the memory does.

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

Source: Triton core, backend_model_instance.cc, GenerateWarmupData; Python backend, python_be.cc
(ProcessRequests), onnxruntime.cc and libtorch.cc of the others; tried on Triton 2.51 with Python.
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
# Those whose sources compare a batch with max_batch_size.
_COMPARING = frozenset({"python", "onnxruntime", "pytorch", "tensorflow", "tensorrt"})


def check(model: Model) -> Iterator[Finding]:
    """One finding a sample."""
    largest = max(1, model.config.max_batch_size)
    refused = model.backend in _COMPARING and not model.fills_tensors
    for index, sample in samples(model):
        if sample.batch_size > largest:
            sure = refused or sample.batch_size > _LARGEST
            yield Finding(
                message=f"the warm-up batch has {sample.batch_size} items, the model takes "
                f"{largest}",
                at=("model_warmup", index, "batch_size"),
                hint=f"write batch_size: {largest}",
                severity=None if sure else Severity.WARNING,
            )
