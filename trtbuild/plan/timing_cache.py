"""Timing caches of data-centre TensorRT: what is known of a kernel's speed is not measured again.

A cache holds for one release, CUDA and GPU model; TensorRT checks that itself. Without
`--timing-cache` one is kept beside the store for each release and GPU.

What TensorRT 10.6 remembers a kernel's time by (seen in its log, and by which builds pass under
ERROR_ON_TIMING_CACHE_MISS): the layer, its types and formats, and the profile's shapes, also the
largest. Not the weights' values. So a build of the same graph times nothing, whatever it was
trained to; for other shapes it times everything again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trtbuild.capability import Capability
from trtbuild.errors import PlanError
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.plan.session import Session
from trtbuild.plan.words import refusal_from_log


def timing_cache_path(root: Path, runtime: RuntimeInfo, target: Capability) -> Path:
    """Where the timing cache for `target` lies under the store's `root`."""
    names = sorted({gpu.name for gpu in runtime.gpus if gpu.capability == target}) or ["gpu"]
    name = re.sub(r"\W+", "-", f"{names[0]} sm{target.major}{target.minor}").strip("-").lower()
    return root / "timing" / f"{runtime.name}-{runtime.version}" / f"{name}.cache"


def load_timing_cache(
    session: Session, config: Any, path: Path, *, kept: bool, required: bool
) -> tuple[str, ...]:
    """Have the build use and extend the cache at `path`; a file that is not there starts empty.

    `kept`: it is the store's own, and one that does not fit starts empty with a note. Raises
    `PlanError` for a user's file that does not fit, or that `required` asks for and is not there.
    """
    data = _read(path, required=required)
    session.forget_errors()
    if _set(config, data):
        return ()
    reason = refusal_from_log(session.errors).reason if session.errors else "it says no more"
    if not kept:
        raise PlanError(
            f"--timing-cache {path} does not fit: {session.name} refuses it on this GPU: {reason}",
            "a cache is for one release, CUDA and GPU model: name another file, and it is made",
        )
    _set(config, b"")
    return (f"the timing cache {path} did not fit and starts anew: {reason}",)


def _read(path: Path, *, required: bool) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    except OSError as error:
        raise PlanError(
            f"the timing cache {path} cannot be read: {error.strerror}", "name a file"
        ) from None
    if required and not data:
        raise PlanError(f"--require-timing-cache: there is no timing cache at {path}", FILL_FIRST)
    return data


FILL_FIRST = (
    "build once without --require-timing-cache, with the same --timing-cache FILE, on a GPU of "
    "this model, and keep the file"
)


def missed(error: PlanError, path: Path) -> PlanError:
    """The builder's `error` where nothing may be timed, with what it may come of and what to do."""
    return PlanError(
        f"{error.message}; with --require-timing-cache nothing is timed that {path} lacks",
        FILL_FIRST,
        op=error.op,
        node=error.node,
        dtype=error.dtype,
        blamed=error.blamed,
        refused_by=error.refused_by,
    )


def _set(config: Any, data: bytes) -> bool:
    """Whether the config takes the cache; never another GPU's (`ignore_mismatch` is False)."""
    cache = config.create_timing_cache(data)
    return cache is not None and bool(config.set_timing_cache(cache, False))


def save_timing_cache(config: Any, path: Path) -> tuple[str, ...]:
    """Add what the build has timed to the cache at `path`; a note where that cannot be.

    What another process wrote there in the meantime is kept: one at a time reads, merges and
    writes. The file changes by one rename.
    """
    cache = config.get_timing_cache()
    if cache is None:
        return ()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone_in(path.parent):
            if path.exists():
                theirs = config.create_timing_cache(path.read_bytes())
                if theirs is not None:
                    cache.combine(theirs, False)
            _replace(path, cache.serialize())
    except OSError as error:
        return (f"the timing cache {path} was not written: {error.strerror}",)
    return ()


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """While no other trtbuild merges a cache of `folder`; the lock goes with its holder.

    It is on the folder itself, so that nothing is left beside a user's file. Where a file system
    locks no folders (NFS), the last writer's entries stay, which costs others time and no plan.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, data: Any) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
