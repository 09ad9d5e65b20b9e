from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from trtbuild import onnx_write
from trtbuild.onnx_model import describe
from trtbuild.onnx_weights import bytes_of, read_skeleton
from trtbuild.onnx_write import write

WEIGHTS: dict[str, Any] = {
    "large": np.arange(4096, dtype=np.float32),
    "odd": np.arange(4099, dtype=np.int8),
    "half": np.arange(4096).astype(np.float16),
    "small": np.arange(4, dtype=np.int64),
}


def model() -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(name, 1, ["n"]) for name in ("x", "y")]
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    tensors = [numpy_helper.from_array(array, name) for name, array in WEIGHTS.items()]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], tensors)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="tests"
    )


@pytest.fixture
def skeleton(tmp_path: Path) -> onnx.ModelProto:
    onnx.save(model(), tmp_path / "m.onnx")
    return read_skeleton(tmp_path / "m.onnx")


def test_what_was_read_is_written_whole(tmp_path: Path, skeleton: onnx.ModelProto) -> None:
    write(skeleton, tmp_path / "out.onnx")
    assert onnx.load(tmp_path / "out.onnx") == model()
    assert not (tmp_path / "out.onnx.data").exists()
    onnx.checker.check_model(str(tmp_path / "out.onnx"))


def test_weights_go_beside_the_model_on_request(tmp_path: Path, skeleton: onnx.ModelProto) -> None:
    write(skeleton, tmp_path / "out.onnx", external=True)
    assert describe(tmp_path / "out.onnx").files == ("out.onnx", "out.onnx.data")
    onnx.checker.check_model(str(tmp_path / "out.onnx"))
    loaded = onnx.load(tmp_path / "out.onnx")
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in loaded.graph.initializer}
    for name, array in WEIGHTS.items():
        np.testing.assert_array_equal(found[name], array)
    offsets = [
        int(next(entry.value for entry in tensor.external_data if entry.key == "offset"))
        for tensor in onnx.load(tmp_path / "out.onnx", load_external_data=False).graph.initializer
        if tensor.external_data
    ]
    assert offsets == [0, 16384, 24576]  # whole pages


def test_weights_go_beside_a_model_that_would_be_too_large(
    tmp_path: Path, skeleton: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_write, "INLINE_LIMIT_BYTES", 20_000)
    write(skeleton, tmp_path / "out.onnx")
    assert describe(tmp_path / "out.onnx").files == ("out.onnx", "out.onnx.data")


@pytest.mark.parametrize("external", [False, True])
def test_the_content_of_each_weight_is_asked_for_once(
    tmp_path: Path, skeleton: onnx.ModelProto, external: bool
) -> None:
    asked = []

    def content(tensor: onnx.TensorProto) -> memoryview:
        asked.append(tensor.name)
        return memoryview(bytes(len(bytes_of(tensor))))

    write(skeleton, tmp_path / "out.onnx", content, external)
    assert asked == ["large", "odd", "half"]
    large = onnx.load(tmp_path / "out.onnx").graph.initializer[0]
    assert not numpy_helper.to_array(large).any()


def test_the_same_model_is_the_same_bytes(tmp_path: Path) -> None:
    onnx.save(model(), tmp_path / "m.onnx")
    for name in ("a.onnx", "b.onnx"):
        write(read_skeleton(tmp_path / "m.onnx"), tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
