"""Our verdict beside Triton's, and the short list of where they may differ and why."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.validate.files import write
from tests.validate.oracle.says import reasons
from tests.validate.oracle.server import Triton, Verdict
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.run import validate
from trtbuild.validate.settings import Settings

# What 2.51 loads and a newer Triton, or the real backend in place of the stand-in, does not.
REFUSED_BY_OTHERS = {
    "B007": "no release has a backend tensorrt_rtx; the oracle has none either",
    "B011": "the Python backend reads EXECUTION_ENV_PATH; the stand-in does not",
    "I007": "element counts are checked since 2.67",
    "L003": "the folder that is opened is missed by backends that read files",
    "W006": "Triton's backends compare a warm-up batch with max_batch_size; the stand-ins do not",
    "L011": "label files outside the model are refused since 2.66",
}
# The families of rules about model files, which the stand-ins do not read.
READ_BY_BACKENDS = ("F", "P", "K")
# Newer than the oracle: what 2.51 refuses and a newer Triton loads, by what 2.51 says.
CAME_LATER = {
    r'no field named "(model_metrics|max_inflight_requests|graph_lower_bound)"': "since 2.5x",
    r"torch_aoti|platform type '' for": "the platform torch_aoti and model.pt2, since 2.67",
}
# What nobody can tell without the machine: which GPUs it has, which backends are installed.
MACHINE = re.compile(
    r"no GPUs are available|invalid or unsupported gpu id|has kind KIND_CPU but specifies"
    r"|unable to find backend library|unable to find 'libtritonrepoagent"
)


class Difference(NamedTuple):
    """A case on which the two disagree, or agree for different reasons."""

    said: Verdict
    errors: tuple[Finding, ...]

    def __str__(self) -> str:
        ours = "; ".join(f"{f.code} {f.message}" for f in self.errors) or "no error"
        theirs = "loads it" if self.said.accepted else f"refuses it: {self.said.message}"
        return f"Triton {theirs}\nwe say: {ours}"


def newer_than_the_oracle(message: str, files: Mapping[str, bytes]) -> bool:
    """Whether 2.51 refuses for `message` what a newer Triton was taught since."""
    taught = any(re.search(pattern, message) for pattern in CAME_LATER)
    return taught or any("model.pt2" in path for path in files)


def known(code: str) -> bool:
    """Whether 2.51 with stand-ins may load what has this error."""
    return code in REFUSED_BY_OTHERS or code.startswith(READ_BY_BACKENDS)


def our_errors(files: Mapping[str, bytes], name: str, settings: Settings) -> tuple[Finding, ...]:
    """The errors we report on the model `name`."""
    found = all_findings(files, name, settings)
    return tuple(finding for finding in found if finding.severity == Severity.ERROR)


def all_findings(files: Mapping[str, bytes], name: str, settings: Settings) -> tuple[Finding, ...]:
    """What we report on the model `name`."""
    root = Path(tempfile.mkdtemp(prefix="trtbuild-case-"))
    try:
        write(root, dict(files))
        found = validate([root], settings).findings
    finally:
        shutil.rmtree(root)
    return tuple(finding for finding in found if finding.model == name)


def difference(
    triton: Triton, files: Mapping[str, bytes], name: str, *, strict: bool = False
) -> Difference | None:
    """None where both say the same, or where the tables above say why they need not.

    A server that an earlier case damaged says anything, so a new one confirms a difference.
    """
    errors = our_errors(files, name, Settings(strict_config=strict))
    found = _compare(triton.judge(files, name), errors, files)
    if found is None:
        return None
    triton.stop()
    triton.start()
    return _compare(triton.judge(files, name), errors, files)


def _compare(
    said: Verdict, errors: tuple[Finding, ...], files: Mapping[str, bytes]
) -> Difference | None:
    if said.accepted:
        hard = [error for error in errors if not known(error.code)]
        return Difference(said, errors) if hard else None
    if MACHINE.search(said.message) or newer_than_the_oracle(said.message, files):
        return None
    same = {error.code for error in errors} & {*reasons(said.message)}
    return None if same else Difference(said, errors)
