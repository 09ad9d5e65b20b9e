"""`trtbuild repo validate`: options, outputs and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.cli.conftest import Trtbuild
from tests.models import linear
from tests.validate.files import files_of, write
from trtbuild.cli import validate
from trtbuild.errors import UsageError

BAD = '-- m/config.pbtxt --\nbackend: "python"\nmax_batch_size: -1\n-- m/1/model.py --\n'
WARNING = (
    '-- m/config.pbtxt --\nbackend: "python"\ninstance_group { count: -1 }\n-- m/1/model.py --\n'
)
GOOD = '-- m/config.pbtxt --\nbackend: "python"\n-- m/1/model.py --\n'

app = typer.Typer()
app.command()(validate.command)


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    write(tmp_path, files_of(BAD))
    return tmp_path


def test_exits_with_1_on_errors_and_0_without(tmp_path: Path) -> None:
    for text, code in ((BAD, 1), (WARNING, 0), (GOOD, 0)):
        root = tmp_path / str(hash(text))
        write(root, files_of(text))
        assert run(root)[0] == code


def test_min_severity_moves_the_line(tmp_path: Path) -> None:
    write(tmp_path, files_of(WARNING))
    assert run(tmp_path, "--min-severity", "warning")[0] == 1
    assert run(tmp_path, "--min-severity", "error")[0] == 0


@pytest.mark.parametrize("format_", ["text", "json", "sarif", "junit", "github"])
def test_every_format_goes_to_stdout_and_to_a_file(repository: Path, format_: str) -> None:
    code, shown = run(repository, "--format", format_)
    assert code == 1
    assert "I013" in shown
    out = repository.parent / "report"
    code, empty = run(repository, "--format", format_, "--output", out)
    assert (code, empty) == (1, "")
    assert out.read_text() == shown


def test_select_and_ignore(repository: Path) -> None:
    assert run(repository, "--ignore", "I013")[0] == 0
    assert run(repository, "--ignore", "negative-max-batch-size,L")[0] == 0
    assert run(repository, "--select", "L", "--select", "B")[0] == 0
    assert run(repository, "--select", "I0")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "xml"], "--format 'xml' is none of text, json, sarif, junit, github"),
        (["--server", "torchserve"], "--server 'torchserve' is none of triton, trtbuild"),
        (["--min-severity", "bad"], "--min-severity 'bad' is none of info, warning, error"),
        (["--select", "Z9"], "--select 'Z9' is no code"),
        (["--gpu", "8.8"], "no GPU and no compute capability is called '8.8'"),
        (["--fix", "--diff"], "--fix and --diff exclude each other"),
        (["--format", "json", "--diff"], "--format json and --diff exclude each other"),
        (["--output", "report", "--diff"], "--output and --diff exclude each other"),
        (["--output", "/nowhere/report"], "cannot write the report to '/nowhere/report'"),
    ],
)
def test_misuse_says_what_is_possible(repository: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        run(repository, *arguments)
    assert error.value.message.startswith(message)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no"):
        run(tmp_path / "absent")


def test_a_model_and_a_config_file_can_be_given(repository: Path) -> None:
    write(repository, files_of(BAD.replace("m/", "other/")))
    for path in (repository / "m", repository / "m/config.pbtxt"):
        _, shown = run(path, "--format", "json")
        assert {f["model"] for f in json.loads(shown)["findings"]} == {"m"}


def test_here_is_a_model_too(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, path in (("m", "."), ("m/1", ".."), (".", "m"), ("m", "config.pbtxt")):
        monkeypatch.chdir(repository / place)
        code, shown = run(path)
        assert code == 1
        assert shown.endswith("in 1 model\n")


def test_what_holds_no_model_is_said(tmp_path: Path) -> None:
    write(tmp_path, files_of(GOOD))
    with pytest.raises(UsageError, match="is version 1 of the model 'm'"):
        run(tmp_path / "m/1")
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(app, [str(tmp_path / "empty")])
    assert result.exit_code == 0
    assert "there are no models in" in result.stderr


def test_a_lone_config_file_is_judged_by_its_text(tmp_path: Path) -> None:
    file = tmp_path / "draft.pbtxt"
    file.write_text('backend: "python"\nmax_batch_size: -1\n')
    code, shown = run(file)
    assert code == 1
    assert "I013" in shown
    assert "L001" not in shown


def test_variants_of_a_config_are_judged_too(repository: Path) -> None:
    write(repository, {"m/configs/gpu.pbtxt": b'backend: "python"\nmax_batch_size: -2\n'})
    _, shown = run(repository)
    assert "configs/gpu.pbtxt:2:17" in shown


def test_gpus_of_the_fleet(tmp_path: Path) -> None:
    text = '-- m/config.pbtxt --\nplatform: "tensorrt_plan"\ncc_model_filenames '
    text += '{ key: "8.6" value: "a" }\n-- m/1/a = tensorrt plan 10.9.0.34 --\n'
    write(tmp_path, files_of(text))
    _, shown = run(tmp_path, "--gpu", "A10,T4", "--gpu", "sm_89")
    assert "no plan for GPUs of 7.5" in shown
    assert "no plan for GPUs of 8.9" in shown
    assert "no plan for GPUs of 8.6" not in shown


def test_fix_and_diff(tmp_path: Path) -> None:
    write(tmp_path, files_of(GOOD.replace("backend", 'name: "x"\nbackend')))
    config = tmp_path / "m/config.pbtxt"
    before = config.read_text()
    code, shown = run(tmp_path, "--diff")
    assert code == 1
    assert '-name: "x"\n+name: "m"\n' in shown
    assert config.read_text() == before
    code, shown = run(tmp_path, "--fix")
    assert code == 0
    assert config.read_text() == before.replace('"x"', '"m"')


def test_convert_ends_by_validating_what_it_wrote(trtbuild: Trtbuild, tmp_path: Path) -> None:
    """For the server that its plans are for: not a word of stock Triton about an RTX model."""
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\n")
    model, repo = linear(tmp_path / "tiny.onnx"), tmp_path / "repo"
    shown = trtbuild(
        "convert", model, "--repo", repo, "--target", "8.6", "--labels", f"y={labels}"
    ).stdout.splitlines()
    said = [line for line in shown if line.startswith("repo validate: ")]
    assert [line.split()[2:4] for line in said] == [["warning", "L012"]]
    _, again = run(repo, "--server", "trtbuild", "--format", "json")
    assert [f["code"] for f in json.loads(again)["findings"]] == ["L012"]


def imported_by(*arguments: object) -> set[str]:
    """The top-level modules that the command imports."""
    code = (
        "import sys, typer\nfrom trtbuild.cli import validate\n"
        "app = typer.Typer()\napp.command()(validate.command)\n"
        "try:\n    app()\nfinally:\n"
        "    print('|'.join(sorted({name.split('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    return set(done.stdout.strip().rpartition("\n")[2].split("|"))


def test_imports_no_framework(tmp_path: Path) -> None:
    write(tmp_path, files_of("-- m/1/model.onnx = x:fp32[N,4] -> y:fp32[N,4] --\n" + BAD))
    imported = imported_by(tmp_path)
    heavy = {"numpy", "onnx", "onnxruntime", "tensorflow", "torch", "tensorrt", "grpc"}
    assert imported & {"typer", "google"}
    assert not imported & heavy


def test_fix_writes_what_diff_shows(tmp_path: Path) -> None:
    """Also where one repair uncovers another fault, in the same file and in others."""
    text = """-- e/config.pbtxt --
name: "x" backend: "python"
platform: "ensemble"
input { name: "a" data_type: FLOAT dims: [4] }
output { name: "b" data_type: TYPE_FP32 dims: [4] }
ensemble_scheduling { step { model_name: "m"
  input_map { key: "a" value: "a" } output_map { key: "b" value: "b" } } }
instance_group { kind: KIND_GPU }
-- m/config.pbtxt --
backend: "python" max_batchsize: 0
input { name: "a" data_type: FLOAT dims: [4] }
output { name: "b" data_type: float dims: [4] }
instance_group { kind: KIND_CPU gpus: [0] }
-- m/1/model.py --
"""
    first, second = tmp_path / "first", tmp_path / "second"
    for root in (first, second):
        write(root, files_of(text))
    _, shown = run(first, "--diff")
    code, _ = run(first, "--fix")
    assert code == 0
    patch = [line for line in shown.splitlines() if not line.startswith("create folder")]
    (second / "patch").write_text("\n".join(patch).replace(str(first), str(second)) + "\n")
    subprocess.run(
        ["patch", "-p0", "-d", "/", "-s", "-i", second / "patch"], check=True, capture_output=True
    )
    for name in ("e", "m"):
        fixed = (first / name / "config.pbtxt").read_text()
        assert fixed == (second / name / "config.pbtxt").read_text()
    assert f"create folder {first}/e/1/" in shown
    assert (first / "e/1").is_dir()


@pytest.mark.parametrize(
    ("variables", "colored"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    repository: Path, variables: dict[str, str], colored: bool
) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "trtbuild", "repo", "validate", str(repository)]
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM", "FORCE_COLOR")}
    subprocess.run(command, stdout=theirs, stderr=-3, env={**kept, **variables}, check=False)
    os.close(theirs)
    shown = os.read(ours, 1 << 16)
    os.close(ours)
    assert (b"\033[" in shown) == colored
    assert b"I013" in shown


@pytest.mark.parametrize("depth", ["", "deep/", "deeper/still/"])
def test_a_folder_above_the_repository_is_called_so(depth: str, tmp_path: Path) -> None:
    write(tmp_path, files_of(GOOD.replace("-- m/", f"-- {depth}models/m/")))
    (tmp_path / "docs").mkdir()
    write(tmp_path / ".hidden", files_of(GOOD))
    with pytest.raises(UsageError) as raised:
        run(tmp_path)
    assert f"the models are in '{tmp_path}/{depth}models'" in raised.value.message
    assert run(tmp_path / f"{depth}models")[0] == 0


def test_a_folder_of_repositories_is_called_so(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        write(tmp_path / name, files_of(GOOD))
    with pytest.raises(UsageError) as raised:
        run(tmp_path)
    assert raised.value.message.endswith("a folder of 4: a, b, c and 1 more")
    assert f"{tmp_path}/a {tmp_path}/b" in raised.value.hint
    assert run(*(tmp_path / name for name in "abcd"))[0] in (0, 1)
    (tmp_path / "m/1").mkdir(parents=True)  # with a model beside them it is a repository
    assert run(tmp_path)[0] == 1


def test_the_servers_release_and_its_python(tmp_path: Path) -> None:
    """Python 3.10 until 24.11, 3.12 from 24.12 on; --server-python is heard first."""
    newer = GOOD + "class TritonPythonModel:\n    def execute(self, requests):\n"
    write(tmp_path, files_of(newer + '        return f"{self.a["b"]}"\n'))
    old = run(tmp_path, "--triton", "24.10", "--format", "json")
    assert (old[0], "Y001" in old[1], "T003" in old[1]) == (1, True, True)
    assert run(tmp_path, "--triton", "2.53")[0] == 0
    assert run(tmp_path, "--triton", "24.10", "--server-python", "3.12")[0] == 0
    with pytest.raises(UsageError, match="no release of Triton"):
        run(tmp_path, "--triton", "22.01")
    with pytest.raises(UsageError, match="is no version of Python 3"):
        run(tmp_path, "--server-python", "2.7")
