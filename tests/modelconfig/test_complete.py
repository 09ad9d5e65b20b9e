"""What core fills in; the differential test compares it with Triton over all pairs."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from trtbuild.modelconfig.complete import complete, contradict, fill_defaults
from trtbuild.modelconfig.schema import new_config


class Listing(NamedTuple):
    files: list[str]
    folders: list[str]


@pytest.mark.parametrize(
    ("fields", "files", "expected"),
    [
        ({}, ["model.onnx"], ("onnxruntime", "onnxruntime_onnx", "model.onnx")),
        ({}, ["model.plan", "model.onnx"], ("tensorrt", "tensorrt_plan", "model.plan")),
        ({}, ["model.py"], ("python", "", "model.py")),
        ({}, ["model.xml"], ("openvino", "", "model.xml")),
        ({}, ["model.pt"], ("pytorch", "pytorch_libtorch", "model.pt")),
        ({}, ["model.pt2"], ("pytorch", "torch_aoti", "model.pt2")),
        ({}, ["model.graphdef"], ("tensorflow", "tensorflow_graphdef", "model.graphdef")),
        ({}, ["other"], ("", "", "")),
        ({"backend": "pytorch"}, [], ("pytorch", "pytorch_libtorch", "model.pt")),
        ({"platform": "tensorrt_plan"}, [], ("tensorrt", "tensorrt_plan", "model.plan")),
        ({"platform": "libtorch"}, [], ("pytorch", "libtorch", "model.pt")),
        ({"backend": "own"}, ["model.onnx"], ("own", "", "")),
        ({"default_model_filename": "a"}, ["model.onnx"], ("", "", "a")),
    ],
)
def test_fills_in(fields: dict[str, str], files: list[str], expected: tuple[str, str, str]) -> None:
    done = complete(new_config(**fields), Listing(files, []), "m")
    assert (done.backend, done.platform, done.filename) == expected
    assert done.guessed == ("backend" not in fields)


def test_some_models_are_folders() -> None:
    for name, backend in (("model.savedmodel", "tensorflow"), ("model.onnx", "onnxruntime")):
        assert complete(new_config(), Listing([], [name]), "m").backend == backend
    assert complete(new_config(), Listing([], ["model.plan"]), "m").backend == ""


def test_a_name_with_a_dot_names_the_backend() -> None:
    assert complete(new_config(), None, "m.identity")[:3] == ("identity", "", "model.identity")


@pytest.mark.parametrize(
    ("backend", "platform", "refused"),
    [
        ("tensorrt", "tensorrt_plan", False),
        ("tensorrt", "onnxruntime_onnx", True),
        ("pytorch", "torch_aoti", False),
        ("pytorch", "libtorch", True),
        ("tensorflow", "", True),
        ("python", "onnxruntime_onnx", False),
        ("own", "anything", False),
    ],
)
def test_pairs_that_contradict(backend: str, platform: str, refused: bool) -> None:
    assert contradict(backend, platform) == refused


def test_defaults_of_versions_batching_and_groups() -> None:
    config = new_config(name="m", max_batch_size=8, dynamic_batching={}, instance_group=[{}])
    fill_defaults(config)
    assert config.version_policy.latest.num_versions == 1
    assert list(config.dynamic_batching.preferred_batch_size) == [8]
    assert [(group.name, group.count) for group in config.instance_group] == [("m_0", 1)]
    assert config.optimization.input_pinned_memory.enable
    assert config.optimization.output_pinned_memory.enable
    config = new_config(max_batch_size=4, sequence_batching={"oldest": {}})
    fill_defaults(config)
    assert list(config.sequence_batching.oldest.preferred_batch_size) == [4]


def test_what_is_written_stays() -> None:
    config = new_config(
        max_batch_size=8,
        dynamic_batching={"preferred_batch_size": [2]},
        version_policy={"all": {}},
        instance_group=[{"name": "own", "count": 3}],
        optimization={
            "input_pinned_memory": {"enable": False}, "output_pinned_memory": {"enable": False},
        },
    )  # fmt: skip
    before = type(config)()
    before.CopyFrom(config)
    fill_defaults(config)
    assert config == before
