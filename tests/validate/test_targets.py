"""What a path stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.validate.files import files_of, write
from tests.validate.test_positive import ENSEMBLE
from trtbuild.errors import ConfigError, UsageError
from trtbuild.validate.settings import Settings
from trtbuild.validate.targets import ensembles_of, targets_of

TEXT = """-- repo/a/config.pbtxt --
-- repo/a/1/x --
-- repo/b/1/model.onnx --
-- repo/.git/HEAD --
-- repo/README.md --
-- only/configs/gpu.pbtxt --
-- only/1/x --
-- lone/config.pbtxt --
-- numbers/1/config.pbtxt --
-- numbers/2/1/model.onnx --
"""


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("repo", {"a", "b", ".git"}),
        ("repo/a", {"a"}),
        ("repo/b", {"b"}),
        ("repo/a/config.pbtxt", {"a"}),
        ("only", {"only"}),
        ("lone/config.pbtxt", {"config.pbtxt"}),
        ("lone", {"lone"}),
        ("numbers", {"1", "2"}),
    ],
)
def test_a_path_is_a_repository_a_model_or_a_file(
    tmp_path: Path, path: str, asked: set[str]
) -> None:
    write(tmp_path, files_of(TEXT))
    (target,) = targets_of([tmp_path / path])
    assert target.asked == asked
    assert target.alone == (path == "lone/config.pbtxt")


def test_a_model_file_is_no_config(tmp_path: Path) -> None:
    for name in ("model.onnx", "config.pbtxt"):
        (tmp_path / name).write_bytes(b"\x08\x08\x00")
    with pytest.raises(
        UsageError, match=r"model.onnx' is no config.pbtxt: it is no text"
    ) as caught:
        targets_of([tmp_path / "model.onnx"])
    assert "give the folder" in caught.value.hint
    assert targets_of([tmp_path / "config.pbtxt"])  # what is wrong with it is a finding


def test_a_relative_path_of_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, files_of(TEXT))
    monkeypatch.chdir(tmp_path / "repo/a")
    (target,) = targets_of([Path("config.pbtxt")])
    assert target.asked == {"a"}
    monkeypatch.chdir(tmp_path)
    for path in (Path("repo/a/config.pbtxt"), Path("repo/a")):
        (target,) = targets_of([path])
        assert target.config_path("a") == Path("repo/a/config.pbtxt")  # as it was given


@pytest.mark.parametrize(
    ("paths", "asked"),
    [
        (["repo/a/config.pbtxt", "repo/a", "repo"], {"repo": {"a", "b", ".git"}}),
        (["repo/a", "repo/b", "repo/a"], {"repo": {"a", "b"}}),
        (["repo/a", "repo/../repo/b"], {"repo": {"a", "b"}}),
        (["repo/a", "linked/b"], {"repo": {"a", "b"}}),
        (["only", "repo/a"], {"": {"only"}, "repo": {"a"}}),
        (["only", "only/configs/gpu.pbtxt"], {"": {"only"}}),
        (["lone", "lone/config.pbtxt"], {"": {"lone"}}),
        (["lone/config.pbtxt", "lone/../lone/config.pbtxt"], {"lone": {"config.pbtxt"}}),
        (["repo", "lone/config.pbtxt"], {"repo": {"a", "b", ".git"}, "lone": {"config.pbtxt"}}),
    ],
)
def test_what_several_paths_stand_for_is_judged_once(
    tmp_path: Path, paths: list[str], asked: dict[str, set[str]]
) -> None:
    write(tmp_path, files_of(TEXT))
    (tmp_path / "linked").symlink_to("repo")
    found = targets_of([tmp_path / path for path in paths])
    assert {target.root.resolve(): target.asked for target in found} == {
        tmp_path / root: names for root, names in asked.items()
    }


def test_variants_stand_in_for_a_config_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, files_of(TEXT))
    (target,) = targets_of([tmp_path / "only"])
    assert [model.path.name for model in target.models("only", Settings())] == ["gpu.pbtxt"]


def test_ensembles(tmp_path: Path) -> None:
    write(tmp_path, files_of(ENSEMBLE))
    assert [model.name for model in ensembles_of(tmp_path, None)] == ["pipeline"]
    with pytest.raises(UsageError, match="'decode' is no ensemble"):
        ensembles_of(tmp_path, "decode")
    (tmp_path / "pipeline/config.pbtxt").write_text("broken {")
    with pytest.raises(ConfigError):
        ensembles_of(tmp_path, "pipeline")
