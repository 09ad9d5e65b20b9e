from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.surgery.models import f32, i64, model, node, note, operated


def recurrent_line(batch: str | int, declared: str) -> onnx.ModelProto:
    """A convolution over a line and a view to [width, batch, 4] by computed sizes, as OCR nets
    end; the output is declared as `declared`.
    """
    made = model(
        [
            node("Conv", ["x", "k"], ["c"], pads=[0, 1, 0, 1]),
            node("Transpose", ["c"], ["t"], perm=[3, 0, 1, 2]),
            node("Shape", ["x"], ["s"]),
            node("Gather", ["s", "three"], ["n"]),
            node("Concat", ["n", "rest"], ["target"], axis=0),
            node("Reshape", ["t", "target"], ["y"]),
        ],
        [f"x fp32 [{batch}, 1, 8, width]"],
        ["y fp32 [a, b, c]"],
        {"k": f32(4, 1, 8, 3), "three": i64(3), "rest": i64(-1, 4)},
    )
    shape = made.graph.output[0].type.tensor_type.shape
    del shape.dim[:]
    for name in declared.split():
        shape.dim.add().dim_param = name
    return made


@pytest.mark.parametrize("declared", ["n seqlen", "seqlen", "a b c d", "p q r"])
@pytest.mark.parametrize("batch", ["n", 1])
def test_the_number_of_dims_is_that_of_the_graph(
    batch: str | int, declared: str, tmp_path: Path
) -> None:
    result = operated(tmp_path, recurrent_line(batch, declared))
    (output,) = result.model.outputs
    assert len(output.shape) == 3
    assert not result.model.batchable


def test_a_first_dim_that_is_another_one_is_no_batch(tmp_path: Path) -> None:
    result = operated(tmp_path, recurrent_line("n", "p q r"))
    assert "the first dim of 'y' is not the batch" in note(result, "declare_outputs").note
    assert result.onnx.unbatched == ("y",)


def test_a_first_dim_that_follows_the_batch_gets_its_name(tmp_path: Path) -> None:
    """The view's first size is computed, which inference does not follow."""
    made = model(
        [
            node("Shape", ["x"], ["s"]),
            node("Gather", ["s", "zero"], ["n"]),
            node("Concat", ["n", "rest"], ["target"], axis=0),
            node("Mul", ["target", "one"], ["same"]),
            node("Reshape", ["x", "same"], ["y"]),
        ],
        ["x fp32 [batch, 2, 6]"],
        ["y fp32 [p, q]"],
        {"zero": i64(0), "rest": i64(-1), "one": i64(1)},
    )
    result = operated(tmp_path, made)
    assert result.model.outputs[0].shape[0] == "batch"
    assert result.model.batchable


def test_a_graph_that_cannot_be_run_stays_as_declared(tmp_path: Path) -> None:
    made = model(
        [node("Reshape", ["x", "odd"], ["r"]), node("TopK", ["r", "k"], ["y", "i"], axis=0)],
        ["x fp32 [batch, 3]"],
        ["y fp32 [p, 7]"],
        {"odd": i64(-1, 7), "k": i64(1000)},
    )
    result = operated(tmp_path, made)
    assert "cannot run the graph" in note(result, "declare_outputs").note
    assert np.all([isinstance(dim, str) for dim in result.model.outputs[0].shape[:1]])
