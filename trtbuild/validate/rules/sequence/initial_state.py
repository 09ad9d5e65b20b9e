"""An initial state that does not fit its state.

What: more than one `initial_state`; no `name`; neither `zero_data` nor `data_file`; a data
type or dims other than the state's; a dim of -1; or a second state with the same `input_name`
that has one too.
Why: Triton refuses the model or, where the types or dims differ, crashes (2.51).

Example:
    backend: "python"
    sequence_batching {
      state {
        input_name: "in" output_name: "out" data_type: TYPE_FP32 dims: [-1]
        initial_state { name: "first" data_type: TYPE_FP32 dims: [-1] zero_data: true }
      }
    }

Instead:

    backend: "python"
    sequence_batching {
      state {
        input_name: "in" output_name: "out" data_type: TYPE_FP32 dims: [-1]
        initial_state { name: "first" data_type: TYPE_FP32 dims: [4] zero_data: true }
      }
    }

Source: Triton core, sequence_batch_scheduler.cc, GenerateInitialStateData; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trtbuild.repository.versions import INT64_MAX
from trtbuild.validate import words
from trtbuild.validate.finding import FieldPath, Finding, Severity
from trtbuild.validate.model import Model

NAME = "initial-state"
SEVERITY = Severity.ERROR
NEEDS = "sequence_batching"


def check(model: Model) -> Iterator[Finding]:
    """One finding a fault."""
    seen: set[str] = set()
    for index, state in enumerate(model.config.sequence_batching.state):
        at = ("sequence_batching", "state", index)
        if len(state.initial_state) > 1:
            yield Finding(
                message=f"the state has {len(state.initial_state)} initial states; it has one",
                at=at,
                hint="take all but one out",
            )
        for initial in state.initial_state[:1]:
            for message, field in _faults(state, initial):
                place: FieldPath = (*at, "initial_state", 0)
                if field:
                    place = (*place, field)
                yield Finding(message=message, at=place, hint="write what the state says")
            if state.input_name in seen:
                yield Finding(
                    message=f"two states with initial states have the input '{state.input_name}'",
                    at=(*at, "input_name"),
                    hint="give each its own input",
                )
            seen.add(state.input_name)


def _faults(state: Any, initial: Any) -> Iterator[tuple[str, str]]:
    """Message and field of each fault of one initial state."""
    if not initial.name:
        yield "the initial state has no name", ""
    if initial.WhichOneof("state_data") is None:
        yield "the initial state has neither zero_data nor data_file", ""
    if initial.data_type != state.data_type:
        yield (
            f"the initial state is {words.data_type(initial.data_type)}, its state "
            f"{words.data_type(state.data_type)}",
            "data_type",
        )
    if -1 in initial.dims:
        yield "the initial state has a dim of -1; its dims must be known", "dims"
    elif len(initial.dims) != len(state.dims) or any(
        want not in (-1, have) for have, want in zip(initial.dims, state.dims, strict=True)
    ):
        yield (
            f"the initial state has the dims {words.dims(initial.dims)}, its state "
            f"{words.dims(state.dims)}",
            "dims",
        )
    elif words.elements([abs(dim) for dim in initial.dims]) * 8 > INT64_MAX:
        yield f"the initial state has {words.dims(initial.dims)}, over 2^63 bytes", "dims"
