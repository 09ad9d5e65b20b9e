"""Repositories as a whole: order, members first, circles, several repositories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.validate.conftest import Judge
from tests.validate.files import files_of, write
from tests.validate.test_positive import ENSEMBLE
from trtbuild.validate import targets
from trtbuild.validate.finding import Severity
from trtbuild.validate.model import Model
from trtbuild.validate.run import validate
from trtbuild.validate.settings import Settings
from trtbuild.validate.targets import open_model


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


def test_of_a_repository_only_what_is_asked_for_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, files_of(ENSEMBLE) | {"other/config.pbtxt": b"", "limited/1/": b""})
    limit = 'backend: "b" instance_group { rate_limiter { resources { name: "R" count: 1 } } }'
    for name in ("limited", "too"):
        write(tmp_path, {f"{name}/config.pbtxt": limit.encode()})
    opened: list[str] = []

    def noting(name: str, *rest: Any) -> Model:
        opened.append(name)
        return open_model(name, *rest)

    monkeypatch.setattr(targets, "open_model", noting)
    members = {"decode", "classify"}
    for paths, expected in (
        (["other"], {"other"}),
        (["pipeline"], {"pipeline", *members}),
        (["pipeline", "decode", "pipeline"], {"pipeline", *members}),
        (["limited"], {"limited", "too"}),
    ):
        opened.clear()
        report = validate([tmp_path / path for path in paths], Settings())
        assert sorted(opened) == sorted(expected)
        assert report.models == len(set(paths))


def test_a_misspelt_member_is_looked_for_among_all_models(tmp_path: Path) -> None:
    write(tmp_path, files_of(ENSEMBLE))
    config = tmp_path / "pipeline/config.pbtxt"
    config.write_text(config.read_text().replace('model_name: "decode"', 'model_name: "decoed"'))
    (found,) = (f for f in validate([config.parent], Settings()).findings if f.code == "E009")
    assert "did you mean 'decode'" in found.message


def test_overlapping_paths_tell_of_a_finding_once(tmp_path: Path) -> None:
    write(tmp_path, files_of('backend: "python"\nmax_batch_size: -1\n'))
    paths = [tmp_path / "demo/config.pbtxt", tmp_path / "demo", tmp_path]
    report = validate(paths, Settings())
    assert [f.code for f in report.findings] == ["I013"]
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
