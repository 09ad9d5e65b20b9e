"""A control kind that stands twice.

What: `CONTROL_SEQUENCE_START`, `_END`, `_READY` or `_CORRID` is given by two controls.
Why: Triton refuses the model: "specifies multiple tensors" for that kind.

Example:
    backend: "python"
    sequence_batching {
      control_input [
        { name: "start" control { kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] } },
        { name: "begin" control { kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] } }
      ]
    }

Instead:

    backend: "python"
    sequence_batching {
      control_input [
        { name: "start" control { kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] } },
        { name: "ready" control { kind: CONTROL_SEQUENCE_READY int32_false_true: [0, 1] } }
      ]
    }

Source: Triton core, model_config_utils.cc, GetBooleanSequenceControlProperties and
GetTypedSequenceControlProperties.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.sequence.controls import KINDS, controls

NAME = "control-kind-twice"
SEVERITY = Severity.ERROR
NEEDS = "sequence_batching"


def check(model: Model) -> Iterator[Finding]:
    """One finding for each repetition."""
    seen: set[int] = set()
    for at, _, control in controls(model):
        if control.kind in seen and control.kind in range(len(KINDS)):
            yield Finding(
                message=f"there are two controls of kind {KINDS[control.kind]}",
                at=(*at, "kind"),
                hint="take one of them out",
            )
        seen.add(control.kind)
