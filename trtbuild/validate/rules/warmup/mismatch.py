"""A warm-up sample that is no valid request.

What: a sample leaves a required input out, or gives one with a data type or dims other than the
model's. Names that are no inputs are allowed: they are for control tensors.
Why: the sample runs as a request while the model loads; a bad one fails the load. A sample with
batch size 0 is skipped.

Example:
    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    model_warmup {
      name: "first" batch_size: 1
      inputs { key: "a" value { data_type: TYPE_FP16 dims: [4] zero_data: true } }
    }

Instead:

    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    model_warmup {
      name: "first" batch_size: 1
      inputs { key: "a" value { data_type: TYPE_FP32 dims: [4] zero_data: true } }
    }

Source: Triton core, infer_request.cc, Normalize; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.warmup.each import WarmInput, samples

NAME = "warmup-mismatch"
SEVERITY = Severity.ERROR
NEEDS = "model_warmup"


def check(model: Model) -> Iterator[Finding]:
    """One finding a fault."""
    inputs = {entry.name: entry for entry in model.config.input}
    # A name that stands twice is counted twice, and no request can give it twice.
    twice = len(model.config.input) - len(inputs)
    for index, sample in samples(model):
        missing = [
            name
            for name, entry in inputs.items()
            if not entry.optional and name not in sample.inputs
        ]
        if missing or twice:
            yield Finding(
                message=f"the warm-up sample lacks the inputs {words.one_of(missing)}"
                if missing
                else "no request can give an input that is declared twice",
                at=("model_warmup", index),
                hint="give every input that is not optional",
            )
        for name in sorted(inputs.keys() & sample.inputs.keys()):
            warm = WarmInput(index, name, sample.inputs[name])
            yield from _mismatch(warm, inputs[name])


def _mismatch(warm: WarmInput, declared: Any) -> Iterator[Finding]:
    if declared.data_type and warm.entry.data_type != declared.data_type:
        yield Finding(
            message=f"the warm-up input '{warm.name}' is {words.data_type(warm.entry.data_type)}, "
            f"the model's {words.data_type(declared.data_type)}",
            at=warm.at("value", "data_type"),
            hint="write the model's data type",
        )
    have, want = list(warm.entry.dims), list(declared.dims)
    if want and (
        len(have) != len(want) or any(w not in (-1, h) for h, w in zip(have, want, strict=True))
    ):
        yield Finding(
            message=f"the warm-up input '{warm.name}' has the dims {words.dims(have)}, "
            f"the model's {words.dims(want)}",
            at=warm.at("value", "dims"),
            hint="write the model's dims, without the batch dim",
        )
