"""On the real driver where there is a GPU, else on a stand-in for it; the engine copies."""

from pathlib import Path

import numpy as np
import pytest

import tests.serve.backends.tensorrt.stand_in as trt
from tests.serve.backends.tensorrt.stand_in import Tensor, copies, plan_text
from trtbuild.cuda import Cuda, Stream
from trtbuild.cuda_timing import Mark
from trtbuild.plan.header import HEADER_BYTES
from trtbuild.verify.bench_lane import lane
from trtbuild.verify.engine import Engine, Execution
from trtbuild.verify.timing import BenchOptions

INPUTS = {"x": np.ones((4, 4), np.float32)}


@pytest.fixture
def engine(cuda: Cuda, tmp_path: Path) -> Engine:
    handle = copies([(Tensor("x", "FLOAT", (-1, 4)), "y")], [{"x": ((1, 4), (4, 4), (8, 4))}])
    (tmp_path / "model.plan").write_bytes(bytes(HEADER_BYTES) + plan_text(handle))
    return Engine(trt.__name__, tmp_path / "model.plan", cuda)


def test_two_queries_are_under_way_and_no_third(engine: Engine) -> None:
    stream, start = Stream(engine.cuda), Mark(engine.cuda)
    start.record(stream)
    with lane(engine, 0, INPUTS, BenchOptions()) as made:
        made.begin(start)
        for _ in range(3):
            made.query()
        assert engine.handle.enqueued == 2
        first = made.next_done(start)
        assert first is not None
        made.query()
        assert engine.handle.enqueued == 3
        rest = list(made.rest(start))
        assert len(rest) == 2
        assert list(made.rest(start)) == []
        for query in (first, *rest):
            assert 0 <= query.begin <= query.compute_begin <= query.end
            assert query.latency <= query.end - query.begin + 1e-3
    start.free()
    stream.free()


def test_a_plan_that_cannot_be_captured_runs_without_a_graph_and_says_so(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = Execution.enqueue
    refused: list[bool] = []

    def enqueue(self: Execution) -> None:
        once(self)
        if engine.handle.enqueued == 2:  # the one that is captured
            refused.append(True)
            self.stream.synchronize()  # forbidden while a stream is captured

    monkeypatch.setattr(Execution, "enqueue", enqueue)
    with lane(engine, 0, INPUTS, BenchOptions(cuda_graph=True)) as made:
        assert refused
        assert made.graph is None
        assert made.note.startswith("no CUDA graph, the plan cannot be captured: cuStreamSync")
