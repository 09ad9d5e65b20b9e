import numpy as np
import pytest

from tests.surgery.models import f32, job, model, node
from trtbuild.surgery.options import SurgeryOptions
from trtbuild.surgery.trial import inputs_of, run, shapes_to_try, values_for

MADE = model(
    [node("Add", ["a", "b"], ["s"]), node("Mul", ["s", "w"], ["y"])],
    ["a fp32 [batch, seq, 4]", "b fp32 [4]"],
    ["y fp32 [batch, seq, 4]"],
    {"w": f32(4)},
)


def test_shapes_that_were_given_are_the_only_ones() -> None:
    options = SurgeryOptions(sample_shapes={"a": (2, 7, 4)})
    assert list(shapes_to_try(job(MADE).graph, options)) == [{"a": (2, 7, 4), "b": (4,)}]


def test_else_one_size_for_every_dim_but_the_batch_is_tried() -> None:
    shapes = list(shapes_to_try(job(MADE).graph, SurgeryOptions()))
    assert shapes[0] == {"a": (1, 64, 4), "b": (4,)}
    assert {entry["a"][1] for entry in shapes} == {64, 224, 32, 128, 16, 8, 1}


def test_the_graph_runs_as_it_is_on_each_feed() -> None:
    graph = job(MADE).graph
    feeds = [values_for(graph, {"a": (1, 2, 4), "b": (4,)}, seed) for seed in (0, 1)]
    assert not np.array_equal(feeds[0]["a"], feeds[1]["a"])
    outputs = run(graph, *feeds)
    for feed, output in zip(feeds, outputs, strict=True):
        np.testing.assert_allclose(output["y"], (feed["a"] + feed["b"]) * f32(4), rtol=1e-5)


def test_what_onnx_runtime_raises_comes_through() -> None:
    graph = job(MADE).graph
    feed = {"a": f32(1, 2, 3), "b": f32(4)}
    with pytest.raises(Exception, match="Got invalid dimensions for input: a"):
        run(graph, feed)


def test_inputs_have_names_for_dims_that_vary() -> None:
    assert [str(spec) for spec in inputs_of(job(MADE).graph)] == [
        "a fp32 [batch, seq, 4]",
        "b fp32 [4]",
    ]
