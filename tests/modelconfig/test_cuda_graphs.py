"""What is to be captured; that Triton takes it is in tests/validate, with rule P009."""

from typing import Any

import pytest

from tests.modelconfig.test_batching import MODEL, profile
from trtbuild.artifacts import Profile
from trtbuild.errors import ConfigError
from trtbuild.modelconfig.batching import batch_of
from trtbuild.modelconfig.cuda_graphs import cuda_graphs
from trtbuild.modelconfig.options import ConfigOptions


def captured(*profiles: Profile, sizes: tuple[int, ...] = ()) -> list[tuple[int, int, list[int]]]:
    """Of each graph: batch, its lower bound (the same without one), dims of `ids`."""
    options = ConfigOptions(cuda_graphs=True, graph_batch=sizes)
    fields = cuda_graphs(MODEL, profiles, batch_of(MODEL, profiles), options)
    assert fields is not None
    assert fields["graphs"] is True
    found = []
    for spec in fields["graph_spec"]:
        bound: dict[str, Any] = spec.get("graph_lower_bound", spec)
        assert (
            bound["input"] == spec["input"]
        )  # Triton compares every dim, and pads none but the batch
        found.append((spec["batch_size"], bound["batch_size"], spec["input"]["ids"]["dim"]))
    return found


def test_each_batch_has_a_graph_of_less_than_twice_its_size() -> None:
    assert captured(profile((1, 8, 12))) == [
        (1, 1, [64]), (2, 2, [64]), (4, 3, [64]), (8, 5, [64]), (12, 9, [64]),
    ]  # fmt: skip


def test_batches_that_the_user_names() -> None:
    assert captured(profile((1, 8, 32)), sizes=(32, 8)) == [(8, 1, [64]), (32, 9, [64])]


def test_a_graph_goes_no_further_down_than_its_profile() -> None:
    one, many = profile((1, 1, 3)), profile((4, 16, 32), (1, 96, 128))
    assert captured(one, many, sizes=(3, 32)) == [(3, 1, [64]), (32, 4, [96])]


def test_profiles_that_share_usual_shapes_share_graphs() -> None:
    low, high = profile((1, 8, 16)), profile((6, 16, 16), (1, 64, 512))
    assert captured(high, low, sizes=(16,)) == [(16, 1, [64])]


def test_a_model_that_does_not_batch_has_its_usual_shapes() -> None:
    assert captured(profile((2, 4, 8))) == [(0, 0, [4, 64])]
    options = ConfigOptions(cuda_graphs=True, graph_batch=(4,))
    with pytest.raises(ConfigError, match="--graph-batch 4: this model forms no batches"):
        cuda_graphs(MODEL, (profile((2, 4, 8)),), None, options)


def test_sizes_that_the_plans_do_not_take_or_nobody_captures() -> None:
    with pytest.raises(ConfigError) as caught:
        captured(profile((1, 8, 12)), sizes=(4, 16))
    assert caught.value.message == "--graph-batch 16: the plans were built for batches from 1 to 12"
    with pytest.raises(ConfigError, match="add --cuda-graphs"):
        cuda_graphs(MODEL, (profile((1, 2, 4)),), None, ConfigOptions(graph_batch=(4,)))


def test_nobody_asked() -> None:
    assert cuda_graphs(MODEL, (profile((1, 2, 4)),), None, ConfigOptions()) is None
