"""A suppression that silences nothing.

What: `# trtbuild: allow CODE` where no finding of that rule is.
Why: what it was for is mended, or the comment stands in the wrong place; left there, it hides
the fault when it comes back.

Example:
    backend: "python"
    max_batch_size: 8  # trtbuild: allow I013

Instead:

    backend: "python"
    instance_group { count: -2 }  # trtbuild: allow G005

Source: trtbuild.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "unused-suppression"
SEVERITY = Severity.WARNING


def check(_: Model) -> Iterator[Finding]:
    """None here: the runner alone knows which suppressions were used."""
    return iter(())


def finding(word: str, at: tuple[int, int]) -> Finding:
    """The finding for one word of a comment at line and column `at`."""
    return Finding(
        message=f"there is no finding of '{word}' here to allow",
        line=at[0],
        column=at[1],
        hint="take the comment out",
    )
