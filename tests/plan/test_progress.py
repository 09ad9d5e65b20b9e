from types import SimpleNamespace

import pytest
from onnx import TensorProto

from tests.plan.models import convolution
from trtbuild.plan.network import Parsed, network_from_bytes, typed
from trtbuild.plan.progress import PER_MILLE, PhaseTree, monitor
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.plan.session import session


def test_a_child_is_one_step_of_its_parent() -> None:
    tree = PhaseTree()
    tree.start("build", None, 4)
    assert tree.per_mille() == 0
    tree.step("build", 0)
    assert tree.per_mille() == 250
    tree.start("optimize", "build", 2)
    tree.step("optimize", 0)
    assert tree.per_mille() == 375
    tree.finish("optimize")
    tree.step("build", 1)
    assert tree.per_mille() == 500


def test_it_never_goes_back_nor_over() -> None:
    tree = PhaseTree()
    tree.start("build", None, 2)
    tree.step("build", 1)
    tree.start("late", "build", 0)
    tree.step("late", 7)
    assert tree.per_mille() == PER_MILLE
    tree.finish("build")
    tree.finish("late")
    assert tree.per_mille() == PER_MILLE


def test_odd_phases_do_no_harm() -> None:
    tree = PhaseTree()
    tree.step("never started", 3)
    tree.start("its own parent", "its own parent", 2)
    tree.step("its own parent", 0)
    tree.start("orphan", "gone", 1)
    assert tree.per_mille() == 500


def test_a_monitor_tells_of_a_real_build(rtx: RuntimeInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtbuild.plan.progress._INTERVAL_S", 0)
    loaded = session(rtx)
    proto = convolution(TensorProto.FLOAT16, dims=2)
    for dim in (proto.graph.input[0], proto.graph.output[0]):
        dim.type.tensor_type.shape.dim[0].dim_value = 2
    parsed = network_from_bytes(loaded, proto.SerializeToString(), typed(loaded))
    assert isinstance(parsed, Parsed)
    config = parsed.builder.create_builder_config()
    told: list[tuple[str, int]] = []
    config.progress_monitor = monitor(loaded.trt, lambda phase, done: told.append((phase, done)))
    assert parsed.builder.build_serialized_network(parsed.network, config) is not None
    fractions = [done for _, done in told]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert 500 < fractions[-1] <= PER_MILLE
    assert "Building engine" in {phase for phase, _ in told}


def test_a_monitor_tells_at_most_ten_times_a_second() -> None:
    told: list[int] = []
    trt = SimpleNamespace(IProgressMonitor=object)
    one = monitor(trt, lambda _, done: told.append(done))
    one.phase_start("build", None, 10_000)
    for step in range(10_000):
        assert one.step_complete("build", step)
    one.phase_finish("build")
    assert len(told) < 100
