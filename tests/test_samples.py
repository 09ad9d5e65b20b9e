import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from trtbuild.samples import sample
from trtbuild.tensor import DTYPES, TensorSpec

EMPTY = onnx.ModelProto()


def values(spec: TensorSpec, nodes: list[onnx.NodeProto], **weights: object) -> np.ndarray:
    """What is made for `spec` where `nodes` read it, 1000 values."""
    tensors = [numpy_helper.from_array(np.asarray(a), name) for name, a in weights.items()]
    graph = helper.make_graph(nodes, "g", [], [], tensors)
    model = helper.make_model(graph)
    return sample(model, [spec], {spec.name: (1000,)}, 0)[spec.name]


IDS = TensorSpec("ids", "int64", ("n",))
TABLE = np.zeros((7, 3), np.float32)


@pytest.mark.parametrize("name", [n for n in DTYPES if not n.startswith(("fp6", "complex"))])
def test_every_data_type_has_values(name: str) -> None:
    spec = TensorSpec("x", name, ("n", 3))
    found = sample(EMPTY, [spec], {"x": (2, 3)}, 0)["x"]
    assert found.shape == (2, 3)
    expected = DTYPES[name].numpy
    assert found.dtype.name == expected


@given(st.integers(0, 2**31), st.integers(1, 5))
def test_the_same_seed_gives_the_same_values_and_another_others(seed: int, rows: int) -> None:
    spec = TensorSpec("x", "fp32", ("n", 4))
    one, two, other = (
        sample(EMPTY, [spec], {"x": (rows, 4)}, s)["x"] for s in (seed, seed, seed + 1)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_inputs_of_one_model_differ() -> None:
    specs = [TensorSpec(name, "fp32", (4,)) for name in ("a", "b")]
    found = sample(EMPTY, specs, {"a": (4,), "b": (4,)}, 0)
    assert not np.array_equal(found["a"], found["b"])


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Gather", ["table", "ids"], ["y"])],
        [
            helper.make_node("Cast", ["ids"], ["c"], to=6),
            helper.make_node("Unsqueeze", ["c", "axis"], ["u"]),
            helper.make_node("Gather", ["table", "u"], ["y"]),
        ],
        [helper.make_node("GatherElements", ["table", "ids"], ["y"])],
        [helper.make_node("OneHot", ["ids", "depth", "values"], ["y"])],
        [  # compared with a padding value as well
            helper.make_node("Equal", ["ids", "axis"], ["e"]),
            helper.make_node("Gather", ["table", "ids"], ["y"]),
        ],
    ],
    ids=["gather", "through casts", "elements", "one hot", "and compared"],
)
def test_indices_stay_within_what_they_index(nodes: list[onnx.NodeProto]) -> None:
    found = values(IDS, nodes, table=TABLE, axis=np.array([0]), depth=np.array(7))
    assert (found.min(), found.max()) == (0, 6)


def test_the_axis_decides_which_dim_is_indexed() -> None:
    node = helper.make_node("Gather", ["table", "ids"], ["y"], axis=1)
    assert values(IDS, [node], table=TABLE).max() == 2


def test_the_smallest_of_several_bounds_holds() -> None:
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["y"]),
        helper.make_node("Gather", ["small", "ids"], ["z"]),
    ]
    assert values(IDS, nodes, table=TABLE, small=TABLE[:2]).max() == 1


def test_what_indexes_a_dim_of_unknown_size_is_zero() -> None:
    assert values(IDS, [helper.make_node("Gather", ["x", "ids"], ["y"])]).max() == 0


def test_masks_are_zero_or_one() -> None:
    node = helper.make_node("Cast", ["ids"], ["y"], to=1)
    assert set(values(IDS, [node])) == {0, 1}


@pytest.mark.parametrize(
    "reads",
    [
        [helper.make_node("Cast", ["mask"], ["y"], to=1)],
        [helper.make_node("GreaterOrEqual", ["mask", "one"], ["y"])],
        [
            helper.make_node("Unsqueeze", ["mask", "axis"], ["u"]),
            helper.make_node("Greater", ["u", "zero"], ["y"]),
        ],
        [helper.make_node("Cast", ["mask"], ["y"], to=9)],
    ],
    ids=["cast", "compared", "through unsqueeze", "as bool"],
)
@pytest.mark.parametrize("shape", [(8, 12), (3, 1), (2, 1, 6, 6), (7,)], ids=str)
def test_masks_are_those_of_padded_sequences(
    reads: list[onnx.NodeProto], shape: tuple[int, ...]
) -> None:
    """A causal model attends to nothing in the rows before the first one: 0/0, which differs."""
    graph = helper.make_graph(reads, "g", [], [])
    spec = TensorSpec("mask", "int64", tuple(f"d{axis}" for axis in range(len(shape))))
    found = sample(helper.make_model(graph), [spec], {"mask": shape}, 0)["mask"]
    assert found.shape == shape
    assert np.all(found[..., 0] == 1)
    assert np.all(np.diff(found, axis=-1) <= 0)
    assert found.size < 20 or 0 in found


@pytest.mark.parametrize(
    ("name", "first"), [("attention_mask", True), ("key_padding_mask", False), ("pad_mask", False)]
)
def test_boolean_masks_say_what_is_real_or_what_is_padding(name: str, first: bool) -> None:
    spec = TensorSpec(name, "bool", ("batch", "sequence"))
    found = sample(EMPTY, [spec], {name: (16, 12)}, 0)[name]
    assert np.all(found[:, 0] == first)
    assert set(found.ravel()) == {True, False}


def test_other_integers_are_small() -> None:
    found = values(IDS, [helper.make_node("Add", ["ids", "ids"], ["y"])])
    assert (found.min(), found.max()) == (0, 9)


@pytest.mark.parametrize(("dtype", "low", "high"), [("uint8", 0, 255), ("int8", -128, 127)])
def test_bytes_cover_their_range(dtype: str, low: int, high: int) -> None:
    spec = TensorSpec("ids", dtype, ("n",))
    found = values(spec, [helper.make_node("Cast", ["ids"], ["y"], to=1)]).astype(int)
    assert found.min() <= low + 3
    assert found.max() >= high - 3


def test_floats_are_standard_normal() -> None:
    found = values(TensorSpec("ids", "fp32", ("n",)), [])
    assert abs(float(found.mean())) < 0.2
    assert 0.8 < float(found.std()) < 1.2
