"""What a plan's lock says of its plugins, against what `--plugins` gave and the registry has."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest
from trtserve.plans import PlanRefused
from trtserve.plugins import load_plugins

from tests.plugins import stand_in
from tests.repository.content import content
from trtbuild.errors import PlanError
from trtbuild.plugins import PluginCreator, PluginFile, UsedPlugin
from trtbuild.repository.layout import LOCK
from trtbuild.repository.lock import lock_text

USED = UsedPlugin("libroll.so", "11" * 32, "opening", (PluginCreator("Roll", "1", ""),))
SAME = PluginFile(Path("/p/libroll.so"), "11" * 32)
OTHER = PluginFile(Path("/p/libroll.so"), "22" * 32)


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every file that is loaded brings the creator Roll."""
    module = stand_in.tensorrt()

    def load(trt: Any, file: PluginFile) -> None:
        trt.get_plugin_registry().register_creator(stand_in.Creator("Roll"), "")

    monkeypatch.setattr("trtbuild.plugin_registry.load_plugin", load)
    return module


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan whose lock says that it needs Roll."""
    made = content(tmp_path / "made", ("9.0",)).lock
    locked = msgspec.structs.replace(made.plans[0], file="a.plan", plugins=(USED,))
    (tmp_path / LOCK).write_bytes(lock_text(msgspec.structs.replace(made, plans=(locked,))))
    return tmp_path / "a.plan"


def test_the_file_it_was_built_with_goes_without_a_word(
    trt: Any, plan: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "trtserve"):
        load_plugins(trt, None, (SAME,), plan)
    assert caplog.messages == []


def test_another_build_of_it_is_taken_with_a_warning(
    trt: Any, plan: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "trtserve"):
        load_plugins(trt, None, (OTHER,), plan)
    (said,) = caplog.messages
    assert "a.plan was built with the plugin libroll.so (sha256 111111111111)" in said
    assert "/p/libroll.so (222222222222)" in said


def test_a_plan_is_refused_where_nothing_registers_its_plugin(trt: Any, plan: Path) -> None:
    with pytest.raises(PlanRefused) as caught:
        load_plugins(trt, None, (), plan)
    assert str(caught.value) == (
        "a.plan needs the plugin Roll (version 1), which nothing registers here: it was built with "
        "libroll.so; trtbuild serve --plugins libroll.so loads it"
    )


def test_a_plugin_that_does_not_load_refuses_the_plan(
    trt: Any, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(trt: Any, file: PluginFile) -> None:
        raise PlanError("it does not load", "link it")

    monkeypatch.setattr("trtbuild.plugin_registry.load_plugin", load)
    with pytest.raises(PlanRefused, match=r"it does not load \(link it\)"):
        load_plugins(trt, None, (SAME,), plan)


@pytest.mark.parametrize("text", [None, b"{"])
def test_a_plan_without_a_readable_lock_is_left_to_tensorrt(
    trt: Any, tmp_path: Path, text: bytes | None
) -> None:
    if text is not None:
        (tmp_path / LOCK).write_bytes(text)
    load_plugins(trt, None, (), tmp_path / "a.plan")
