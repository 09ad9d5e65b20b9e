import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbuild.verify.timing import (
    BenchOptions,
    Figures,
    Query,
    batch_of,
    counted,
    figures,
    layer_times,
    measurement,
    percentile,
)


def query(begin: float, compute: float = 2.0, enqueue: float = 0.1, copy: float = 0.5) -> Query:
    return Query(begin, begin + copy, begin + 2 * copy + compute, enqueue, copy, compute, copy)


def test_the_figures_are_trtexecs() -> None:
    """1 to 200 by trtexec's formulas: an element is taken, and none is made up."""
    assert figures(range(1, 201)) == Figures(1, 100.5, 100.5, 180, 190, 198, 200)
    assert figures([3.0, 1.0, 2.0]).median == 2.0
    assert figures([5.0]) == Figures(5, 5, 5, 5, 5, 5, 5)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(
    values: list[float], percent: float
) -> None:
    found = percentile(sorted(values), percent)
    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values) - 1e-6


def test_what_computed_during_the_warm_up_is_not_counted() -> None:
    late, early, edge = query(250), query(100), query(199.5)
    assert counted([late, early, edge], 200) == [edge, late]
    assert counted([early], 200) == []


def test_a_measurement_goes_from_the_first_begin_to_the_last_end() -> None:
    queries = [query(10.0 * i) for i in range(11)]
    found = measurement(queries, {"x": (8, 3)}, BenchOptions(warm_up_ms=0), cuda_graph=False)
    assert found.queries == 11
    assert found.seconds == pytest.approx(0.103)  # 100 ms, and the last one's 3
    assert found.throughput == pytest.approx(11 / 0.103)
    assert found.samples_per_second == pytest.approx(8 * 11 / 0.103)
    assert (found.latency.median, found.compute.median) == (3.0, 2.0)
    assert found.notes == ()


@pytest.mark.parametrize(
    ("slow", "graph", "notes"),
    [
        ({"enqueue": 1.7}, False, ["enqueue time may bound the throughput; --cuda-graph may help"]),
        ({"enqueue": 1.7}, True, ["enqueue time may bound the throughput"]),
        ({"enqueue": 1.5}, False, []),
        ({"copy": 2.0}, False, ["copying inputs may bound", "copying outputs may bound"]),
    ],
)
def test_what_bounds_the_throughput_is_said(
    slow: dict[str, float], graph: bool, notes: list[str]
) -> None:
    queries = [query(10.0 * i, **slow) for i in range(3)]
    found = measurement(queries, {}, BenchOptions(warm_up_ms=0), cuda_graph=graph)
    assert len(found.notes) == len(notes)
    for told, note in zip(found.notes, notes, strict=True):
        assert note in told


def test_the_batch_is_what_all_inputs_share() -> None:
    assert batch_of({"x": (8, 3), "y": (8,)}) == 8
    assert batch_of({"x": (8, 3), "y": (4,)}) is None
    assert batch_of({"x": ()}) is None


def test_layers_are_means_in_the_order_in_which_they_ran() -> None:
    reports = [("conv", 3.0), ("relu", 1.0), ("conv", 5.0), ("relu", 1.0)]
    conv, relu = layer_times(reports, 2)
    assert (conv.name, conv.milliseconds, conv.share) == ("conv", 4.0, 0.8)
    assert (relu.name, relu.milliseconds, relu.share) == ("relu", 1.0, 0.2)
