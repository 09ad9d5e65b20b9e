"""Timing caches, around a stand-in for a builder config that keeps them as TensorRT does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from trtbuild.capability import Capability
from trtbuild.device import Gpu
from trtbuild.errors import PlanError
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.plan.session import Session
from trtbuild.plan.timing_cache import (
    load_timing_cache,
    missed,
    save_timing_cache,
    timing_cache_path,
)
from trtbuild.tensorrt_log import TensorRtLog

A10 = Gpu(0, "NVIDIA A10", "GPU-0", Capability(8, 6), 24 << 30)
TRT = RuntimeInfo("tensorrt", "tensorrt", "tensorrt", "10.6.0", (A10.capability,), (A10,))


class Cache:
    """What was timed, a line each; `gpu:` lines first."""

    def __init__(self, data: bytes) -> None:
        self.lines = set(data.splitlines())

    def combine(self, other: Cache, ignore_mismatch: bool) -> bool:
        assert ignore_mismatch is False
        self.lines |= other.lines
        return True

    def serialize(self) -> bytes:
        return b"\n".join(sorted(self.lines))


class Config:
    """A builder config of a session on an A10."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.cache: Cache | None = None

    def create_timing_cache(self, data: bytes) -> Cache | None:
        if data.startswith(b"garbage"):
            self._session.errors.append(
                "4: [c.cpp::f::1] Error Code 4: Internal Error (the cache cannot be read)"
            )
            return None
        return Cache(data)

    def set_timing_cache(self, cache: Cache, ignore_mismatch: bool) -> bool:
        assert ignore_mismatch is False
        if b"gpu: another" in cache.lines:
            self._session.errors.append(
                "4: [c.cpp::f::1] Error Code 4: Internal Error (the cache is of another device)"
            )
            return False
        self.cache = cache
        return True

    def get_timing_cache(self) -> Cache | None:
        return self.cache


@pytest.fixture
def session() -> Session:
    made = object.__new__(Session)
    made.runtime = TRT
    made.trt = SimpleNamespace(__version__="10.6.0")
    made.log = TensorRtLog(None, [])
    return made


def test_one_is_kept_for_each_release_and_gpu(tmp_path: Path) -> None:
    path = timing_cache_path(tmp_path, TRT, Capability(8, 6))
    assert path == tmp_path / "timing" / "tensorrt-10.6.0" / "nvidia-a10-sm86.cache"
    other = msgspec.structs.replace(TRT, version="10.7.0")
    assert timing_cache_path(tmp_path, other, Capability(8, 6)) != path


def test_what_was_timed_is_kept_with_what_others_wrote(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "c.cache"
    config = Config(session)
    assert load_timing_cache(session, config, path, kept=False, required=False) == ()
    assert config.cache is not None
    config.cache.lines.add(b"mine")
    path.parent.mkdir()
    path.write_bytes(b"theirs")
    assert save_timing_cache(config, path) == ()
    assert path.read_bytes() == b"mine\ntheirs"
    assert list(path.parent.iterdir()) == [path]
    again = Config(session)
    load_timing_cache(session, again, path, kept=False, required=True)
    assert again.cache is not None
    assert again.cache.lines == {b"mine", b"theirs"}


def test_builds_that_end_together_lose_nothing(session: Session, tmp_path: Path) -> None:
    """Each flock is on a file opened anew: it parts threads as it parts processes."""
    path = tmp_path / "c.cache"

    def build(line: bytes) -> tuple[str, ...]:
        config = Config(session)
        config.cache = Cache(line)
        return save_timing_cache(config, path)

    lines = {b"kernel %d" % number for number in range(200)}
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(build, lines)) == {()}
    assert set(path.read_bytes().splitlines()) == lines


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"garbage", "the cache cannot be read"), (b"gpu: another", "the cache is of another device")],
)
def test_a_users_cache_that_does_not_fit_is_refused(
    data: bytes, reason: str, session: Session, tmp_path: Path
) -> None:
    (path := tmp_path / "c.cache").write_bytes(data)
    with pytest.raises(PlanError) as caught:
        load_timing_cache(session, Config(session), path, kept=False, required=False)
    assert caught.value.message == (
        f"--timing-cache {path} does not fit: tensorrt 10.6.0 refuses it on this GPU: {reason}"
    )
    assert path.read_bytes() == data


@pytest.mark.parametrize("data", [b"garbage", b"gpu: another"])
def test_the_stores_own_that_does_not_fit_starts_anew(
    data: bytes, session: Session, tmp_path: Path
) -> None:
    (path := tmp_path / "c.cache").write_bytes(data)
    config = Config(session)
    (note,) = load_timing_cache(session, config, path, kept=True, required=False)
    assert note.startswith(f"the timing cache {path} did not fit and starts anew: the cache")
    assert config.cache is not None
    assert config.cache.lines == set()


def test_a_required_cache_has_to_be_there(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "none.cache"
    with pytest.raises(PlanError) as caught:
        load_timing_cache(session, Config(session), path, kept=False, required=True)
    assert caught.value.message == f"--require-timing-cache: there is no timing cache at {path}"
    assert caught.value.hint.startswith("build once without --require-timing-cache")


def test_a_cache_that_cannot_be_read_is_said(session: Session, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="cannot be read: Is a directory"):
        load_timing_cache(session, Config(session), tmp_path, kept=False, required=False)


def test_a_cache_that_cannot_be_written_is_a_note(session: Session, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    config = Config(session)
    load_timing_cache(session, config, tmp_path / "c.cache", kept=False, required=False)
    path = tmp_path / "file" / "c.cache"
    assert save_timing_cache(config, path) == (
        f"the timing cache {path} was not written: File exists",
    )


def test_a_build_that_may_time_nothing_says_what_to_do() -> None:
    refused = PlanError("tensorrt 10.6.0: no tactic", node="fc", refused_by="builder")
    error = missed(refused, Path("c.cache"))
    assert error.message == (
        "tensorrt 10.6.0: no tactic; "
        "with --require-timing-cache nothing is timed that c.cache lacks"
    )
    assert error.hint.startswith("build once without --require-timing-cache")
    assert (error.node, error.refused_by) == ("fc", "builder")
