"""Models that never end, ask for everything, or are not what they say: exit 1, with a reason."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.cli.conftest import Trtbuild
from trtbuild.protowire import message_bytes


def endless(path: Path) -> Path:
    """A Loop of 2^62 rounds."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Relu", ["v"], ["w"]),
        ],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("v", TensorProto.FLOAT, ["batch", 8]),
        ],
        [value("on", TensorProto.BOOL, []), value("w", TensorProto.FLOAT, ["batch", 8])],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["n", "true", "x"], ["y"], body=body)],
        "endless",
        [value("x", TensorProto.FLOAT, ["batch", 8])],
        [value("y", TensorProto.FLOAT, ["batch", 8])],
        [
            numpy_helper.from_array(np.array(1 << 62), "n"),
            numpy_helper.from_array(np.array(True), "true"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def test_a_model_that_loops_for_ever_is_given_up(trtbuild: Trtbuild, tmp_path: Path) -> None:
    path = endless(tmp_path / "endless.onnx")
    options = ("--repo", tmp_path / "repo", "--target", "8.6", "--verify-timeout", "4", "-q")
    done = trtbuild("convert", path, *options)
    assert done.returncode == 1
    assert "error: a step took longer than 4 s and was ended" in done.stderr
    assert "--verify-timeout SECONDS" in done.stderr
    assert not (tmp_path / "repo/endless").exists()


def plain(
    nodes: list[onnx.NodeProto], *weights: onnx.TensorProto, side: int = 8
) -> onnx.ModelProto:
    shape: list[int | str | None] = ["batch", side]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        list(weights),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def asks_for_much() -> bytes:
    """ConstantOfShape of 200,000 squared, which is 160 GB."""
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["c"]),
        helper.make_node("ReduceSum", ["c"], ["r"], keepdims=0),
        helper.make_node("Add", ["x", "r"], ["y"]),
    ]
    sizes = numpy_helper.from_array(np.array([200_000, 200_000]), "s")
    return plain(nodes, sizes).SerializeToString()


def takes_much() -> bytes:
    return plain([helper.make_node("Relu", ["x"], ["y"])], side=1 << 61).SerializeToString()


def unknown_type() -> bytes:
    weight = TensorProto(name="w", data_type=99, dims=[8], raw_data=bytes(32))
    return plain([helper.make_node("Add", ["x", "w"], ["y"])], weight).SerializeToString()


def offset_that_is_none() -> bytes:
    weight = TensorProto(name="w", data_type=1, dims=[8], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "w.bin"), ("offset", "abc"), ("length", "32")):
        weight.external_data.add(key=key, value=value)
    return plain([helper.make_node("Add", ["x", "w"], ["y"])], weight).SerializeToString()


def nests_deeply() -> bytes:
    graph = b""
    for _ in range(200):
        branch = message_bytes(1, b"then_branch") + message_bytes(6, graph) + b"\xa0\x01\x05"
        graph = message_bytes(1, message_bytes(5, branch))
    return b"\x08\x09" + message_bytes(7, graph) + message_bytes(8, b"\x10\x11")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (asks_for_much, "ONNX Runtime cannot run the converted graph|error: tensorrt"),
        (takes_much, "too little memory|error: tensorrt"),  # both look at it at the same time
        (unknown_type, "the weight 'w' of the ONNX file"),
        (offset_that_is_none, "no number: 'abc'"),
        (nests_deeply, "nests more than protobuf's 100 levels"),
    ],
)
def test_what_cannot_be_is_the_files_fault(
    trtbuild: Trtbuild, tmp_path: Path, make: Callable[[], bytes], says: str
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(make())
    (tmp_path / "w.bin").write_bytes(bytes(64))
    done = trtbuild("convert", path, "--repo", tmp_path / "repo", "--target", "8.6", "-q")
    assert done.returncode == 1, done.stderr
    assert re.search(says, done.stderr), done.stderr


def test_numbers_that_are_none_are_told(trtbuild: Trtbuild, tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.array([np.nan] + [1] * 7, np.float32), "w")
    path = tmp_path / "m.onnx"
    onnx.save(plain([helper.make_node("Add", ["x", "w"], ["y"])], weight), path)
    done = trtbuild("convert", path, "--repo", tmp_path / "repo", "--target", "8.6", "-q")
    assert done.returncode == 0, done.stderr
    assert "warning: weights of the model are NaN or infinite: 'w' (1 of 8)" in done.stdout
    assert "elements of 'y' are NaN or infinite in onnx itself" in done.stdout
