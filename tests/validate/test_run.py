"""Repositories as a whole: order, members first, circles, several repositories."""

from __future__ import annotations

from pathlib import Path

from tests.validate.conftest import Judge
from tests.validate.files import files_of, write
from tests.validate.test_positive import ENSEMBLE
from trtbuild.validate.finding import Severity
from trtbuild.validate.run import validate
from trtbuild.validate.settings import Settings


def test_findings_come_by_model_and_place(judge: Judge) -> None:
    text = "".join(
        f'-- {name}/config.pbtxt --\nbackend: "python"\nmax_batch_size: -1\nname: "x"\n'
        f"-- {name}/1/model.py --\n"
        for name in ("b", "a")
    )
    found = judge(text)
    assert [(f.model, f.code) for f in found] == [
        ("a", "I013"), ("a", "L007"), ("b", "I013"), ("b", "L007"),
    ]  # fmt: skip


def test_a_broken_member_breaks_every_ensemble_above_it(judge: Judge) -> None:
    step = 'step {{ model_name: "{}" model_version: -1 input_map {{ key: "a" value: "a" }} '
    step += 'output_map {{ key: "b" value: "b" }} }}'
    ports = 'input { name: "a" data_type: TYPE_FP32 dims: 1 }\n'
    ports += 'output { name: "b" data_type: TYPE_FP32 dims: 1 }\n'
    text = f'-- z/config.pbtxt --\nbackend: "x" max_batch_size: -1\n{ports}-- z/1/ --\n'
    for name, member in (("a", "m"), ("m", "z")):
        text += f'-- {name}/config.pbtxt --\nplatform: "ensemble"\n{ports}'
        text += f"ensemble_scheduling {{ {step.format(member)} }}\n-- {name}/1/ --\n"
    found = {(f.model, f.code) for f in judge(text)}
    assert found == {("z", "I013"), ("m", "E011"), ("a", "E011")}


def test_one_ensemble_is_judged_with_its_members(tmp_path: Path) -> None:
    write(tmp_path, files_of(ENSEMBLE))
    (tmp_path / "decode/config.pbtxt").write_text('backend: "python"\nmax_batch_size: -1\n')
    report = validate([tmp_path / "pipeline"], Settings())
    assert {f.code for f in report.findings} == {"E011"}
    assert report.models == 1


def test_an_ensemble_alone_is_not_judged_by_members_nobody_gave(tmp_path: Path) -> None:
    write(tmp_path, files_of(ENSEMBLE))
    lone = tmp_path / "lone.pbtxt"
    lone.write_text((tmp_path / "pipeline/config.pbtxt").read_text())
    assert validate([lone], Settings()).findings == ()


def test_counts_and_failing(judge: Judge, tmp_path: Path) -> None:
    write(
        tmp_path / "r",
        {"m/config.pbtxt": b'backend: "x"\ninstance_group { count: -1 }\n', "m/1/": b""},
    )
    report = validate([tmp_path / "r"], Settings())
    assert [report.count(severity) for severity in Severity] == [0, 1, 0]
    assert report.fails(Severity.WARNING)
    assert not report.fails(Severity.ERROR)
