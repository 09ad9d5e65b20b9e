"""Judging for one release of Triton: what it lacks, and what it is known for."""

from __future__ import annotations

import pytest

from tests.validate.conftest import Judge
from tests.validate.files import files_of
from tests.validate.oracle.server import Triton
from trtbuild.errors import UsageError
from trtbuild.validate.codes import RULES
from trtbuild.validate.finding import Severity
from trtbuild.validate.releases import OPSETS, RELEASES, named, release_from_text
from trtbuild.validate.rule import load_rule
from trtbuild.validate.rules.release.newer_feature import FIELDS


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("24.10", "24.10"),
        ("2.51", "24.10"),
        ("2.51.0", "24.10"),
        ("v2.51.0", "24.10"),
        ("24.10-py3", "24.10"),
        ("nvcr.io/nvidia/tritonserver:24.10-vllm-python-py3", "24.10"),
        ("2.40", "23.11"),
        ("2.59", "25.06"),
        ("2.59.1", "25.07"),
        ("2.60", "25.08"),
        ("2.72.0", "26.08"),
        ("2.74", "26.10"),
    ],
)
def test_a_release_by_any_of_its_names(text: str, name: str) -> None:
    assert release_from_text(text).name == name


@pytest.mark.parametrize("text", ["", "24.13", "22.01", "2.39", "3.0", "latest", "24.1", "2.59.7"])
def test_another_is_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(UsageError, match="no release of Triton") as raised:
        release_from_text(text)
    assert "23.11 (2.40)" in raised.value.hint
    assert "26.10 (2.74)" in raised.value.hint


def test_the_table_is_whole() -> None:
    assert len(RELEASES) == 36
    assert [release.name for release in RELEASES] == sorted(release.name for release in RELEASES)
    assert {release.onnxruntime for release in RELEASES} == {*OPSETS, ""}
    assert named("24.11").python == (3, 10)
    assert named("24.12").python == (3, 12)


FIELD = {
    "runtime": 'runtime: "x.so"',
    "input.is_non_linear_format_io": "input { name: 'a' is_non_linear_format_io: false }",
    "output.is_non_linear_format_io": "output { name: 'a' is_non_linear_format_io: false }",
    "model_metrics": "model_metrics { }",
    "ensemble_scheduling.max_inflight_requests": "ensemble_scheduling { max_inflight_requests: 1 }",
}


@pytest.mark.parametrize("path", FIELDS)
def test_a_field_is_unknown_until_its_release(path: str, judge: Judge, triton: Triton) -> None:
    text = f'-- m/config.pbtxt --\nbackend: "mine"\n{FIELD[path]}\n-- m/1/ --\n'
    for release in RELEASES:
        found = [f for f in judge(text, triton=release) if f.code == "T001"]
        assert bool(found) == (release.name < FIELDS[path]), release
        assert all(f.level == Severity.ERROR and f.line == 2 for f in found)
    assert "T001" not in {f.code for f in judge(text)}
    # 24.10 itself: whatever else it says, of a field that it knows it does not say that.
    said = triton.judge(files_of(text), "m").message
    assert ("has no field named" in said) == (FIELDS[path] > "24.10"), said


@pytest.mark.parametrize(
    ("text", "code", "levels"),
    [
        (
            'platform: "torch_aoti"\noutput { name: "a" data_type: TYPE_FP32 dims: [1] }\n',
            "T001",
            {"24.10": 3, "26.02": 3, "26.03": 0, "": 0},
        ),
        (
            'platform: "tensorflow_savedmodel"\n',
            "B005",
            {"24.10": 0, "25.02": 0, "25.03": 3, "26.08": 3, "": 2},
        ),
        (
            'backend: "python"\n',
            "T003",
            {"24.10": 2, "25.06": 2, "25.07": 0, "26.10": 0, "": 0},
        ),
        ('backend: "dali"\n', "T003", {"24.10": 2, "26.04": 2, "26.05": 0, "": 0}),
        (
            'backend: "mine"\ninput { name: "a" data_type: TYPE_FP32 '
            "dims: [4294967296, 4294967296] reshape { shape: [4294967296, 4294967296, 1] } }\n",
            "I007",
            {"24.10": 2, "26.02": 2, "26.03": 3, "": 3},
        ),
    ],
)
def test_by_release(text: str, code: str, levels: dict[str, int], judge: Judge) -> None:
    for name, level in levels.items():
        settings = {"triton": named(name)} if name else {}
        found = [f.level for f in judge(text, **settings) if f.code == code]
        assert found == ([Severity(level)] if level else []), name


def test_labels_outside_the_model(judge: Judge) -> None:
    text = """-- m/config.pbtxt --
backend: "mine"
output { name: "a" data_type: TYPE_FP32 dims: [1] label_filename: "../labels.txt" }
-- m/1/ --
-- labels.txt --
cat
"""
    for name, level in (("24.10", 2), ("26.01", 2), ("26.02", 3)):
        (found,) = (f for f in judge(text, triton=named(name)) if f.code == "L011")
        assert found.level == level


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_an_opset_that_its_onnx_runtime_does_not_take(release: object, judge: Judge) -> None:
    config = '-- m/config.pbtxt --\nplatform: "onnxruntime_onnx"\n-- m/1/model.onnx = '
    found = {}
    for opset in (18, 21, 22, 25, 27):
        text = f"{config}x:fp32[4] -> y:fp32[4] opset {opset} --\n"
        found[opset] = [f.level for f in judge(text, triton=release) if f.code == "F010"]
    newest = OPSETS.get(release.onnxruntime, (26, 0))[0]  # type: ignore[attr-defined]  # a Release
    level = Severity.ERROR if release.onnxruntime else Severity.WARNING  # type: ignore[attr-defined]
    assert found == {opset: [level] if opset > newest else [] for opset in found}


def test_a_plan_of_a_newer_tensorrt(judge: Judge) -> None:
    text = (
        '-- m/config.pbtxt --\nplatform: "tensorrt_plan"\n-- m/1/model.plan = tensorrt plan {} --\n'
    )
    for version, first in (("10.6.0.26", "24.11"), ("10.9.0.34", "25.03"), ("11.0.0.1", "26.06")):
        for release in RELEASES:
            found = [f for f in judge(text.format(version), triton=release) if f.code == "T002"]
            assert bool(found) == (release.name < first)


def test_configs_for_a_name_are_not_read_by_old_ones(judge: Judge) -> None:
    text = '-- m/configs/a.pbtxt --\nbackend: "mine"\n-- m/1/ --\n'
    for name, known in (("24.04", False), ("24.05", True)):
        found = [f.level for f in judge(text, triton=named(name)) if f.code == "T001"]
        assert found == [Severity.WARNING] * (not known)


def test_every_rule_says_in_which_releases_it_holds() -> None:
    for code in RULES:
        assert load_rule(code).releases.startswith(("all", "since 2"))
    assert load_rule("B005").releases.startswith("since 25.03 (2.56)")
