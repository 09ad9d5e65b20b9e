"""A control or state tensor has the name of a declared input.

What: a `control_input` or a `state` is called like an `input` of the model (or a state's output
like an `output`).
Why: the model loads; Triton writes its own tensor over the client's, or hands both on.

Example:
    backend: "python"
    input { name: "start" data_type: TYPE_INT32 dims: [1] }
    sequence_batching {
      control_input {
        name: "start" control { kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] }
      }
    }

Instead:

    backend: "python"
    input { name: "value" data_type: TYPE_INT32 dims: [1] }
    sequence_batching {
      control_input {
        name: "start" control { kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] }
      }
    }

Source: Triton core, sequence_batch_scheduler.cc; that it loads was tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import FieldPath, Finding, Severity
from trtbuild.validate.model import Model

NAME = "control-name-collides"
SEVERITY = Severity.WARNING
NEEDS = "sequence_batching"


def check(model: Model) -> Iterator[Finding]:
    """One finding a name."""
    inputs = {entry.name for entry in model.config.input}
    for at, name in _names(model):
        if name and name in inputs:
            yield Finding(
                message=f"'{name}' is also an input of the model",
                at=at,
                hint="take it out of input: the server makes this tensor itself",
            )


def _names(model: Model) -> Iterator[tuple[FieldPath, str]]:
    batching = model.config.sequence_batching
    for index, entry in enumerate(batching.control_input):
        yield ("sequence_batching", "control_input", index, "name"), entry.name
    for index, state in enumerate(batching.state):
        yield ("sequence_batching", "state", index, "input_name"), state.input_name
