"""On the real driver where there is a GPU, else on a stand-in for it; the engine copies."""

from pathlib import Path

import pytest

import tests.serve.backends.tensorrt.stand_in as trt
from tests.cuda_driver import StandIn
from tests.serve.backends.tensorrt.stand_in import Bounds, Tensor, copies, plan_text
from trtbuild.engine_from_plan import AS_IT_IS
from trtbuild.errors import UsageError
from trtbuild.plan.header import HEADER_BYTES
from trtbuild.verify.bench_run import Profile, measure, shapes_of
from trtbuild.verify.timing import BenchOptions, Shapes

UP_TO_8: dict[str, Bounds] = {"x": ((1, 4), (4, 4), (8, 4))}
UP_TO_64: dict[str, Bounds] = {"x": ((9, 4), (32, 4), (64, 4))}
SHORT = BenchOptions(seconds=0, warm_up_ms=0, iterations=5)


@pytest.fixture
def plan(cuda_driver: None, tmp_path: Path) -> Path:
    handle = copies([(Tensor("x", "FLOAT", (-1, 4)), "y")], [UP_TO_8, UP_TO_64])
    (tmp_path / "model.plan").write_bytes(bytes(HEADER_BYTES) + plan_text(handle))
    return tmp_path / "model.plan"


def test_each_batch_is_measured_by_itself(plan: Path) -> None:
    options = BenchOptions(batches=(1, 8, 40), seconds=0, warm_up_ms=0, iterations=5)
    found = measure(plan, trt.__name__, options, AS_IT_IS)
    assert [one.shapes for one in found] == [{"x": (1, 4)}, {"x": (8, 4)}, {"x": (40, 4)}]
    for one in found:
        assert one.queries >= 5
        assert one.throughput == pytest.approx(one.queries / one.seconds)
        assert one.latency.max <= one.seconds * 1000 + 1e-3


def test_the_usual_shapes_are_measured_where_nothing_is_asked_for(plan: Path) -> None:
    (one,) = measure(plan, trt.__name__, SHORT, AS_IT_IS)
    assert (one.shapes, one.batch, one.copies, one.cuda_graph) == ({"x": (4, 4)}, 4, True, False)


def test_streams_and_no_copies_and_a_graph(plan: Path, stand_in: StandIn | None) -> None:
    options = BenchOptions(
        streams=3, copies=False, cuda_graph=True, seconds=0, warm_up_ms=0, iterations=5
    )
    before = stand_in.launches if stand_in is not None else 0
    (one,) = measure(plan, trt.__name__, options, AS_IT_IS)
    assert one.queries >= 15
    assert one.cuda_graph
    assert one.upload.max == one.download.max == 0.0
    if stand_in is not None:
        assert stand_in.launches - before >= one.queries


def test_layers_are_timed_in_runs_of_their_own(plan: Path) -> None:
    options = BenchOptions(layers=True, seconds=0, warm_up_ms=0, iterations=1)
    (one,) = measure(plan, trt.__name__, options, AS_IT_IS)
    (layer_time,) = one.layers
    assert (layer_time.name, layer_time.milliseconds, layer_time.share) == ("copy of x", 0.25, 1.0)


def test_a_batch_that_no_profile_takes(plan: Path) -> None:
    with pytest.raises(UsageError, match="does not take a batch of 65: it takes x 1x4 to 8x4; x 9"):
        measure(plan, trt.__name__, BenchOptions(batches=(65,)), AS_IT_IS)


STATIC: Profile = {"x": ((2, 3), (2, 3), (2, 3)), "n": ((1,), (5,), (9,))}


@pytest.mark.parametrize(
    ("batch", "given", "shapes"),
    [
        (None, {}, {"x": (2, 3), "n": (5,)}),
        (None, {"n": (9,)}, {"x": (2, 3), "n": (9,)}),
        (7, {}, {"x": (2, 3), "n": (7,)}),
    ],
)
def test_shapes(batch: int | None, given: Shapes, shapes: Shapes) -> None:
    assert shapes_of([STATIC], batch, given) == (0, shapes)


@pytest.mark.parametrize(
    ("batch", "given", "why"),
    [
        (None, {"y": (1,)}, "--shapes names input 'y'; the plan has x, n"),
        (None, {"x": (3, 3)}, "does not take these shapes"),
        (10, {}, "does not take a batch of 10"),
    ],
)
def test_shapes_that_are_not_the_plans(batch: int | None, given: Shapes, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        shapes_of([STATIC], batch, given)


def test_a_batch_of_a_plan_without_one_is_refused() -> None:
    only: Profile = {"x": ((2, 3), (2, 3), (2, 3))}
    assert shapes_of([only], 2, {}) == (0, {"x": (2, 3)})
    with pytest.raises(UsageError, match="does not take a batch of 4"):
        shapes_of([only], 4, {})
