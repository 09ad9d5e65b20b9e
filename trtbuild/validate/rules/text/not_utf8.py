r"""A text in the config is no UTF-8.

What: a text in quotes holds bytes that are no UTF-8, written as they are or as `\xff`.
Why: the model loads. Names like that cannot be sent over HTTP, whose requests are JSON, and gRPC
refuses them.

Example:
    backend: "python"
    input { name: "caf\xe9" data_type: TYPE_FP32 dims: [4] }

Instead:

    backend: "python"
    input { name: "cafe" data_type: TYPE_FP32 dims: [4] }

Source: protobuf, text_format.cc; that it loads was tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "not-utf-8"
SEVERITY = Severity.WARNING


def check(model: Model) -> Iterator[Finding]:
    """One finding a text."""
    for offset in model.document.not_utf8:
        yield Finding(
            message="this text is no UTF-8",
            offset=offset,
            hint="save the file as UTF-8",
        )
