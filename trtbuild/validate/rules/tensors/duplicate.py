"""Two inputs or two outputs with the same name.

What: a name stands twice among the inputs, or twice among the outputs.
Why: the model loads, and then every request fails, since Triton counts the input twice and
finds it once.

Example:
    backend: "python"
    input { name: "image" data_type: TYPE_FP32 dims: [4] }
    input { name: "image" data_type: TYPE_FP32 dims: [4] }

Instead:

    backend: "python"
    input { name: "image" data_type: TYPE_FP32 dims: [4] }
    input { name: "mask" data_type: TYPE_FP32 dims: [4] }

Source: Triton core, model.cc, SetModelConfig; that it loads was tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.tensors.each import tensors

NAME = "duplicate-tensor"
SEVERITY = Severity.WARNING


def check(model: Model) -> Iterator[Finding]:
    """One finding for each repetition."""
    seen: set[tuple[str, str]] = set()
    for tensor in tensors(model):
        name = tensor.entry.name
        if name and (tensor.role, name) in seen:
            yield Finding(
                message=f"{tensor} is declared twice",
                at=tensor.at("name"),
                hint="take one of the two out, or give it its own name",
            )
        seen.add((tensor.role, name))
