"""The file of an initial state is missing or too short.

What: `initial_state.data_file` names no file in the model's folder `initial_state/`, or one with
fewer bytes than the state has.
Why: Triton refuses the model.

Example:
    backend: "python"
    sequence_batching {
      state {
        input_name: "in" output_name: "out" data_type: TYPE_FP32 dims: [4]
        initial_state { name: "first" data_type: TYPE_FP32 dims: [4] data_file: "first" }
      }
    }

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    sequence_batching {
      state {
        input_name: "in" output_name: "out" data_type: TYPE_UINT8 dims: [4]
        initial_state { name: "first" data_type: TYPE_UINT8 dims: [4] data_file: "first" }
      }
    }
    -- demo/initial_state/first --
    1234
    -- demo/1/model.py --

Source: Triton core, sequence_batch_scheduler.cc, GenerateInitialStateData.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.errors import ForeignNameError
from trtbuild.foreign import path_inside
from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "initial-state-file"
SEVERITY = Severity.ERROR
NEEDS = "sequence_batching"


def check(model: Model) -> Iterator[Finding]:
    """One finding a state."""
    if model.directory is None:
        return
    folder = model.directory.path / "initial_state"
    for index, state in enumerate(model.config.sequence_batching.state):
        for initial in state.initial_state[:1]:
            name = initial.data_file
            if initial.WhichOneof("state_data") != "data_file":
                continue
            at = ("sequence_batching", "state", index, "initial_state", 0, "data_file")
            wanted = max(0, words.elements(initial.dims)) * words.element_bytes(initial.data_type)
            try:
                path = path_inside(folder, name)
            except ForeignNameError:
                yield Finding(
                    message=f"the file '{name}' lies outside of {model.name}/initial_state/",
                    at=at,
                    hint="put the state's bytes there",
                )
                continue
            if not path.is_file():
                yield Finding(
                    message=f"there is no file '{name}' in {model.name}/initial_state/",
                    at=at,
                    hint="put the state's bytes there",
                )
            elif path.stat().st_size < wanted:
                yield Finding(
                    message=f"'{name}' has {path.stat().st_size} bytes, the state {wanted}",
                    at=at,
                    hint="write all elements, row by row, little-endian",
                )
