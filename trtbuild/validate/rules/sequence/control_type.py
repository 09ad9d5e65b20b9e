"""A correlation ID of a type it cannot have.

What: the `data_type` of a CORRID control is none of `TYPE_UINT64`, `TYPE_INT64`, `TYPE_UINT32`,
`TYPE_INT32`, `TYPE_STRING`, or is left out.
Why: Triton refuses the model.

Example:
    backend: "python"
    sequence_batching { control_input { name: "id" control { kind: CONTROL_SEQUENCE_CORRID } } }

Instead:

    backend: "python"
    sequence_batching {
      control_input {
        name: "id" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 }
      }
    }

Source: Triton core, model_config_utils.cc, GetTypedSequenceControlProperties.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.sequence.controls import CORRID, controls

NAME = "correlation-id-type"
SEVERITY = Severity.ERROR
NEEDS = "sequence_batching"
_NAMES = ("TYPE_UINT64", "TYPE_INT64", "TYPE_UINT32", "TYPE_INT32", "TYPE_STRING")
_ALLOWED = frozenset(words.data_type_number(name) for name in _NAMES)


def check(model: Model) -> Iterator[Finding]:
    """One finding a control."""
    for at, _, control in controls(model):
        if control.kind == CORRID and control.data_type not in _ALLOWED:
            given = words.data_type(control.data_type) if control.data_type else "not given"
            yield Finding(
                message=f"the correlation ID's data_type is {given}; it can be {', '.join(_NAMES)}",
                at=(*at, "data_type") if control.data_type else at,
                hint="write data_type: TYPE_UINT64, what clients send unless told otherwise",
            )
