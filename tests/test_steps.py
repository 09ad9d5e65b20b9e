import threading
from pathlib import Path

import pytest

from tests.models import linear
from tests.work import HANGS_S
from trtbuild.request import ConvertRequest
from trtbuild.sources.identify import identify
from trtbuild.stage_options import options_of_stages
from trtbuild.steps import Run, together


def test_both_values_come_back_in_order() -> None:
    meet = threading.Barrier(2, timeout=10)  # neither returns unless both run at the same time

    def work(value: int) -> int:
        meet.wait()
        return value

    assert together(lambda: work(1), lambda: work(2)) == (1, 2)


def test_this_thread_only_waits() -> None:
    """It is the one that signals interrupt, and what they raise may get lost amid an import."""
    ran_on: list[threading.Thread] = []

    def work() -> None:
        ran_on.append(threading.current_thread())

    together(work, work, meanwhile=work)
    assert len(ran_on) == 3
    assert threading.current_thread() not in ran_on


@pytest.mark.parametrize("first", [True, False])
def test_the_first_error_does_not_wait_for_the_other(first: bool) -> None:
    end = threading.Event()

    def fail() -> None:
        raise RuntimeError("at once")

    def wait() -> bool:
        return end.wait(HANGS_S)

    with pytest.raises(RuntimeError, match="at once"):
        together(*((fail, wait) if first else (wait, fail)))
    assert not end.is_set()
    end.set()


def test_a_run_without_a_miss_starts_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    source = identify(str(linear(tmp_path / "tiny.onnx")))
    options = options_of_stages(ConvertRequest(source="", repo=tmp_path), "onnx")
    with Run(source, None, options, lambda _: None) as run:
        exported = run.export()
        run.operate(exported)
        assert [stage.cached for stage in run.stages] == [False, False]
    with Run(source, None, options, lambda _: None) as run:
        assert run.export() == exported
        assert [stage.cached for stage in run.stages] == [True]
        assert run._frameworks is None


def test_another_version_of_a_tool_is_another_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    source = identify(str(linear(tmp_path / "tiny.onnx")))
    options = options_of_stages(ConvertRequest(source="", repo=tmp_path), "onnx")
    with Run(source, None, options, lambda _: None) as run:
        run.export()
        monkeypatch.setattr("trtbuild.steps.metadata.version", lambda _: "99")
        run.export()
        assert [stage.cached for stage in run.stages] == [False, False]
