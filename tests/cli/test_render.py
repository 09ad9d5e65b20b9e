import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbuild.artifacts import Conversion, OnnxModel, Plan, Progress, VerifyReport
from trtbuild.capability import Capability
from trtbuild.cli import render
from trtbuild.plugins import LoadedBy, PluginCreator, UsedPlugin


def test_without_a_terminal_progress_is_a_line_a_phase(capsys: pytest.CaptureFixture[str]) -> None:
    with render.progress() as on_progress:
        for done in range(3):
            on_progress(Progress("8.9", "tactics", done, 3))
        on_progress(Progress("8.6", "tactics"))
        on_progress(Progress("8.9", "serialize"))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["8.9: tactics", "8.6: tactics", "8.9: serialize"]


def test_phases_that_take_turns_are_told_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """As in a build by data-centre TensorRT, which was 70 lines in a log."""
    now_s = 0.0
    lines = render.Lines(lambda: now_s)
    for tenths in range(250):
        now_s = tenths / 10
        phase = ("Measuring tactic time", "Evaluating tactic times")[tenths % 2]
        lines(Progress("9.0", phase, 4 * tenths, 1000))
    assert capsys.readouterr().err.splitlines() == [
        "9.0: Measuring tactic time",
        "9.0: Evaluating tactic times",
        "9.0: Evaluating tactic times (40 %)",
        "9.0: Evaluating tactic times (80 %)",
    ]


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with render.progress(quiet=True) as on_progress:
        on_progress(Progress("8.9", "tactics"))
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_there_is_a_bar_for_each_piece_of_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with render.progress() as on_progress:
        on_progress(Progress("8.9", "tactics", 1, 2))
        on_progress(Progress("8.6", "tactics", 2, 2))
    drawn = terminal.getvalue()
    assert "50%" in drawn
    assert "100%" in drawn
    assert "8.9" in drawn
    assert "8.6" in drawn


def test_a_table_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    wide = "x" * 500
    render.table(("NAME", "SIZE"), [(wide, "1"), ("[bold]y", "22")], right=("SIZE",))
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["NAME", "SIZE"]
    assert first == f"{wide}     1"
    assert second == "[bold]y".ljust(500) + "    22"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (97_500_000, "97.5 MB"), (10**13, "10000.0 GB")],
)
def test_sizes(size: int, text: str) -> None:
    assert render.size_text(size) == text


@given(st.integers(0, 10**15))
def test_any_size_has_a_text(size: int) -> None:
    assert render.size_text(size)[-1] == "B"


@pytest.mark.parametrize(
    ("loaded_by", "file", "says"),
    [
        ("opening", "libroll.so", '--backend-config=tensorrt,plugins="libroll.so"'),
        ("getCreators", "libroll.so", "a stock Triton cannot load them"),
        ("import", "roll.py", "a stock Triton cannot load them"),
    ],
)
def test_plugins_come_with_how_servers_are_told_of_them(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    loaded_by: LoadedBy,
    file: str,
    says: str,
) -> None:
    model = OnnxModel(tmp_path, ("m.onnx",), "d", 9, (), (), 17, "test")
    used = UsedPlugin(file, "aa", loaded_by, (PluginCreator("Roll", "1", ""),))
    plan = Plan(
        tmp_path, "p.plan", "d", 4, (Capability(9, 0),), "tensorrt", "10.6", 0.1, plugins=(used,)
    )
    render.conversion(
        Conversion(
            "net", 1, tmp_path, "tensorrt", "10.6", model, {}, (plan,), (), VerifyReport((), {}),
            (), (), "", (), (), 1.0,
        )
    )  # fmt: skip
    said = capsys.readouterr().out
    assert f"trtbuild serve --plugins {file}" in said
    assert says in said
