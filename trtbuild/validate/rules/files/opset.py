"""An ONNX opset that the server's ONNX Runtime may not take.

What: the model file's opset is above 26, the newest that ONNX Runtime 1.31 takes, or below 7,
the oldest that any takes.
Why: a model of a newer opset is refused when it is loaded. Servers have an older ONNX Runtime
than the newest one more often than not.

Example:
    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    -- demo/1/model.onnx = x:fp32[4] -> y:fp32[4] opset 28 --

Instead:

    -- demo/config.pbtxt --
    platform: "onnxruntime_onnx"
    -- demo/1/model.onnx = x:fp32[4] -> y:fp32[4] opset 20 --

Source: ONNX Runtime, docs/Versioning.md; the newest opset was tried on ONNX Runtime 1.31.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.releases import OPSETS
from trtbuild.validate.rules.files.versions import interfaces

NAME = "onnx-opset"
SEVERITY = Severity.WARNING
RELEASES = (
    "With --triton it is an error above what that release's ONNX Runtime takes (see the table)"
)
_OLDEST, _NEWEST = 7, 26


def check(model: Model) -> Iterator[Finding]:
    """One finding a version."""
    if model.backend != "onnxruntime":
        return
    release = model.settings.triton
    known = release.onnxruntime if release is not None else ""
    newest = OPSETS[known][0] if known else _NEWEST
    whose = f"the ONNX Runtime {known} of {release}" if known else "ONNX Runtime"
    for file, interface in interfaces(model):
        if interface.opset and not _OLDEST <= interface.opset <= newest:
            yield Finding(
                message=f"{file.shown} has opset {interface.opset}; {whose} takes "
                f"{_OLDEST} to {newest}",
                file=file.path,
                hint="export it with an older opset, or convert it with onnx.version_converter",
                severity=Severity.ERROR if known else None,
            )
