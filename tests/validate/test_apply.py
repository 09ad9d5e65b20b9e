"""Repairs: right, minimal, and nothing left to do the second time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.validate.files import files_of, options_of, write
from trtbuild.validate.apply import diff, edited, plan_repair, repair_all, write_repair
from trtbuild.validate.codes import RULES
from trtbuild.validate.finding import Edit
from trtbuild.validate.rule import load_rule
from trtbuild.validate.run import Report, validate
from trtbuild.validate.settings import Settings

# The rules whose example has one right answer.
FIXABLE = (
    *("C002", "C003", "L002", "L007", "B002", "I003", "I009", "E003", "E012", "G001"),
    *("G004", "F003", "F004", "F005", "F011", "F016", "P001", "Y007"),
)


def mend(report: Report, root: Path) -> tuple[int, Report]:
    """Write all repairs: how many there were, and what is found afterwards."""
    repair, after = repair_all(report, [root], Settings())
    write_repair(repair)
    assert validate([root], Settings()).findings == after.findings  # as foreseen
    return len(repair.fixed), after


def validated(root: Path) -> Report:
    return validate([root], Settings())


@pytest.mark.parametrize("code", FIXABLE)
def test_the_example_is_repaired(code: str, tmp_path: Path) -> None:
    example = load_rule(code).section("Example")
    assert not options_of(example)
    write(tmp_path, files_of(example))
    before = validated(tmp_path)
    assert code in {finding.code for finding in before.findings}
    _, after = mend(before, tmp_path)
    assert code not in {finding.code for finding in after.findings}
    assert not plan_repair(after.findings).fixed


def test_no_other_example_has_a_repair_we_do_not_know_of(tmp_path: Path) -> None:
    for code in RULES:
        example = load_rule(code).section("Example")
        if options_of(example) or "->" in example:
            continue
        root = tmp_path / code
        write(root, files_of(example))
        fixed = {f.code for f in plan_repair(validated(root).findings).fixed}
        assert not (fixed & {code}) or code in FIXABLE, f"{code} repairs its example"


ENSEMBLE = """-- ens/config.pbtxt --
# head comment

name: "wrong"   # the name
platform: "ensemble"
input [ { name: "a", data_type: TYPE_FP32, dims: [ 4 ] } ]
output [ { name: "b", data_type: TYPE_FP32, dims: [ 4 ] } ]
ensemble_scheduling {
  step [
    { model_name: "n" model_version: 0  # latest, please
      input_map { key: "a" value: "a" } output_map { key: "b" value: "x" } },
    {
      # second
      model_name: "n"
      input_map { key: "a" value: "x" } output_map { key: "b" value: "b" }
    }
  ]
}
instance_group [ { count: 1 }, { count: 2 } ]
optimization { }  # nothing
-- n/config.pbtxt --
backend: "python"
max_batchsize: 0
input { name: "a" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "b" data_type: FP32 dims: [ 4 ] }
cc_model_filenames [ { key: "sm_86" value: "a" }, { key: "8.9" value: "b" } ]
-- n/1/model.py --
"""


def test_keeps_comments_and_layout_and_is_idempotent(tmp_path: Path) -> None:
    write(tmp_path, files_of(ENSEMBLE))
    fixed, after = mend(validated(tmp_path), tmp_path)
    assert fixed >= 7
    assert [f for f in after.findings if f.level == 3] == []
    assert (tmp_path / "ens/1").is_dir()
    assert (
        (tmp_path / "ens/config.pbtxt").read_text()
        == """# head comment

name: "ens"   # the name
platform: "ensemble"
input [ { name: "a", data_type: TYPE_FP32, dims: [ 4 ] } ]
output [ { name: "b", data_type: TYPE_FP32, dims: [ 4 ] } ]
ensemble_scheduling {
  step [
    { model_name: "n" model_version: -1  # latest, please
      input_map { key: "a" value: "a" } output_map { key: "b" value: "x" } },
    {
      model_version: -1
      # second
      model_name: "n"
      input_map { key: "a" value: "x" } output_map { key: "b" value: "b" }
    }
  ]
}
# nothing
"""
    )
    assert '{ key: "8.6" value: "a" }' in (tmp_path / "n/config.pbtxt").read_text()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.pbtxt")}
    assert mend(after, tmp_path)[0] == 0
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.pbtxt")}


def test_crlf_and_bytes_that_are_no_utf8_stay(tmp_path: Path) -> None:
    text = b'# caf\xe9\r\nname: "x"\r\nbackend: "python"\r\n'
    write(tmp_path, {"m/config.pbtxt": text, "m/1/model.py": b""})
    mend(validated(tmp_path), tmp_path)
    assert (tmp_path / "m/config.pbtxt").read_bytes() == text.replace(b'"x"', b'"m"')


def test_diff_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, files_of(ENSEMBLE))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.pbtxt")}
    shown = diff(plan_repair(validated(tmp_path).findings))
    assert "create folder" in shown
    assert '-name: "wrong"   # the name\n+name: "ens"   # the name\n' in shown
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.pbtxt")}


def test_a_link_stays_a_link_and_the_mode_is_kept(tmp_path: Path) -> None:
    shared = linked_config(tmp_path, tmp_path / "repo")
    mend(validated(tmp_path / "repo"), tmp_path / "repo")
    assert (tmp_path / "repo/m/config.pbtxt").is_symlink()
    assert shared.read_text() == 'name: "m"\nbackend: "python"\n'
    assert shared.stat().st_mode & 0o777 == 0o640


def test_what_a_link_leads_to_outside_is_not_repaired(tmp_path: Path) -> None:
    shared = linked_config(tmp_path, tmp_path)
    before = shared.read_bytes()
    fixed, report = mend(validated(tmp_path / "repo"), tmp_path / "repo")
    assert (fixed, shared.read_bytes()) == (0, before)
    (finding,) = report.findings
    assert (finding.code, "leads out of the repository" in finding.message) == ("C008", True)
    following = Settings(follow_links=True)
    report = validate([tmp_path / "repo"], following)
    assert len(repair_all(report, [tmp_path / "repo"], following)[0].fixed) == 1


def linked_config(tmp_path: Path, place: Path) -> Path:
    """A model whose config is a link to one in `place` that needs a repair."""
    write(tmp_path / "repo", {"m/1/model.py": b"class TritonPythonModel: pass\n"})
    shared = place / "shared.pbtxt"
    shared.write_text('name: "x"\nbackend: "python"\n')
    shared.chmod(0o640)
    (tmp_path / "repo/m/config.pbtxt").symlink_to(shared)
    return shared


def test_edits_apply_from_the_end() -> None:
    assert edited("abcdef", [Edit(0, 1, "X"), Edit(4, 6, ""), Edit(2, 2, "_")]) == "Xb_cd"


def test_nothing_to_repair_writes_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"m/config.pbtxt": b'backend: "x"\n', "m/1/": b""})
    repair = plan_repair(validated(tmp_path).findings)
    assert repair.fixed == ()
    write_repair(repair)
    assert (tmp_path / "m/config.pbtxt").read_bytes() == b'backend: "x"\n'


@pytest.mark.parametrize(
    ("given", "fixed"),
    [
        ("data_type: TYPE_FLOAT dims: 4", "data_type: TYPE_FP32 dims: 4"),
        ("data_type: LONG shape: 4", "data_type: TYPE_INT64 dims: 4"),
        ("data_type: TYPE_FP dims: 4", "data_type: TYPE_FP dims: 4"),  # which, nobody says
        ("data_type: TYPE_FP4 dims: 4", "data_type: TYPE_FP4 dims: 4"),
        ("shape: 4 dims: 4", "shape: 4 dims: 4"),  # not to [4, 4]
    ],
)
def test_a_word_is_replaced_only_by_the_one_right_one(
    tmp_path: Path, given: str, fixed: str
) -> None:
    text = 'backend: "python"\ninput {{ name: "a" {} }}\n'
    write(tmp_path, files_of(text.format(given)))
    mend(validated(tmp_path), tmp_path)
    assert (tmp_path / "demo/config.pbtxt").read_text() == text.format(fixed)


@pytest.mark.parametrize("other", ["sm86", "86", "8.6"])
def test_no_plan_is_dropped_for_two_keys_that_mean_one_gpu(tmp_path: Path, other: str) -> None:
    text = """platform: "tensorrt_plan"
cc_model_filenames { key: "sm_86" value: "a.plan" }
cc_model_filenames { key: "%s" value: "b.plan" }
cc_model_filenames { key: "sm_89" value: "c.plan" }
"""
    write(tmp_path, files_of(text % other))
    mend(validated(tmp_path), tmp_path)
    config = (tmp_path / "demo/config.pbtxt").read_text()
    assert config == (text % other).replace("sm_89", "8.9")


COMMENTED = (
    """backend: "python"
instance_group { kind: KIND_CPU gpus: [ 0, # one
  1 ] }
""",
    """-- demo/config.pbtxt --
max_batch_size: 4
input { name: "a" data_type: TYPE_FP32
  dims: [-1,   # batch
    3, 224, 224] }
output { name: "b" data_type: TYPE_FP32 dims: 4 }
-- demo/1/model.onnx = a:fp32[N,3,224,224] -> b:fp32[N,4] --
""",
)


@pytest.mark.parametrize("text", COMMENTED)
def test_a_comment_is_not_lost(tmp_path: Path, text: str) -> None:
    write(tmp_path, files_of(text))
    before = (tmp_path / "demo/config.pbtxt").read_text()
    report = validated(tmp_path)
    assert report.findings
    mend(report, tmp_path)
    assert (tmp_path / "demo/config.pbtxt").read_text() == before


def test_two_wrong_names_do_not_become_one(tmp_path: Path) -> None:
    text = """-- demo/config.pbtxt --
input [ { name: "a" data_type: TYPE_FP32 dims: 4 }, { name: "b" data_type: TYPE_FP32 dims: 4 } ]
-- demo/1/model.onnx = x:fp32[4] -> y:fp32[4] --
"""
    write(tmp_path, files_of(text))
    mend(validated(tmp_path), tmp_path)
    assert '"b"' in (tmp_path / "demo/config.pbtxt").read_text()
