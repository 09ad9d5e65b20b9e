"""Names by which PyTorch's backend cannot tell the inputs of a TorchScript model.

What: an input is called neither `<name>__<index>` nor like an argument of the model's `forward`.
Why: the backend takes the inputs in the order of the config, with a warning in the log; with a
state it refuses the model.

Example:
    -- demo/config.pbtxt --
    platform: "pytorch_libtorch"
    input { name: "picture" data_type: TYPE_FP32 dims: [4] }
    output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.pt = forward(image) --

Instead:

    -- demo/config.pbtxt --
    platform: "pytorch_libtorch"
    input { name: "image" data_type: TYPE_FP32 dims: [4] }
    output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.pt = forward(image) --

Source: PyTorch backend, libtorch.cc (GetNamingConvention).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.files.versions import torch_calls

NAME = "torch-input-names"
SEVERITY = Severity.WARNING
_INDEXED = re.compile(r".*__\d+")


def check(model: Model) -> Iterator[Finding]:
    """One finding an input and version."""
    odd = [
        (index, entry.name)
        for index, entry in enumerate(model.config.input)
        if not _INDEXED.fullmatch(entry.name)
    ]
    for _, call in torch_calls(model) if odd else ():
        for index, name in odd if not call.takes_dictionary else ():
            if name not in call.arguments:
                yield Finding(
                    message=f"'{name}' is no argument of forward, which has "
                    f"{', '.join(call.arguments) or 'none'}, and has no index",
                    at=("input", index, "name"),
                    hint="name it like the argument, or NAME__0 for the first one",
                )
