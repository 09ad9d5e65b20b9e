"""`trtbuild.lock.json`: what a version was made from, how, how good it is, and every file's digest.

It lies in the version's folder. A plan can be judged by it without the GPU it was built for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from trtbuild.artifacts import (
    PassNote,
    Profile,
    TargetFailure,
    VerifyReport,
    from_json,
)
from trtbuild.capability import Capability
from trtbuild.errors import RepositoryError
from trtbuild.plugins import UsedPlugin
from trtbuild.repository.layout import LOCK
from trtbuild.tensor import TensorSpec

FORMAT = 1  # raised when an older trtbuild could misread a newer lock
# A lock of a thousand files has some hundred kilobytes; what is larger than this is something else.
_MAX_BYTES = 16 << 20


class LockedFile(msgspec.Struct, frozen=True):
    """A file as it was written."""

    digest: str  # SHA-256
    size_bytes: int


class LockedSource(msgspec.Struct, frozen=True):
    """The trained model."""

    kind: str
    location: str  # as the user gave it
    digest: str | None  # None: code
    producer: str  # the exporter and its version, from the ONNX file
    notes: tuple[str, ...] = ()


class LockedOnnx(msgspec.Struct, frozen=True):
    """The ONNX model that the plans were built from, and its portable form beside them."""

    files: tuple[str, ...]  # of the portable form, beside the lock unless `portable` is false
    digest: str  # of what the plans were built from
    opset: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    portable: bool


class LockedPlan(msgspec.Struct, frozen=True):
    """A plan file; its digest stands among the files."""

    file: str
    targets: tuple[Capability, ...]
    runtime: str  # "tensorrt" or "tensorrt-rtx"
    runtime_version: str
    seconds: float  # its build took
    # As in `trtbuild.artifacts.Plan`.
    hardware: str = ""
    version_compatible: str = ""
    refit: str = ""
    stripped: bool = False  # no server runs it before `trtbuild refit`
    layers: dict[str, int] = {}  # data type -> layers that compute in it; {}: nothing tells
    plugins: tuple[UsedPlugin, ...] = ()  # without which it cannot be loaded


class Lock(msgspec.Struct, frozen=True):
    """The whole file."""

    trtbuild: str  # version that wrote it
    created: str  # ISO 8601, UTC
    name: str
    version: int
    source: LockedSource
    onnx: LockedOnnx
    profile: Profile
    plans: tuple[LockedPlan, ...]
    failures: tuple[TargetFailure, ...]
    report: VerifyReport
    passes: tuple[PassNote, ...]
    options: dict[str, Any]  # what the user asked for beyond the defaults, by name
    config_digest: str  # of the config.pbtxt that was written with it
    files: dict[str, LockedFile]  # every other file of the version's folder
    format: int = FORMAT
    # The plans' optimization profiles in order; `profile` holds all of them. (): a lock of before
    # there were several, whose plans have `profile` alone.
    profiles: tuple[Profile, ...] = ()

    @property
    def each_profile(self) -> tuple[Profile, ...]:
        """The optimization profiles of the plans, in order."""
        return self.profiles or (self.profile,)


def lock_text(lock: Lock) -> bytes:
    """The file's content: JSON, indented, the same for the same lock."""
    return msgspec.json.format(msgspec.json.encode(lock), indent=2) + b"\n"


def read_lock(version: Path) -> Lock | None:
    """The lock in the folder `version`; None where there is none.

    Raises `RepositoryError` when it is damaged or newer than this trtbuild.
    """
    path = version / LOCK
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RepositoryError(f"cannot read '{path}': {error.strerror}") from None
    if len(data) > _MAX_BYTES:
        raise RepositoryError(
            f"'{path}' is larger than {_MAX_BYTES >> 20} MiB: it is no lock of trtbuild",
            "convert the model again with --replace",
        )
    try:
        stated = from_json(data, _Format).format
        if stated <= FORMAT:
            return from_json(data, Lock)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RepositoryError(
            f"'{path}' is damaged: {error}", "convert the model again with --replace"
        ) from None
    raise RepositoryError(
        f"'{path}' has format {stated}; this trtbuild reads up to {FORMAT}",
        "update trtbuild: pip install --upgrade trtbuild",
    )


class _Format(msgspec.Struct):
    format: int
