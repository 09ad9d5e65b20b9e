"""A placeholder of a template inside a text.

What: a text in the config is a placeholder like `${tokenizer_dir}` and nothing else.
Why: it is a text like any other, so the config is read; the backend then looks for a folder or a
name that is called so.

Example:
    backend: "python"
    parameters { key: "tokenizer_dir" value { string_value: "${tokenizer_dir}" } }

Instead:

    backend: "python"
    parameters { key: "tokenizer_dir" value { string_value: "/models/tokenizer" } }

Source: protobuf, text_format.cc; the TensorRT-LLM backend's example configs are templates, whose
unset parameters stay as they are on purpose (tools/fill_template.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "unfilled-text"
SEVERITY = Severity.INFO
_PLACEHOLDER = re.compile(r"""(?<=["'])\$\{\w+\}(?=["'])""")


def check(model: Model) -> Iterator[Finding]:
    """One finding a placeholder."""
    text = model.document.text
    for match in _PLACEHOLDER.finditer(text) if "${" in text else ():
        if "#" not in text[text.rfind("\n", 0, match.start()) + 1 : match.start()]:
            yield Finding(
                message=f"the placeholder {match[0]} was not filled in",
                offset=match.start(),
                hint="write the value, or take the field out",
            )
