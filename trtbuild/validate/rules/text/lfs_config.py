"""The config is a pointer of git lfs.

What: `config.pbtxt` is the small text that git keeps in the place of a large file.
Why: Triton refuses the model: no field of a config is called `version`.

Example:
    version https://git-lfs.github.com/spec/v1
    oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
    size 12345

Instead:

    backend: "python"

Source: git lfs, docs/spec.md; protobuf, text_format.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate import lfs
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.text.broken import is_pointer

NAME = "git-lfs-config"
SEVERITY = Severity.ERROR
WHEN_BROKEN = True


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if is_pointer(model):
        yield Finding(message=f"{model.path.name} is a pointer of git lfs", hint=lfs.HINT)
