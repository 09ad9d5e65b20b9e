import json
from pathlib import Path

from tests.cli.conftest import Trtbuild
from tests.models import linear


def test_an_onnx_file_as_it_is(trtbuild: Trtbuild, tmp_path: Path) -> None:
    done = trtbuild("inspect", linear(tmp_path / "tiny.onnx"))
    assert done.returncode == 0, done.stderr
    facts = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert facts["kind"] == "onnx"
    assert facts["opset"] == "17"
    assert facts["ops"] == "MatMul 1, Relu 1"
    assert facts["inputs"] == "x fp32 [batch, 8]"
    assert facts["outputs"] == "y fp32 [batch, 8]"


def test_a_plan_by_its_header_and_lock(trtbuild: Trtbuild, tmp_path: Path) -> None:
    model = linear(tmp_path / "tiny.onnx")
    trtbuild("convert", model, "--repo", tmp_path / "repo", "--target", "8.6,8.9")
    plan = tmp_path / "repo/tiny/1/model.sm86-sm89.plan"
    done = trtbuild("inspect", plan)
    facts = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert facts["kind"] == "plan"
    assert facts["runtime"].startswith("tensorrt-rtx 1.")
    assert facts["targets"] == "8.6, 8.9"
    assert facts["profile"] == "x: min 1x8, opt 2x8, max 4x8"
    alone = tmp_path / "alone.plan"
    alone.write_bytes(plan.read_bytes())
    found = json.loads(trtbuild("inspect", alone, "--json").stdout)
    assert found["targets"] == ["8.6", "8.9"]
    assert found["inputs"] == []
    alone.write_bytes(plan.read_bytes()[:500])
    cut = trtbuild("inspect", alone)
    assert cut.returncode == 1
    assert "the plan was cut short: the file has 500 bytes" in cut.stderr


def test_a_plan_of_several_profiles(trtbuild: Trtbuild, tmp_path: Path) -> None:
    model = linear(tmp_path / "tiny.onnx")
    profiles = ("--profile", "batch=1x1x1", "--profile", "batch=2x16x32")
    done = trtbuild("convert", model, "--repo", tmp_path / "repo", "--target", "8.6", *profiles)
    assert done.returncode == 0, done.stderr
    plan = tmp_path / "repo/tiny/1/model.sm86.plan"
    lines = trtbuild("inspect", plan).stdout.splitlines()
    assert [line for line in lines if line.startswith("profile")] == [
        "profile 0 x: min 1x8, opt 1x8, max 1x8",
        "profile 1 x: min 2x8, opt 16x8, max 32x8",
    ]
    (found, other) = json.loads(trtbuild("inspect", plan, "--json").stdout)["profiles"]
    assert (found["x"]["max"], other["x"]["max"]) == ([1, 8], [32, 8])
