"""A security bulletin concerns the model's backend in this release of Triton.

What: with `--triton`, a model of a backend of which NVIDIA has published that releases up to this
one are vulnerable.
Why: whoever reaches the server may end it, read what is not theirs or run code. Bulletins about the
server itself, whatever it serves, are not repeated here.

Example:
    # trtbuild: fixture --triton 24.10
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Instead:

    # trtbuild: fixture --triton 26.05
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: NVIDIA's security bulletins 5687 (August 2025) and 5828 (May 2026), product-security; what
was mended is in the Python backend's python_be.cc and pb_stub.cc.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.releases import named

NAME = "security-bulletin"
SEVERITY = Severity.WARNING
RELEASES = "Python: before 25.07; DALI: before 26.05, its bulletin's month. Only with --triton"


class _Bulletin(NamedTuple):
    before: str  # the first release that it does not concern
    backends: tuple[str, ...]
    number: int  # of NVIDIA's bulletin
    what: str


# vLLM's backend is one in Python, which the Python backend runs.
_BULLETINS = (
    _Bulletin(
        "25.07",
        ("python", "vllm"),
        5687,
        "CVE-2025-23319, CVE-2025-23320 and CVE-2025-23334: through the Python backend's shared "
        "memory, code is run from afar",
    ),
    _Bulletin(
        "26.05",
        ("dali",),
        5828,
        "CVE-2026-24214 and CVE-2026-24215: a number that overflows in the DALI backend, and "
        "requests that use up the machine",
    ),
)


def check(model: Model) -> Iterator[Finding]:
    """One finding a bulletin."""
    settings = model.settings
    for bulletin in _BULLETINS if settings.triton is not None else ():
        if settings.runs_before(bulletin.before) and model.backend in bulletin.backends:
            yield Finding(
                message=f"NVIDIA's bulletin {bulletin.number} concerns {settings.triton}: "
                f"{bulletin.what}",
                at=("backend",) if model.config.backend else (),
                hint=f"run {named(bulletin.before)} or newer",
            )
