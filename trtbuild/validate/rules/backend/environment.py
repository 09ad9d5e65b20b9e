"""A Python environment that is not there.

What: the Python backend's parameter `EXECUTION_ENV_PATH` names nothing that exists.
Why: Triton refuses the model: "failed to get the canonical path". `$$TRITON_MODEL_DIRECTORY`
stands for the model's folder.

Example:
    backend: "python"
    parameters {
      key: "EXECUTION_ENV_PATH"
      value { string_value: "$$TRITON_MODEL_DIRECTORY/environment.tar.gz" }
    }

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    parameters {
      key: "EXECUTION_ENV_PATH"
      value { string_value: "$$TRITON_MODEL_DIRECTORY/environment.tar.gz" }
    }
    -- demo/environment.tar.gz --
    -- demo/1/model.py --

Source: Python backend, pb_env.cc; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.repository.directory import below
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "missing-environment"
SEVERITY = Severity.ERROR
NEEDS = "parameters"
KEY = "EXECUTION_ENV_PATH"
_MODEL = "$$TRITON_MODEL_DIRECTORY"


def check(model: Model) -> Iterator[Finding]:
    """One finding; a warning for an absolute path, which may exist on the server alone."""
    parameters = model.config.parameters
    if model.backend != "python" or model.directory is None or KEY not in parameters:
        return
    given = parameters[KEY].string_value
    inside = given.startswith(_MODEL)
    root = model.directory.path
    path = below(root, given.replace(_MODEL, str(root.absolute()), 1))
    if given and not path.exists():
        yield Finding(
            message=f"{KEY} names '{given}', which is not there",
            at=("parameters", KEY),
            hint="put the packed environment there, or take the parameter out",
            severity=None if inside else Severity.WARNING,
        )
