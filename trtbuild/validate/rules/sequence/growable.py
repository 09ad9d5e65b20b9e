"""A growing state that cannot grow.

What: `use_growable_memory` without `use_same_buffer_for_input_output`, or on instances that do
not run on a GPU.
Why: the model loads; its first sequence fails.

Example:
    backend: "python"
    sequence_batching {
      state { input_name: "in" output_name: "out" data_type: TYPE_FP32 dims: [-1]
              use_growable_memory: true }
    }

Instead:

    backend: "python"
    sequence_batching {
      state { input_name: "in" output_name: "out" data_type: TYPE_FP32 dims: [-1]
              use_growable_memory: true use_same_buffer_for_input_output: true }
    }

Source: Triton core, sequence_state.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "growable-state"
SEVERITY = Severity.WARNING
NEEDS = "sequence_batching"
_CPU = 2  # ModelInstanceGroup.Kind KIND_CPU


def check(model: Model) -> Iterator[Finding]:
    """One finding a state."""
    on_cpu = any(group.kind == _CPU for group in model.config.instance_group)
    for index, state in enumerate(model.config.sequence_batching.state):
        if not state.use_growable_memory:
            continue
        at = ("sequence_batching", "state", index, "use_growable_memory")
        if not state.use_same_buffer_for_input_output:
            yield Finding(
                message="use_growable_memory without use_same_buffer_for_input_output",
                at=at,
                hint="set use_same_buffer_for_input_output: true",
            )
        elif on_cpu:
            yield Finding(
                message="use_growable_memory on instances of KIND_CPU",
                at=at,
                hint="growable memory is GPU memory; use KIND_GPU",
            )
