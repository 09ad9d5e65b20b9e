from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trtbuild.errors import TrtbuildError
from trtbuild.onnx_weights import (
    array_of,
    bytes_of,
    is_packed,
    is_stored,
    read_outline,
    read_skeleton,
    size_bytes,
)

LARGE = np.arange(4096, dtype=np.float32).reshape(64, 64)
SMALL = np.arange(4, dtype=np.float32)


def saved(
    folder: Path, *weights: onnx.TensorProto, data: str = "", size_threshold: int = 0
) -> Path:
    """A model that reads no weight, in one file or with its weights in the file `data`."""
    values = [helper.make_tensor_value_info(name, 1, ["n"]) for name in ("x", "y")]
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], list(weights))
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="tests")
    path = folder / "m.onnx"
    onnx.save(
        model,
        path,
        save_as_external_data=bool(data),
        location=data or None,
        size_threshold=size_threshold,
    )
    return path


def weights(path: Path) -> dict[str, onnx.TensorProto]:
    return {tensor.name: tensor for tensor in read_skeleton(path).graph.initializer}


def test_large_weights_stay_in_the_file_and_small_ones_do_not(tmp_path: Path) -> None:
    path = saved(
        tmp_path, numpy_helper.from_array(LARGE, "large"), numpy_helper.from_array(SMALL, "small")
    )
    found = weights(path)
    assert is_stored(found["large"])
    assert not is_stored(found["small"])
    np.testing.assert_array_equal(array_of(found["large"]), LARGE)
    np.testing.assert_array_equal(array_of(found["small"]), SMALL)
    assert bytes(bytes_of(found["large"])) == LARGE.tobytes()
    assert found["large"].ByteSize() < 500


def test_everything_but_the_weights_is_as_in_the_file(tmp_path: Path) -> None:
    path = saved(tmp_path, numpy_helper.from_array(LARGE, "large"))
    skeleton, whole = read_skeleton(path), onnx.load(path)
    for model in (skeleton, whole):
        del model.graph.initializer[:]
    assert skeleton == whole


def test_external_data_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, numpy_helper.from_array(LARGE, "large"), data="weights.bin")
    monkeypatch.chdir(tmp_path)
    tensor = weights(Path("m.onnx"))["large"]
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(array_of(tensor), LARGE)
    assert weights(path)["large"] == tensor


def test_offset_and_length_may_be_left_out(tmp_path: Path) -> None:
    path = saved(tmp_path, numpy_helper.from_array(LARGE, "large"), data="weights.bin")
    model = onnx.load(path, load_external_data=False)
    del model.graph.initializer[0].external_data[1:]
    path.write_bytes(model.SerializeToString())
    np.testing.assert_array_equal(array_of(weights(path)["large"]), LARGE)


@pytest.mark.parametrize("location", ["/etc/passwd", "../secret", "a/../../secret", ""])
def test_external_data_outside_the_folder_is_refused(tmp_path: Path, location: str) -> None:
    path = saved(tmp_path, numpy_helper.from_array(LARGE, "large"), data="weights.bin")
    model = onnx.load(path, load_external_data=False)
    model.graph.initializer[0].external_data[0].value = location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(TrtbuildError) as caught:
        read_skeleton(path)
    assert f"external data in '{location}', which is outside" in caught.value.message
    assert read_outline(path).graph.initializer[0].name == "large"  # looking does no harm


def test_external_data_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, numpy_helper.from_array(LARGE, "large"), data="weights.bin")
    data = tmp_path / "weights.bin"
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(TrtbuildError) as caught:
        read_skeleton(path)
    assert caught.value.message == (
        f"the weight 'large' should lie in {data} at bytes 0 to 16384, which the file does not have"
    )


def test_external_data_below_the_top_graph_is_loaded(tmp_path: Path) -> None:
    tensor = numpy_helper.from_array(LARGE, "inner")
    values = [helper.make_tensor_value_info("y", 1, [64, 64])]
    nodes = [helper.make_node("Constant", [], ["y"], value=tensor)]
    graph = helper.make_graph(nodes, "g", [], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(
        model, tmp_path / "m.onnx", save_as_external_data=True, location="w", size_threshold=0,
        convert_attribute=True,
    )  # fmt: skip
    [node] = read_skeleton(tmp_path / "m.onnx").graph.node
    assert not is_stored(node.attribute[0].t)
    np.testing.assert_array_equal(array_of(node.attribute[0].t), LARGE)


@pytest.mark.parametrize(
    "kind",
    [
        TensorProto.FLOAT16,
        TensorProto.BFLOAT16,
        TensorProto.DOUBLE,
        TensorProto.BOOL,
        TensorProto.INT8,
        TensorProto.FLOAT8E4M3FN,
        TensorProto.INT4,
        TensorProto.UINT4,
        TensorProto.COMPLEX64,
    ],
    ids=TensorProto.DataType.Name,
)
def test_stored_values_of_every_type_come_back(tmp_path: Path, kind: int) -> None:
    array = (np.arange(10_001) % 3).astype(helper.tensor_dtype_to_np_dtype(kind))
    tensor = numpy_helper.from_array(array, "w")
    found = weights(saved(tmp_path, tensor))["w"]
    assert is_stored(found)
    np.testing.assert_array_equal(array_of(found), array)
    assert size_bytes(found) == len(tensor.raw_data)
    assert is_packed(found) == (kind in (TensorProto.INT4, TensorProto.UINT4))


def test_typed_fields_and_strings_stay_in_the_message(tmp_path: Path) -> None:
    numbers = helper.make_tensor("numbers", TensorProto.FLOAT, [2000], [0.5] * 2000)
    texts = TensorProto(
        name="texts", data_type=TensorProto.STRING, dims=[2000], string_data=[b"text"] * 2000
    )
    found = weights(saved(tmp_path, numbers, texts))
    assert not is_stored(found["numbers"])
    assert array_of(found["numbers"]).tolist() == [0.5] * 2000
    assert size_bytes(found["texts"]) == 0


def test_an_empty_weight_has_no_bytes(tmp_path: Path) -> None:
    empty = numpy_helper.from_array(np.zeros((0, 4), dtype=np.float32), "empty")
    found = weights(saved(tmp_path, empty, data="weights.bin"))["empty"]
    assert array_of(found).shape == (0, 4)
