"""A flag control without its two values.

What: a START, END or READY control has none of `int32_false_true`, `fp32_false_true` and
`bool_false_true`, more than one of them, or one with other than two values; or a CORRID control
has any.
Why: Triton refuses the model.

Example:
    backend: "python"
    sequence_batching {
      control_input { name: "start" control { kind: CONTROL_SEQUENCE_START fp32_false_true: [0] } }
    }

Instead:

    backend: "python"
    sequence_batching {
      control_input {
        name: "start" control { kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1] }
      }
    }

Source: Triton core, model_config_utils.cc, GetBooleanSequenceControlProperties and
GetTypedSequenceControlProperties.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.sequence.controls import CORRID, KINDS, LISTS, controls

NAME = "control-values"
SEVERITY = Severity.ERROR
NEEDS = "sequence_batching"


def check(model: Model) -> Iterator[Finding]:
    """One finding a control."""
    for at, _, control in controls(model):
        if control.kind not in range(len(KINDS)):
            continue
        kind = KINDS[control.kind]
        given = [name for name in LISTS if getattr(control, name)]
        if control.kind == CORRID:
            if given:
                yield Finding(
                    message=f"{kind} has no false and true values, this one has {given[0]}",
                    at=(*at, given[0]),
                    hint="write data_type: instead",
                )
        elif len(given) != 1:
            yield Finding(
                message=f"{kind} wants one of {', '.join(LISTS)}; it has "
                f"{' and '.join(given) or 'none'}",
                at=at,
                hint="write for example int32_false_true: [0, 1]",
            )
        elif len(getattr(control, given[0])) != 2:
            yield Finding(
                message=f"{given[0]} has {len(getattr(control, given[0]))} values; it wants two",
                at=(*at, given[0]),
                hint=f"write the value for false, then that for true: {given[0]}: [0, 1]",
            )
