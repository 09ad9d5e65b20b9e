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
from trtbuild.errors import ForeignNameError, RepositoryError
from trtbuild.foreign import Fence, check_name, read_inside
from trtbuild.plugins import UsedPlugin
from trtbuild.repository.layout import LOCK
from trtbuild.tensor import TensorSpec

FORMAT = 1  # raised when an older trtbuild could misread a newer lock
# A lock of a thousand files has some hundred kilobytes; what is larger than this is something else.
_MAX_BYTES = 16 << 20
_AGAIN = "convert the model again with --replace"


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
    model_files: dict[str, LockedFile] = {}  # of the model's folder, beside the config: labels

    @property
    def each_profile(self) -> tuple[Profile, ...]:
        """The optimization profiles of the plans, in order."""
        return self.profiles or (self.profile,)


def lock_text(lock: Lock) -> bytes:
    """The file's content: JSON, indented, the same for the same lock."""
    return msgspec.json.format(msgspec.json.encode(lock), indent=2) + b"\n"


class LockNameError(RepositoryError):
    """A lock names what is no plain file of its folder: trtbuild writes no such lock."""


def read_lock(version: Path, fence: Fence | None = None) -> Lock | None:
    """The lock in the folder `version`; None where there is none.

    `fence`: where a link may lead that lies in its place; None: within `version`. Raises
    `RepositoryError` when it is damaged, no plain file, or newer than this trtbuild, and
    `LockNameError` where it names anything but files of its own folder.
    """
    path = version / LOCK
    try:
        data = read_inside(version, LOCK, _MAX_BYTES, fence)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RepositoryError(f"cannot read '{path}': {error.strerror}", _AGAIN) from None
    except ForeignNameError as error:
        raise RepositoryError(f"{error.message}: it is not read", error.hint) from None
    try:
        stated = from_json(data, _Format).format
        if stated <= FORMAT:
            return _checked(from_json(data, Lock), path)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RepositoryError(f"'{path}' is damaged: {error}", _AGAIN) from None
    raise RepositoryError(
        f"'{path}' has format {stated}; this trtbuild reads up to {FORMAT}",
        "update trtbuild: pip install --upgrade trtbuild",
    )


def _checked(lock: Lock, path: Path) -> Lock:
    """Whoever reads a lock may take its names for plain ones: they are looked at once, here."""
    names = [lock.name, *lock.files, *lock.model_files, *lock.onnx.files]
    names += [plan.file for plan in lock.plans]
    names += [used.file for plan in lock.plans for used in plan.plugins]
    try:
        for name in names:
            check_name(name, plain=True)
    except ForeignNameError as error:
        raise LockNameError(
            f"'{path}' is not believed: {error.message}",
            "trtbuild writes no such lock: ask where it comes from, or convert the model again "
            "with --replace",
        ) from None
    return lock


class _Format(msgspec.Struct):
    format: int
