"""`trtbuild convert` as a user types it: what it prints, where, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Trtbuild
from tests.models import bf16_inside, deep, linear


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_the_table_names_target_file_size_seconds_status_and_cache(
    trtbuild: Trtbuild, tmp_path: Path
) -> None:
    model = linear(tmp_path / "tiny.onnx")
    done = trtbuild("convert", model, "--repo", tmp_path / "repo", "--target", "8.6,sm_89")
    assert done.returncode == 0, done.stderr
    out = lines(done.stdout)
    assert out[0].split() == ["TARGET", "FILE", "SIZE", "SECONDS", "STATUS", "CACHED"]
    assert [row.split()[:2] for row in out[1:3]] == [
        ["8.6", "model.sm86-sm89.plan"],
        ["8.9", "model.sm86-sm89.plan"],
    ]
    assert [row.split()[-2:] for row in out[1:3]] == [["ok", "no"]] * 2
    assert "plan 8.9: not run: no GPU of 8.9" in done.stdout
    assert out[-2].startswith(f"wrote {tmp_path}/repo/tiny/1 with tensorrt-rtx ")
    assert out[-1].startswith("serve it with `trtbuild serve`")
    assert "8.6: " in done.stderr
    again = trtbuild("convert", model, "--repo", tmp_path / "repo", "--target", "8.6,8.9", "-q")
    assert [row.split()[-2:] for row in lines(again.stdout)[1:3]] == [["ok", "yes"]] * 2
    assert again.stderr == ""


def test_json_is_alone_on_stdout(trtbuild: Trtbuild, tmp_path: Path) -> None:
    model = linear(tmp_path / "tiny.onnx")
    done = trtbuild("convert", model, "--repo", tmp_path / "repo", "--target", "A10", "--json")
    result = json.loads(done.stdout)
    assert result["name"] == "tiny"
    assert result["plans"][0]["targets"] == [{"major": 8, "minor": 6}]
    assert done.stdout.count("\n") == 1


def test_partly_has_its_own_exit_code(trtbuild: Trtbuild, tmp_path: Path) -> None:
    model = bf16_inside(tmp_path / "tiny.onnx")
    done = trtbuild("convert", model, "--repo", tmp_path / "repo", "--target", "7.5,8.6", "-q")
    assert done.returncode == 4
    out = lines(done.stdout)
    assert out[1].split()[0] == "7.5"
    assert out[1].split()[-2:] == ["failed", "no"]
    assert out[2].split()[-2:] == ["ok", "no"]
    assert "7.5 failed: " in done.stdout
    assert (tmp_path / "repo/tiny/1").exists()


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        (
            ["--target", "9.0"],
            1,
            "tensorrt-rtx 1.7.1.116 builds no plans for 9.0 (H100, H200, H20); it builds for "
            "7.5, 8.0, 8.6, 8.9, 12.0, 12.1",
        ),
        (["--target", "A11"], 2, "no GPU and no compute capability is called 'A11'"),
        (["--target", "current"], 1, "--target current: this machine has no GPU"),
        (["--runtime", "tensorrt"], 1, "--runtime tensorrt needs the package 'tensorrt'"),
        (["--opt-shapes", "z:1x8"], 1, "--opt-shapes names input 'z'; the model has: x"),
        (
            ["--min-shapes", "x:8x8", "--max-shapes", "x:4x8"],
            1,
            "input 'x': dim 'batch' has min 8, opt 6, max 4; they must not shrink from min to max",
        ),
        (
            ["--opt-shapes", "x:1x9"],
            1,
            "--opt-shapes x:1x9 contradicts the model, whose dim 1 is fixed at 8: x fp32 "
            "[batch, 8]",
        ),
        (["--max-batch", "0"], 2, "Invalid value for '--max-batch'"),
        (["--add", "--replace"], 2, "--add and --replace contradict each other"),
        (["--name", "../up"], 2, "'../up' is no name for a model"),
        (["--labels", "y=nowhere.txt"], 2, "--labels y: no such file: 'nowhere.txt'"),
        (["--labels", "y"], 2, "--labels 'y' is not OUTPUT=FILE"),
        (
            ["--preferred-batch", "9"],
            1,
            "--preferred-batch 9: the plans were built for batches from 1 to 4",
        ),
        (["--timing-cache", "t"], 2, "tensorrt-rtx has no --timing-cache"),
        (["--input", "x=fp32[-1]"], 2, "neither a positive number nor a name"),
        (
            ["--outputs", "nothing"],
            1,
            "--outputs names 'nothing', which no tensor of the model is called",
        ),
        (["--kind", "keras"], 1, "is an ONNX file\n"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else None,
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    trtbuild: Trtbuild, tmp_path: Path, options: list[str], code: int, error: str
) -> None:
    model = linear(tmp_path / "tiny.onnx")
    done = trtbuild("convert", model, "--repo", tmp_path / "repo", "-q", *options)
    assert done.returncode == code, done.stderr
    assert error in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "repo" / "tiny").exists()


def test_a_missing_file(trtbuild: Trtbuild, tmp_path: Path) -> None:
    done = trtbuild("convert", tmp_path / "nowhere.onnx", "--repo", tmp_path / "repo")
    assert done.returncode == 1
    assert lines(done.stderr)[0] == f"error: no such file or folder: '{tmp_path}/nowhere.onnx'"


def test_a_package_that_is_not_installed_is_named_with_the_pip_command(
    trtbuild: Trtbuild, tmp_path: Path
) -> None:
    """A torch that cannot be imported stands before the real one on the path."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text("raise ModuleNotFoundError(name='torch')")
    (tmp_path / "net.py").write_text("def factory():\n    import torch\n")
    done = trtbuild(
        "convert", f"{tmp_path}/net.py:factory", "--repo", tmp_path / "repo", "-q",
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "needs the package 'torch', which is not installed" in done.stderr
    assert 'pip install "trtbuild[torch]"' in done.stderr


def workers_of(pid: int) -> set[int]:
    """Every process below `pid`."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        children = Path(f"/proc/{waiting.pop()}/task")
        for task in children.glob("*/children"):
            fresh = {int(word) for word in task.read_text().split()}
            waiting += fresh - found
            found |= fresh
    return found


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_in_mid_build_leaves_no_worker_and_no_change(
    tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    model = deep(tmp_path / "deep.onnx")
    command = [Path(sys.executable).parent / "trtbuild", "convert", model, "--repo"]
    with subprocess.Popen(
        [*map(str, command), str(tmp_path / "repo")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TRTBUILD_CACHE_DIR": str(tmp_path / "cache")},
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("8.6: Building"):
                break
        workers = workers_of(process.pid)
        assert workers
        process.send_signal(sent)
        said = process.stderr.read()
        assert process.wait(20) == code, said
    assert "Traceback" not in said
    end = time.monotonic() + 10
    while any(running(worker) for worker in workers):
        assert time.monotonic() < end, "a worker still runs"
        time.sleep(0.02)
    assert not (tmp_path / "repo").exists()
    assert not list((tmp_path / "cache").glob("plan/*"))


def test_the_help_names_every_command_and_is_quick(trtbuild: Trtbuild) -> None:
    done = trtbuild("--help")
    assert done.returncode == 0
    for command in ("convert", "check", "inspect", "doctor", "repo", "cache"):
        assert f" {command} " in done.stdout
    assert trtbuild("--version").stdout.startswith("trtbuild 0.")
    assert trtbuild("nonsense").returncode == 2
