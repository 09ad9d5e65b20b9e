"""A value that FORCE_CPU_ONLY_INPUT_TENSORS does not take.

What: the Python backend's parameter `FORCE_CPU_ONLY_INPUT_TENSORS` is neither "yes" nor "no".
Why: the backend refuses the model: "Incorrect value for FORCE_CPU_ONLY_INPUT_TENSORS".

Example:
    backend: "python"
    parameters {
      key: "FORCE_CPU_ONLY_INPUT_TENSORS"
      value { string_value: "true" }
    }

Instead:

    backend: "python"
    parameters {
      key: "FORCE_CPU_ONLY_INPUT_TENSORS"
      value { string_value: "yes" }
    }

Source: Python backend, python_be.cc (ModelState); tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import quote, replace_value
from trtbuild.validate.model import Model

NAME = "python-cpu-only"
SEVERITY = Severity.ERROR
NEEDS = "parameters"
KEY = "FORCE_CPU_ONLY_INPUT_TENSORS"
_MEANT = {"true": "yes", "1": "yes", "on": "yes", "false": "no", "0": "no", "off": "no"}


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if model.backend != "python" or KEY not in model.config.parameters:
        return
    if model.settings.server == "trtbuild":  # which has all tensors on the CPU
        return
    given = model.config.parameters[KEY].string_value
    if given in ("yes", "no"):
        return
    lower = given.lower()
    meant = lower if lower in ("yes", "no") else _MEANT.get(lower, "")
    at = ("parameters", KEY, "value", "string_value")
    yield Finding(
        message=f"{KEY} is '{given}'; it can be yes or no",
        at=at if given else ("parameters", KEY),
        hint=f'write "{meant}"' if meant else 'write "yes" or "no", in small letters',
        fix=replace_value(model, at, quote(meant)) if meant else (),
    )
