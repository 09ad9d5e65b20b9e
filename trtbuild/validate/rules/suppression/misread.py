"""A suppression that cannot be understood.

What: a comment `# trtbuild: ...` that names no rule, or is no `allow`.
Why: it silences nothing, though someone thought so.

Example:
    backend: "python"
    max_batch_size: 8  # trtbuild: allow negative-batch

Instead:

    backend: "python"
    instance_group { count: -2 }  # trtbuild: allow negative-instance-count

Source: trtbuild.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "misread-suppression"
SEVERITY = Severity.WARNING


def check(_: Model) -> Iterator[Finding]:
    """None here: the runner reads the comments."""
    return iter(())


def finding(message: str, at: tuple[int, int]) -> Finding:
    """The finding for a comment at line and column `at`."""
    return Finding(
        message=message,
        line=at[0],
        column=at[1],
        hint="write # trtbuild: allow CODE; `trtbuild explain --all` lists codes and names",
    )
