"""A config that Triton does not read.

What: the model has no `config.pbtxt`, and something like one under another name or in another
place: `1/config.pbtxt`, `config.pbtxt.txt`, `Config.pbtxt`, `config_template.pbtxt`.
Why: Triton reads `config.pbtxt` in the model's folder alone. The model loads, where the backend can
complete everything, without what that file says: its inputs, its batching, its instances.

Example:
    -- demo/1/config.pbtxt --
    backend: "python"
    max_batch_size: 8
    -- demo/1/model.py --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    max_batch_size: 8
    -- demo/1/model.py --

Source: Triton core, model_repository_manager.cc (GetModelConfigFullPath); tried on Triton 2.51.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from trtbuild.repository.layout import CONFIG
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "config-not-read"
SEVERITY = Severity.WARNING
# What configs are called by mistake, with what editors and people put at the end.
_ALIKE = re.compile(
    r"(?:model[_-]?)?conf(?:ig)?[\w.-]*\.(?:pbtxt?|pb|pbtext|prototxt|textproto)(?:[.~_-][\w.~-]*)?"
    r"|config(?:\.txt)?",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(r"templ|tmpl|example|sample|\.(?:in|j2|jinja2?|tpl|dist)$", re.IGNORECASE)


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    directory = model.directory
    if directory is None or model.exists or model.path.name != CONFIG:
        return
    found = [name for name in sorted(directory.files) if _is_alike(name, model.name)]
    for folder in sorted(directory.folders):
        files = sorted(directory.child(folder).files)
        found += [f"{folder}/{name}" for name in files if _is_alike(name, model.name)]
    if found:
        first = found[0]
        if _TEMPLATE.search(first):
            hint = f"this looks like a template: fill it in, and save it as {model.name}/{CONFIG}"
        elif "/" in first:
            hint = f"move it to {model.name}/{CONFIG}"
        else:
            hint = f"rename it to {CONFIG}"
        yield Finding(
            message=f"there is no {CONFIG}, and {', '.join(repr(n) for n in found)} "
            f"{'is' if len(found) == 1 else 'are'} not read",
            file=directory.path / first,
            hint=hint,
        )


def _is_alike(file: str, model: str) -> bool:
    near = difflib.SequenceMatcher(None, file.lower(), CONFIG).ratio() >= 0.88
    return near or _ALIKE.fullmatch(file) is not None or file == f"{model}.pbtxt"
