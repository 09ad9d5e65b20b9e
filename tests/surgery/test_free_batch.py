from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.surgery.models import apply, f32, i64, job, model, node, note, operated, run
from trtbuild.surgery.contract import ContractError
from trtbuild.surgery.free_batch import FreeBatch
from trtbuild.tensor import input_override_from_text as override


def classifier(target: tuple[int, ...] = (1, 12)) -> onnx.ModelProto:
    """A convolution, a Reshape that spells the batch out, and a matrix product."""
    return model(
        [
            node("Conv", ["x", "k"], ["c"]),
            node("Reshape", ["c", "shape"], ["r"]),
            node("MatMul", ["r", "w"], ["m"]),
            node("Softmax", ["m"], ["y"]),
        ],
        ["x fp32 [1, 2, 4, 4]"],
        ["y fp32 [1, 5]"],
        {"k": f32(3, 2, 3, 3), "shape": i64(*target), "w": f32(12, 5)},
    )


def rows_stay_apart(made: onnx.ModelProto, freed: onnx.ModelProto, *shape: int) -> None:
    """A batch of three gives what its samples give one by one."""
    x = f32(3, *shape, seed=7)
    one_by_one = np.concatenate([run(made, x=x[i : i + 1])["y"] for i in range(3)])
    np.testing.assert_allclose(run(freed, x=x)["y"], one_by_one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("target", [(1, 12), (1, -1), (-1, 12), (0, 12), (0, -1)])
def test_a_reshape_that_spells_the_batch_out_is_rewritten(
    tmp_path: Path, target: tuple[int, ...]
) -> None:
    made = classifier(target)
    result = operated(tmp_path, made)
    assert [str(s) for s in result.model.inputs + result.model.outputs] == [
        "x fp32 [batch, 2, 4, 4]",
        "y fp32 [batch, 5]",
    ]
    rows_stay_apart(made, onnx.load(result.onnx.path), 2, 4, 4)


def test_a_batch_merged_with_another_axis_and_parted_again_is_freed(tmp_path: Path) -> None:
    made = model(
        [
            node("Reshape", ["x", "flat"], ["f"]),
            node("MatMul", ["f", "w"], ["m"]),
            node("Add", ["m", "b"], ["a"]),
            node("Reshape", ["a", "back"], ["y"]),
        ],
        ["x fp32 [1, 6, 4]"],
        ["y fp32 [1, 6, 5]"],
        {"flat": i64(6, 4), "back": i64(1, 6, 5), "w": f32(4, 5), "b": f32(5)},
    )
    result = operated(tmp_path, made)
    assert str(result.model.outputs[0]) == "y fp32 [batch, 6, 5]"
    rows_stay_apart(made, onnx.load(result.onnx.path), 6, 4)


def test_what_cannot_be_proved_is_tried(tmp_path: Path) -> None:
    """Einsum has no rule; the trial finds that it keeps samples apart."""
    made = model(
        [node("Einsum", ["x", "w"], ["e"], equation="bij,jk->bik"), node("Relu", ["e"], ["y"])],
        ["x fp32 [1, 3, 4]"],
        ["y fp32 [1, 3, 5]"],
        {"w": f32(4, 5)},
    )
    result = operated(tmp_path, made)
    assert note(result, "free_batch").changed
    rows_stay_apart(made, onnx.load(result.onnx.path), 3, 4)


@pytest.mark.parametrize(
    ("nodes", "weights", "why"),
    [
        (
            [node("Einsum", ["x", "x"], ["e"], equation="bi,ci->bi"), node("Relu", ["e"], ["y"])],
            {},
            "two samples in one batch give other values than one by one",
        ),
        (
            [node("Softmax", ["x"], ["y"], axis=0)],
            {},
            "'y' (Softmax) may mix the samples of a batch: it works along the batch",
        ),
        (
            [node("Concat", ["x", "c"], ["j"], axis=0), node("ReduceMax", ["j"], ["y"], axes=[0])],
            {"c": f32(1, 4)},
            "'j' (Concat) may mix the samples of a batch: it works along the batch",
        ),
    ],
)
def test_what_mixes_samples_stays_at_one_and_says_why(
    tmp_path: Path, nodes: list[onnx.NodeProto], weights: dict[str, object], why: str
) -> None:
    result = operated(tmp_path, model(nodes, ["x fp32 [1, 4]"], ["y fp32 [1, 4]"], weights))
    entry = note(result, "free_batch")
    assert not entry.changed
    assert entry.note.startswith("the batch dim stays at 1: ")
    assert why in entry.note
    assert str(result.model.inputs[0]) == "x fp32 [1, 4]"


RELU = node("Relu", ["x"], ["y"])


@pytest.mark.parametrize(
    ("inputs", "outputs", "options", "why"),
    [
        ("x fp32 [n, 4]", "y fp32 [n, 4]", {}, "it varies already"),
        ("x fp32 [8, 4]", "y fp32 [8, 4]", {}, "x fp32 [8, 4] has no batch dim of 1"),
        ("x fp32 [1, n]", "y fp32 [1, n]", {"batch": "keep"}, "left as it is on request"),
        ("x fp32 []", "y fp32 []", {}, "x fp32 [] has no batch dim of 1"),
    ],
)
def test_what_is_none_of_its_business_is_left_alone(
    inputs: str, outputs: str, options: dict[str, str], why: str
) -> None:
    assert apply(FreeBatch(), job(model([RELU], [inputs], [outputs]), **options)) == (False, why)


def test_a_batch_fixed_on_request_stays(tmp_path: Path) -> None:
    result = operated(tmp_path, classifier(), overrides=(override("x=[1,2,4,4]"),))
    assert note(result, "free_batch").note == "--input fixes it: x fp32 [1, 2, 4, 4]"


def test_an_output_that_kept_its_batch_breaks_the_promise() -> None:
    with pytest.raises(ContractError, match="kept its batch dim"):
        FreeBatch().ensures(job(classifier()))


def test_the_name_is_one_that_no_dim_has(tmp_path: Path) -> None:
    made = model([RELU], ["x fp32 [1, batch]"], ["y fp32 [1, batch]"])
    assert str(operated(tmp_path, made).model.inputs[0]) == "x fp32 [batch_, batch]"


def line(*nodes: onnx.NodeProto, out: str = "y fp32 [1, 4, 1, width]") -> onnx.ModelProto:
    """A convolution over a line whose batch is 1 and whose width varies, and what follows it."""
    return model(
        [node("Conv", ["x", "k"], ["c"], pads=[0, 1, 0, 1]), *nodes],
        ["x fp32 [1, 1, 8, width]"],
        [out],
        {
            "k": f32(4, 1, 8, 3), "flat": i64(1, 4, -1), "three": i64(3), "four": i64(4),
            "one": i64(1), "w": f32(4, 2),
        },
    )  # fmt: skip


LINES = {
    "relu": line(node("Relu", ["c"], ["y"])),
    "reshape": line(node("Reshape", ["c", "flat"], ["y"]), out="y fp32 [1, 4, width]"),
    "flatten": line(node("Flatten", ["c"], ["y"]), out="y fp32 [1, four_width]"),
    "sequence": line(
        node("Reshape", ["c", "flat"], ["f"]),
        node("Transpose", ["f"], ["t"], perm=[0, 2, 1]),
        node("MatMul", ["t", "w"], ["m"]),
        node("Softmax", ["m"], ["y"]),
        out="y fp32 [1, width, 2]",
    ),
    "pool": line(node("GlobalAveragePool", ["c"], ["y"]), out="y fp32 [1, 4, 1, 1]"),
    # no proof knows what is computed from shapes: a trial at the sizes asked for
    "view": line(
        node("Shape", ["c"], ["s"]),
        node("Gather", ["s", "three"], ["n"]),
        node("Concat", ["one", "four", "n"], ["target"], axis=0),
        node("Reshape", ["c", "target"], ["y"]),
        out="y fp32 [1, 4, width]",
    ),
}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("sizes", [{}, {"x": (2, 1, 8, 16)}], ids=["no sizes", "sizes"])
def test_the_batch_is_freed_beside_a_dim_that_varies(
    tmp_path: Path, name: str, sizes: dict[str, tuple[int, ...]]
) -> None:
    made = LINES[name]
    result = operated(tmp_path, made, sample_shapes=sizes)
    assert [spec.shape[0] for spec in result.model.inputs + result.model.outputs] == ["batch"] * 2
    rows_stay_apart(made, onnx.load(result.onnx.path), 1, 8, 16)
    rows_stay_apart(made, onnx.load(result.onnx.path), 1, 8, 24)


def test_a_batch_mixed_with_a_dim_that_varies_stays(tmp_path: Path) -> None:
    """[1, 4, 1, width] to [width, 1, 4]: its first dim is no batch."""
    made = line(
        node("Transpose", ["c"], ["t"], perm=[3, 0, 1, 2]),
        node("Squeeze", ["t", "three"], ["y"]),
        out="y fp32 [width, 1, 4]",
    )
    result = operated(tmp_path, made)
    assert result.model.inputs[0].shape == (1, 1, 8, "width")
