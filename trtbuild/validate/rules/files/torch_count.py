"""A TorchScript model with more or fewer arguments than its config has inputs.

What: the arguments of `forward` are not as many as the config's inputs, controls and states.
Why: PyTorch's backend refuses the model: "configuration expects 1 inputs, model provides 2". A
`forward` with one dictionary of tensors takes any number.

Example:
    -- demo/config.pbtxt --
    platform: "pytorch_libtorch"
    input { name: "image" data_type: TYPE_FP32 dims: [4] }
    output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.pt = forward(image, mask) --

Instead:

    -- demo/config.pbtxt --
    platform: "pytorch_libtorch"
    input [
      { name: "image" data_type: TYPE_FP32 dims: [4] },
      { name: "mask" data_type: TYPE_FP32 dims: [4] }
    ]
    output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.pt = forward(image, mask) --

Source: PyTorch backend, src/pt/model_instance_state.cc (ValidateInputs).
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.files.versions import torch_calls

NAME = "torch-input-count"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a version. Inputs that the server batches (`batch_input`) are not counted."""
    config = model.config
    if not config.input or config.batch_input:
        return
    sequences = config.sequence_batching
    controls = sum(bool(entry.control) for entry in sequences.control_input)
    stated = len(config.input) + controls + len(sequences.state)
    for file, call in torch_calls(model):
        if call.arguments and not call.takes_dictionary and len(call.arguments) != stated:
            yield Finding(
                message=f"forward of {file.shown} takes {len(call.arguments)} tensors "
                f"({', '.join(call.arguments)}), and the config gives it {stated}",
                at=("input",),
                hint="declare an input for each argument, controls and states among them",
            )
