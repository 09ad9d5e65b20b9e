"""On the real driver where there is a GPU, else on a stand-in for it; the engine copies."""

from pathlib import Path

import numpy as np
import pytest

import tests.serve.backends.tensorrt.stand_in as trt
from tests.serve.backends.tensorrt.stand_in import Tensor, copies, plan_text
from trtbuild.cuda import Cuda
from trtbuild.errors import PlanError, VerificationError
from trtbuild.plan.header import HEADER_BYTES
from trtbuild.verify.engine import Engine, Execution

UP_TO_8 = {"x": ((1, 4), (4, 4), (8, 4))}
UP_TO_64 = {"x": ((9, 4), (32, 4), (64, 4))}


def engine(folder: Path, cuda: Cuda, dtype: str = "FLOAT") -> Engine:
    handle = copies([(Tensor("x", dtype, (-1, 4)), "y")], [UP_TO_8, UP_TO_64], cuda=cuda)
    (folder / "model.plan").write_bytes(bytes(HEADER_BYTES) + plan_text(handle))
    return Engine(trt.__name__, folder / "model.plan", cuda)


def rows(count: int) -> dict[str, np.ndarray]:
    return {"x": np.arange(count * 4, dtype=np.float32).reshape(count, 4)}


def test_an_engine_says_what_it_takes_and_gives_and_runs(tmp_path: Path, cuda: Cuda) -> None:
    opened = engine(tmp_path, cuda)
    assert (opened.inputs, opened.outputs, opened.dtype("x")) == (("x",), ("y",), "fp32")
    for count in (1, 8):
        np.testing.assert_array_equal(opened.run(rows(count))["y"], rows(count)["x"])
    np.testing.assert_array_equal(opened.run(rows(40), profile=1)["y"], rows(40)["x"])


def test_values_are_cast_to_the_plans_types(tmp_path: Path, cuda: Cuda) -> None:
    got = engine(tmp_path, cuda, "BF16").run(rows(2))["y"]
    assert got.dtype.name == "bfloat16"
    np.testing.assert_array_equal(got.astype(np.float32), rows(2)["x"])


def test_a_shape_or_profile_that_is_not_the_plans_is_refused(tmp_path: Path, cuda: Cuda) -> None:
    opened = engine(tmp_path, cuda)
    with pytest.raises(VerificationError, match=r"does not take input 'x' as \[9, 4\]"):
        opened.run(rows(9))
    with pytest.raises(VerificationError, match="the plan has no profile 2"):
        opened.run(rows(1), profile=2)


def test_an_execution_is_bound_again_and_again(tmp_path: Path, cuda: Cuda) -> None:
    execution = Execution(engine(tmp_path, cuda))
    for count in (2, 8, 1):
        execution.bind(rows(count))
        execution.upload()
        execution.enqueue()
        execution.download()
        execution.stream.synchronize()
        np.testing.assert_array_equal(execution.results()["y"], rows(count)["x"])
    execution.free()


def test_what_is_no_plan_is_refused_with_the_runtimes_words(tmp_path: Path, cuda: Cuda) -> None:
    (tmp_path / "model.plan").write_bytes(b"no plan")
    with pytest.raises(PlanError, match=r"cannot load the plan .*model.plan: Serialization"):
        Engine(trt.__name__, tmp_path / "model.plan", cuda)
