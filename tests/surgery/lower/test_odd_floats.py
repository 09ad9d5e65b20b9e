import numpy as np
import onnx
import onnx.reference
import pytest

from tests.surgery.models import Array, apply, f32, job, model, node, ops, run
from trtbuild.errors import SurgeryError
from trtbuild.surgery.graph import model_from_graph
from trtbuild.surgery.lower.odd_floats import ODD, OddFloats, coding
from trtbuild.tensor import dtype_from_onnx

T = onnx.TensorProto
NAMES: dict[int, str] = {
    number: dtype_from_onnx(number).name  # type: ignore[union-attr]
    for number in sorted(ODD)
}
EDGES = np.array(
    [
        0,
        -0.0,
        1,
        1.0625,
        -1.1875,
        3e-3,
        447,
        500,
        6e4,
        1e6,
        np.inf,
        -np.inf,
        np.nan,
        -2,
        3.4e38,
        1e-9,
    ],
    np.float32,
)


def written(made: onnx.ModelProto) -> onnx.ModelProto:
    work = job(made)
    assert apply(OddFloats(), work).changed
    result = model_from_graph(work.graph)
    types = {v.type.tensor_type.elem_type for v in (*result.graph.input, *result.graph.output)}
    assert not types & ODD
    return result


def codes_of(array: Array) -> Array:
    return array.view(np.uint8).astype(np.int32)


@pytest.mark.parametrize("number", NAMES)
@pytest.mark.parametrize("saturate", [0, 1])
@pytest.mark.parametrize("source", ["fp32", "fp16", "bf16"])
def test_numbers_to_codes(number: int, saturate: int, source: str) -> None:
    """Every threshold and its neighbours, and what is no number."""
    made = model(
        [node("Cast", ["x"], ["y"], to=number, saturate=saturate)],
        [f"x {source} [count]"],
        [f"y {NAMES[number]} [count]"],
        opset=25,
    )
    steps = coding(number, 1, (("saturate", saturate),)).thresholds
    near = [steps, np.nextafter(steps, np.float32(0)), np.nextafter(steps, np.float32(np.inf))]
    x = np.concatenate([EDGES, *near, *(-part for part in near), f32(300, scale=5)])
    dtype = onnx.helper.tensor_dtype_to_np_dtype(made.graph.input[0].type.tensor_type.elem_type)
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
    for value in (made.graph.input[0], made.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = len(x)
    with np.errstate(all="ignore"):
        (want,) = onnx.reference.ReferenceEvaluator(made).run(None, {"x": x})
    got = run(written(made), x=x)["y"]
    signless = np.asarray(want).astype(np.float32) == 0  # of -0 TensorRT tells no sign
    np.testing.assert_array_equal(got[~signless], codes_of(np.asarray(want))[~signless])


@pytest.mark.parametrize("number", NAMES)
@pytest.mark.parametrize("target", [T.FLOAT, T.FLOAT16, T.INT32])
def test_codes_to_numbers(number: int, target: int) -> None:
    count = 16 if number == T.FLOAT4E2M1 else 256
    made = model(
        [node("Identity", ["x"], ["i"]), node("Cast", ["i"], ["y"], to=target)],
        [f"x {NAMES[number]} [{count}]"],
        [f"y {dtype_from_onnx(target).name} [{count}]"],  # type: ignore[union-attr]
        opset=25,
    )
    codes = np.arange(count, dtype=np.uint8)
    numbers = codes.view(onnx.helper.tensor_dtype_to_np_dtype(number))
    with np.errstate(all="ignore"):
        want = numbers.astype(np.float32).astype(onnx.helper.tensor_dtype_to_np_dtype(target))
        got = run(written(made), x=codes.astype(np.int32))["y"]
    sure = np.isfinite(numbers.astype(np.float32)) & (np.abs(numbers.astype(np.float32)) < 2e9)
    np.testing.assert_array_equal(got[sure], want[sure])
    if target != T.INT32:
        np.testing.assert_array_equal(got, want)


def test_what_moves_values_moves_codes() -> None:
    made = model(
        [node("Transpose", ["x"], ["y"], perm=[1, 0])],
        ["x fp8e5m2 [2, 3]"],
        ["y fp8e5m2 [3, 2]"],
        opset=25,
    )
    x = np.arange(6, dtype=np.int32).reshape(2, 3)
    assert run(written(made), x=x)["y"].tolist() == x.T.tolist()


def test_a_cast_to_the_type_that_tensorrt_has() -> None:
    made = model(
        [node("Cast", ["x"], ["y"], to=T.FLOAT8E4M3FN)],
        ["x fp32 [3]"],
        ["y fp8e4m3fn [3]"],
        opset=25,
    )
    got = run(written(made), x=np.array([np.nan, 500, -1], np.float32))["y"]
    assert got.tolist() == [0x7F, 0x7E, 0xB8]


@pytest.mark.parametrize(
    ("entry", "inputs", "outputs", "why"),
    [
        (node("Sum", ["x", "x"], ["y"]), ["x fp8e5m2 [2]"], "fp8e5m2 [2]", "only Cast"),
        (node("Cast", ["x"], ["y"], to=T.FLOAT8E5M2), ["x fp32 [n]"], "fp8e5m2 [n]", "varies"),
        (node("Cast", ["x"], ["y"], to=T.FLOAT8E5M2), ["x int64 [2]"], "fp8e5m2 [2]", "only Cast"),
    ],
)  # fmt: skip
def test_what_cannot_be(entry: onnx.NodeProto, inputs: list[str], outputs: str, why: str) -> None:
    work = job(model([entry], inputs, [f"y {outputs}"], opset=25))
    with pytest.raises(SurgeryError, match=rf"computes in fp8e5m2, .*{why}"):
        OddFloats().apply(work)


def test_others_are_left_alone() -> None:
    work = job(model([node("Relu", ["x"], ["y"])], ["x fp32 [2]"], ["y fp32 [2]"]))
    assert not OddFloats().apply(work).changed
    assert ops(work.graph) == ["Relu"]
