import numpy as np
import pytest

from tests.surgery.models import f32, model, node
from trtbuild.backend import engine
from trtbuild.capability import Capability
from trtbuild.errors import PlanError, VerificationError
from trtbuild.plan.network import NodeRefusal, Parsed
from trtbuild.plan.runtimes import RuntimeInfo


def network_of(made: object, runtime: RuntimeInfo) -> Parsed:
    answer = engine.parsed(runtime, made.SerializeToString())  # type: ignore[attr-defined]
    assert not isinstance(answer, NodeRefusal)
    return answer


RELU = model([node("Relu", ["x"], ["y"])], ["x fp32 [2, 3]"], ["y fp32 [2, 3]"])


def test_one_builder_builds_again_and_again(rtx: RuntimeInfo) -> None:
    plans = [engine.built(rtx, network_of(RELU, rtx), Capability(8, 9)) for _ in range(3)]
    assert all(len(plan) > 1000 for plan in plans)


def test_what_the_builder_refuses(rtx: RuntimeInfo) -> None:
    made = model([node("MatMul", ["x", "x"], ["y"])], ["x bf16 [2, 2]"], ["y bf16 [2, 2]"])
    with pytest.raises(PlanError) as error:
        engine.built(rtx, network_of(made, rtx), Capability(7, 5))
    assert error.value.refused_by == "builder"


def test_what_the_parser_refuses(rtx: RuntimeInfo) -> None:
    made = model([node("Det", ["x"], ["y"])], ["x fp32 [2, 2]"], ["y fp32 []"])
    answer = engine.parsed(rtx, made.SerializeToString())
    assert isinstance(answer, NodeRefusal)
    assert answer.op == "Det"


@pytest.mark.gpu
def test_runs(on_gpu: RuntimeInfo) -> None:
    plan = engine.built(on_gpu, network_of(RELU, on_gpu), None)
    ready = engine.Engine(on_gpu, plan, 0)
    for seed in range(3):
        x = f32(2, 3, seed=seed)
        np.testing.assert_array_equal(ready.run({"x": x})["y"], np.maximum(x, 0))


@pytest.mark.gpu
def test_a_size_that_depends_on_values(on_gpu: RuntimeInfo) -> None:
    made = model([node("NonZero", ["x"], ["y"])], ["x fp32 [2, 3]"], ["y int64 [2, n]"])
    ready = engine.Engine(on_gpu, engine.built(on_gpu, network_of(made, on_gpu), None), 0)
    for x in (f32(2, 3), np.array([[0, 1, 0], [0, 0, 2]], np.float32)):
        np.testing.assert_array_equal(ready.run({"x": x})["y"], np.array(np.nonzero(x)))


@pytest.mark.gpu
def test_a_plan_that_is_none(on_gpu: RuntimeInfo) -> None:
    with pytest.raises(VerificationError, match="the plan does not load: "):
        engine.Engine(on_gpu, b"no plan", 0)
