"""Controls of a TorchScript sequence model without an index in their names.

What: with `platform: "pytorch_libtorch"`, a control input is not called `<name>__<index>`, where
the index says which argument of `forward` it is.
Why: PyTorch's backend refuses the model: "does not follow <name>__<index> naming convention".

Example:
    -- demo/config.pbtxt --
    platform: "pytorch_libtorch"
    input { name: "INPUT__0" data_type: TYPE_FP32 dims: [4] }
    output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [4] }
    sequence_batching {
      control_input {
        name: "START"
        control { kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1] }
      }
    }
    -- demo/1/model.pt = forward(x, start) --

Instead:

    -- demo/config.pbtxt --
    platform: "pytorch_libtorch"
    input { name: "INPUT__0" data_type: TYPE_FP32 dims: [4] }
    output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [4] }
    sequence_batching {
      control_input {
        name: "START__1"
        control { kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1] }
      }
    }
    -- demo/1/model.pt = forward(x, start) --

Source: PyTorch backend, src/pt/model_instance_state.cc (ValidateBooleanSequenceControl,
ValidateTypedSequenceControl); server issue 915.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "torch-control-names"
SEVERITY = Severity.ERROR
NEEDS = "sequence_batching"
_INDEXED = re.compile(r"(?:(?!__).)*__\d*", re.DOTALL)  # the first "__" counts


def check(model: Model) -> Iterator[Finding]:
    """One finding a control."""
    if model.platform != "pytorch_libtorch":
        return
    for index, entry in enumerate(model.config.sequence_batching.control_input):
        if entry.control and entry.name and not _INDEXED.fullmatch(entry.name):
            yield Finding(
                message=f"the control '{entry.name}' has no index: PyTorch's backend takes "
                "controls by the number of forward's argument alone",
                at=("sequence_batching", "control_input", index, "name"),
                hint=f"write {entry.name.partition('__')[0]}__N, N from 0 for the first argument",
            )
