"""A key of `cc_model_filenames` that no GPU has.

What: a key is not written as "major.minor" of a compute capability: "sm_86", "86", "RTX 3090",
"8.60".
Why: keys are compared as text with the GPU's "8.6"; one that never matches is skipped without a
word, and the GPU loads the default file or none.

Example:
    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    cc_model_filenames { key: "sm_86" value: "sm86.plan" }
    -- demo/1/sm86.plan = tensorrt plan 10.9.0.34 --

Instead:

    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    cc_model_filenames { key: "8.6" value: "sm86.plan" }
    -- demo/1/sm86.plan = tensorrt plan 10.9.0.34 --

Source: Triton backend_model_instance.cc; server issues 4657 and 7755.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trtbuild.capability import KNOWN, Capability, capability_from_text
from trtbuild.errors import UsageError
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import quote, replace_value
from trtbuild.validate.model import Model

NAME = "capability-key"
SEVERITY = Severity.WARNING
NEEDS = "cc_model_filenames"
_BARE = re.compile(r"\d{2,3}")


def check(model: Model) -> Iterator[Finding]:
    """One finding a key."""
    keys = {str(capability) for capability in KNOWN}
    known = ", ".join(str(capability) for capability in KNOWN)
    given = model.config.cc_model_filenames
    meanings = {key: _meant(key) for key in sorted(given) if key not in keys}
    for key, meant in meanings.items():
        # Of two plans for one capability nobody knows which is right; one key would drop the other.
        free = str(meant) not in given and [*meanings.values()].count(meant) == 1
        at = ("cc_model_filenames", key, "key")
        yield Finding(
            message=f"no GPU has the compute capability '{key}'"
            + (f"; did you mean '{meant}'?" if meant else ""),
            at=at,
            hint=f'write "{meant}"' if meant else f"there are {known}",
            fix=replace_value(model, at, quote(str(meant))) if meant and free else (),
        )


def _meant(key: str) -> Capability | None:
    number = f"sm_{key}" if _BARE.fullmatch(key) else key
    try:
        return capability_from_text(number)
    except UsageError:
        return None
