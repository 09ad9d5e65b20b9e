"""Two states with the same tensor.

What: two `state` entries share their `input_name` or their `output_name`.
Why: the model loads; the server warns and ignores the later one.

Example:
    backend: "python"
    sequence_batching {
      state { input_name: "in" output_name: "out" data_type: TYPE_FP32 dims: [4] }
      state { input_name: "in" output_name: "more" data_type: TYPE_FP32 dims: [4] }
    }

Instead:

    backend: "python"
    sequence_batching {
      state { input_name: "in" output_name: "out" data_type: TYPE_FP32 dims: [4] }
    }

Source: Triton core, sequence_state.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "duplicate-state"
SEVERITY = Severity.WARNING
NEEDS = "sequence_batching"


def check(model: Model) -> Iterator[Finding]:
    """One finding for each repetition."""
    seen: set[tuple[str, str]] = set()
    for index, state in enumerate(model.config.sequence_batching.state):
        for field in ("input_name", "output_name"):
            name = getattr(state, field)
            if name and (field, name) in seen:
                yield Finding(
                    message=f"two states have the {field} '{name}'; the later one is ignored",
                    at=("sequence_batching", "state", index, field),
                    hint="give each its own name",
                )
            seen.add((field, name))
