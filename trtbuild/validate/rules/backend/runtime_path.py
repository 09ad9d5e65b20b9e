"""A runtime that leaves the backend's folder.

What: `runtime` begins with or contains `..`.
Why: Triton looks for the file in the version folder, the model's and the backend's and refuses
names that leave them.

Example:
    backend: "python"
    runtime: "../libtriton_other.so"

Instead:

    backend: "python"
    runtime: "libtriton_python.so"

Source: Triton core, backend_manager.cc; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "runtime-leaves-folder"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    runtime = model.config.runtime
    if ".." in runtime.split("/") and not model.is_ensemble:
        yield Finding(
            message=f"the runtime '{runtime}' leaves the backend's folder",
            at=("runtime",),
            hint="name a library in the version folder, the model's folder or the backend's",
        )
