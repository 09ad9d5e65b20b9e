"""What a plan file says of itself in its first bytes, read without TensorRT and without a GPU.

    offset  bytes  data-centre TensorRT      TensorRT for RTX
    0       4      "ftrt"                    "vtrt"
    4       4      serialization version: 0, little-endian; another one moves the rest
    16      8      size of the whole file [observed, with both]
    24      4      TensorRT's version, a byte a part: 1 7 1 116
    32      1      -                         targets, a bit each [observed]

Plans of TensorRT 8 and older begin with "ptrt".

Sources: NVIDIA's trtexec (`--getPlanVersionOnly`) for tag, serialization version and version;
what is marked was observed with the releases in `_OBSERVED` and read only from those. It is a
hint, never a promise: `trtbuild.lock.json` beside a plan is what was asked of the builder.
"""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec

from trtbuild.capability import Capability
from trtbuild.errors import PlanError
from trtbuild.foreign import open_file
from trtbuild.plan.runtimes import TENSORRT, TENSORRT_RTX

HEADER_BYTES = 64
_TAGS = {b"ftrt": TENSORRT, b"vtrt": TENSORRT_RTX}
GIVE_A_PLAN = "give the path of a plan file"  # the hint where a file is none
_OLD_TAG = b"ptrt"
_SERIALIZATION_VERSION = 0
_OBSERVED = {TENSORRT: ("10.6.",), TENSORRT_RTX: ("1.7.",)}
_TARGET_BITS = {
    0x01: Capability(7, 5),
    0x02: Capability(8, 0),
    0x04: Capability(8, 6),
    0x08: Capability(8, 9),
    0x10: Capability(12, 0),
    0x20: Capability(12, 1),
}
_LATER_GPUS = 0x40  # set in plans for which no target was declared


class PlanHeader(msgspec.Struct, frozen=True):
    """The header of a plan file."""

    runtime: str  # "tensorrt" or "tensorrt-rtx"
    version: str  # of the TensorRT that built it: "1.7.1.116"
    targets: tuple[Capability, ...] | None  # None: this kind of plan does not tell
    any_later: bool = False  # no target was declared when it was built
    size_bytes: int = 0  # of the file


def plan_header(path: Path) -> PlanHeader:
    """Read the header of the plan file at `path`.

    Raises `PlanError` where the file cannot be read, is no plan or was cut short.
    """
    try:
        with open_file(path) as file:
            head = file.read(HEADER_BYTES)
            size_bytes = path.stat().st_size
    except OSError as error:
        raise PlanError(f"{path}: {error.strerror}", GIVE_A_PLAN) from None
    return plan_header_from_bytes(head, size_bytes, str(path))


def plan_header_from_bytes(head: bytes, size_bytes: int, name: str = "plan") -> PlanHeader:
    """The header in `head`, the first 64 bytes of a file of `size_bytes`; see `plan_header`."""
    if not head:
        raise _no_plan(name, "the file is empty")
    runtime = _TAGS.get(head[:4])
    if head.startswith(_OLD_TAG):
        raise PlanError(
            f"{name} is a plan of TensorRT 8 or older",
            "build it again with the server's TensorRT",
        )
    if runtime is None:
        raise _no_plan(name, f"it starts with {head[:4]!r}, plans with {_tags()}")
    if len(head) < HEADER_BYTES:
        raise _cut_short(name, size_bytes, f"a plan's header alone has {HEADER_BYTES}")
    (serialization,) = struct.unpack_from("<I", head, 4)
    if serialization != _SERIALIZATION_VERSION:
        raise PlanError(
            f"{name}: a {runtime} plan with serialization version {serialization}; only version "
            f"{_SERIALIZATION_VERSION} is understood",
            "it was changed, or a newer TensorRT built it than this trtbuild knows",
        )
    version = ".".join(str(part) for part in head[24:28])
    if not version.startswith(_OBSERVED[runtime]):
        return PlanHeader(runtime, version, None, size_bytes=size_bytes)
    (whole,) = struct.unpack_from("<Q", head, 16)
    if whole > size_bytes:
        raise _cut_short(name, size_bytes, f"its header says {whole}")
    if runtime != TENSORRT_RTX:
        return PlanHeader(runtime, version, None, size_bytes=size_bytes)
    mask = head[32]
    targets = tuple(target for bit, target in _TARGET_BITS.items() if mask & bit)
    return PlanHeader(runtime, version, targets, bool(mask & _LATER_GPUS), size_bytes)


def _tags() -> str:
    return " or ".join(repr(tag) for tag in _TAGS)


def _no_plan(name: str, why: str) -> PlanError:
    return PlanError(f"{name} is no TensorRT plan: {why}", GIVE_A_PLAN)


def _cut_short(name: str, size_bytes: int, why: str) -> PlanError:
    return PlanError(
        f"{name}: the plan was cut short: the file has {size_bytes} bytes, {why}",
        "copy or build it again",
    )
