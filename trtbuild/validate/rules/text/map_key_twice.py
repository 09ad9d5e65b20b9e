"""A map's key that comes twice.

What: `input_map`, `output_map`, `parameters`, `cc_model_filenames` or another map has a key twice.
Why: the last one counts and the others are lost without a word. In an ensemble the tensor that
was lost is then reported far away: "is not written".

Example:
    backend: "python"
    parameters { key: "size" value { string_value: "1" } }
    parameters { key: "size" value { string_value: "2" } }

Instead:

    backend: "python"
    parameters { key: "size" value { string_value: "1" } }
    parameters { key: "width" value { string_value: "2" } }

Source: protobuf, text_format.cc; that it loads was tried on Triton 2.51; server issue 4560.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.places import MAPS

NAME = "map-key-twice"
SEVERITY = Severity.WARNING
_KEY = re.compile(r"\bkey\s*:\s*([^\s{},;]+)")
_ENTRY = re.compile(rf'(?:^|\.)({"|".join(sorted(MAPS))})\["(.*)"\]$', re.DOTALL)


def check(model: Model) -> Iterator[Finding]:
    """One finding a statement that does not count."""
    # Where no key's text comes twice none does: the positions need not be worked out.
    if not any(count > 1 for count in Counter(_KEY.findall(model.document.text)).values()):
        return
    for path, spans in model.document.index.items():
        if len(spans) > 1 and (entry := _ENTRY.search(path)):
            for span in spans[:-1]:
                yield Finding(
                    message=f"{entry[1]} has the key '{entry[2]}' again below: the last one counts",
                    offset=span.name,
                    hint="give each entry a key of its own",
                )
