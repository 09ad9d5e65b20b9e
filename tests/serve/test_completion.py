"""What a server fills in and refuses before a model is loaded, and what it says."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from trtserve.completion import available_versions, complete_backend, settle
from trtserve.errors import Kind, ServeError

from trtbuild.modelconfig.schema import new_config
from trtbuild.repository.directory import Directory


def completed(folder: Path, files: tuple[str, ...] = (), **fields: Any) -> tuple[str, str, str]:
    (folder / "1").mkdir()
    for file in files:
        (folder / "1" / file).touch()
    config = new_config(**fields)
    complete_backend(config, Directory(folder), "m")
    return config.backend, config.platform, config.default_model_filename


@pytest.mark.parametrize(
    ("fields", "files", "expected"),
    [
        ({}, ("model.onnx",), ("onnxruntime", "onnxruntime_onnx", "model.onnx")),
        ({}, ("model.py", "model.onnx"), ("onnxruntime", "onnxruntime_onnx", "model.onnx")),
        ({"backend": "python"}, (), ("python", "", "model.py")),
        ({"backend": "tensorrt_rtx"}, ("model.onnx",), ("tensorrt_rtx", "", "")),
        ({"platform": "tensorrt_plan"}, (), ("tensorrt", "tensorrt_plan", "model.plan")),
    ],
)
def test_fills_in_what_triton_fills_in(
    tmp_path: Path, fields: dict[str, str], files: tuple[str, ...], expected: tuple[str, str, str]
) -> None:
    assert completed(tmp_path, files, **fields) == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "other"}, "unexpected directory name 'm' for model 'other'"),
        ({}, "unable to determine backend for model 'm'"),
        ({"platform": "caffe2_netdef"}, "unexpected platform type 'caffe2_netdef' for m"),
        (
            {"platform": "tensorrt_plan", "backend": "onnxruntime"},
            "unexpected platform/backend pair for m",
        ),
    ],
)
def test_refuses_what_no_backend_runs(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ServeError, match=message):
        completed(tmp_path, **fields)


def test_settles_or_says_why_not() -> None:
    config = new_config(name="m", max_batch_size=4, dynamic_batching={})
    settle(config)
    assert list(config.dynamic_batching.preferred_batch_size) == [4]
    with pytest.raises(ServeError, match="must be non-negative"):
        settle(new_config(name="m", max_batch_size=-1))
    with pytest.raises(ServeError, match="'sequence_batching' is not served") as error:
        settle(new_config(name="m", sequence_batching={}))
    assert error.value.kind is Kind.UNSUPPORTED


def test_versions_that_are_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("1", "3", "1abc", "01", "notes", "configs"):
        (tmp_path / name).mkdir()
    config = new_config(name="m", version_policy={"specific": {"versions": [1, 9]}})
    with caplog.at_level(logging.WARNING, "trtserve"):
        assert available_versions(config, Directory(tmp_path)) == (1,)
    said = [record.getMessage().partition(" of ")[0] for record in caplog.records]
    assert said == ["ignoring '01'", "ignoring '1abc'", "ignoring 'notes'", "version 9"]
    every = new_config(version_policy={"all": {}})
    assert available_versions(every, Directory(tmp_path)) == (1, 3)
    with pytest.raises(ServeError, match="at least one version must be available"):
        available_versions(new_config(version_policy={"latest": {}}), Directory(tmp_path))
