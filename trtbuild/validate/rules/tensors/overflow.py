"""More elements than 63 bits can count.

What: the product of a tensor's fixed dims is over 2^63 - 1, and Triton needs it: there is a
`reshape`.
Why: Triton refuses the model: "exceeds maximum size". Such dims are a mistake in any case, so
without a `reshape` this is a warning.

Example:
    backend: "python"
    input {
      name: "a" data_type: TYPE_FP32 dims: [4294967296, 4294967296]
      reshape { shape: [4294967296, 4294967296, 1] }
    }

Instead:

    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [65536, 65536] }

Source: Triton core, model_config_utils.h, GetElementCount. Releases before 26.03 do not check it.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.repository.versions import INT64_MAX
from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.tensors.each import tensors

NAME = "too-many-elements"
SEVERITY = Severity.ERROR
_CHECKED_SINCE = "26.03"
RELEASES = "Refused since 26.03, a warning before"


def check(model: Model) -> Iterator[Finding]:
    """One finding a tensor."""
    checked = not model.settings.runs_before(_CHECKED_SINCE)
    for tensor in tensors(model):
        entry = tensor.entry
        for dims in (entry.dims, entry.reshape.shape):
            if words.elements([abs(dim) for dim in dims]) > INT64_MAX:
                yield Finding(
                    message=f"{tensor} has {words.dims(dims)}, over 2^63 elements",
                    at=tensor.at(),
                    hint="write the dims of one item, without the batch dim",
                    severity=None if entry.HasField("reshape") and checked else Severity.WARNING,
                )
                break
