"""A control tensor without a name of its own.

What: a `control_input` has no `name`, or the name of another one.
Why: Triton refuses the model. One `control_input` may hold several controls.

Example:
    backend: "python"
    sequence_batching {
      control_input [
        { name: "flag" control { kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] } },
        { name: "flag" control { kind: CONTROL_SEQUENCE_END int32_false_true: [0, 1] } }
      ]
    }

Instead:

    backend: "python"
    sequence_batching {
      control_input [
        { name: "start" control { kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] } },
        { name: "end" control { kind: CONTROL_SEQUENCE_END int32_false_true: [0, 1] } }
      ]
    }

Source: Triton core, model_config_utils.cc, GetBooleanSequenceControlProperties and
GetTypedSequenceControlProperties.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "control-name"
SEVERITY = Severity.ERROR
NEEDS = "sequence_batching"


def check(model: Model) -> Iterator[Finding]:
    """One finding a control input."""
    seen: set[str] = set()
    for index, entry in enumerate(model.config.sequence_batching.control_input):
        at = ("sequence_batching", "control_input", index)
        if not entry.name:
            yield Finding(message="the control input has no name", at=at, hint="write name:")
        elif entry.name in seen:
            yield Finding(
                message=f"two control inputs are called '{entry.name}'",
                at=(*at, "name"),
                hint="give each its own name, or put both controls into one control_input",
            )
        seen.add(entry.name)
