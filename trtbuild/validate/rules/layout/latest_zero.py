"""`latest` without a number of versions selects none.

What: `version_policy: { latest { } }`: `num_versions` is left out or 0.
Why: the field's comment says that the default is 1, the server takes the 0 literally and
refuses the model: "at least one version must be available under the version policy".

Example:
    backend: "python"
    version_policy: { latest { } }

Instead:

    backend: "python"
    version_policy: { latest { num_versions: 1 } }

Source: Triton core, model_lifecycle.cc, VersionsToLoad; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import set_field
from trtbuild.validate.model import Model

NAME = "latest-selects-none"
SEVERITY = Severity.ERROR
NEEDS = "version_policy"


def check(model: Model) -> Iterator[Finding]:
    """One finding where `latest` is chosen with 0 versions."""
    policy = model.config.version_policy
    if policy.WhichOneof("policy_choice") == "latest" and policy.latest.num_versions == 0:
        yield Finding(
            message="latest with num_versions 0 (also when it is left out) selects no version",
            at=("version_policy", "latest"),
            hint="write latest { num_versions: 1 }",
            fix=set_field(model, ("version_policy", "latest"), "num_versions", "1"),
        )
