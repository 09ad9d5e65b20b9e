from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.models import save
from tests.verify.models import scaled, unchanged
from trtbuild.artifacts import Range, SurgeryResult, VerifyReport
from trtbuild.errors import VerificationError
from trtbuild.onnx_model import describe
from trtbuild.tensor import TensorSpec
from trtbuild.tensorfile import load_tensors, save_tensors
from trtbuild.verify.inputs import make_inputs
from trtbuild.verify.onnx_run import CUT, OnnxRun, compare_graphs, run_final
from trtbuild.verify.options import VerifyOptions
from trtbuild.verify.points import Point

PROFILE = {"x": Range((1, 3), (4, 3), (8, 3))}


def verify(folder: Path, result: SurgeryResult, source: Any = None) -> VerifyReport:
    """As the pipeline does, with `source` as the framework that runs an array."""
    exported = result.reference or result.model
    points = make_inputs(exported, result, PROFILE, 0, folder)

    def run(point: Point) -> list[Path]:
        paths = []
        for i, part in enumerate(point.parts):
            path = folder / f"reference-{point.name}-{i}"
            save_tensors(path, {"y": source(load_tensors(part)["x"])})
            paths.append(path)
        return paths

    outputs = {point.name: run(point) for point in points} if source else {}
    return compare_graphs(
        kind="torch",
        result=result,
        points=points,
        outputs=outputs,
        options=VerifyOptions(),
    )


def test_a_faithful_export_passes_at_every_point(tmp_path: Path) -> None:
    result = unchanged(scaled(tmp_path, np.float32(2)))
    report = verify(tmp_path, result, lambda x: x * 2)
    assert report.passed
    assert [(c.pair, c.point) for c in report.comparisons] == [
        ("torch vs ONNX", "min"),
        ("torch vs ONNX", "opt"),
        ("torch vs ONNX", "max"),
    ]


def test_an_unfaithful_export_fails_with_the_element(tmp_path: Path) -> None:
    result = unchanged(scaled(tmp_path, np.float32(2)))

    def other(x: Any) -> Any:
        y = x * 2
        y[0, 1] += 0.5
        return y

    report = verify(tmp_path, result, other)
    assert not report.passed
    assert report.comparisons[0].worst_index == (0, 1)
    assert report.comparisons[0].max_abs == pytest.approx(0.5)


def test_before_and_after_precision_surgery_are_told_apart(tmp_path: Path) -> None:
    before = scaled(tmp_path / "a", np.float32(2.001))
    after = scaled(tmp_path / "b", np.float16(2.001))
    result = msgspec.structs.replace(unchanged(after), reference=before)
    report = verify(tmp_path, result, lambda x: x * np.float32(2.001))
    assert report.passed
    assert [(c.pair, c.rtol) for c in report.comparisons[:2]] == [
        ("torch vs ONNX", 1e-3),
        ("torch vs ONNX fp16", 1e-2),
    ]
    assert report.comparisons[0].max_abs < report.comparisons[1].max_abs


def test_a_freed_batch_is_compared_sample_by_sample(tmp_path: Path) -> None:
    exported = scaled(tmp_path / "a", np.float32(2), (1, 3))
    final = scaled(tmp_path / "b", np.float32(2), ("batch", 3))
    points = make_inputs(exported, unchanged(final), PROFILE, 0, tmp_path)

    def outputs(factor: float) -> dict[str, list[Path]]:
        written: dict[str, list[Path]] = {}
        for point in points:
            for part in point.parts:
                path = part.with_name(f"{part.name}-outputs")
                save_tensors(path, {"y": load_tensors(part)["x"] * np.float32(factor)})
                written.setdefault(point.name, []).append(path)
        return written

    def verdict(factor: float) -> VerifyReport:
        return compare_graphs(
            kind="torch",
            result=unchanged(final),
            points=points,
            outputs=outputs(factor),
            options=VerifyOptions(),
        )

    assert verdict(2).passed
    assert len(verdict(2).comparisons) == 3
    assert not verdict(2.1).passed


def test_a_cut_graph_is_compared_with_itself_before_precision_surgery(tmp_path: Path) -> None:
    before = scaled(tmp_path / "a", np.float32(2))
    after = scaled(tmp_path / "b", np.float16(2))
    names = {"x": ""}
    result = SurgeryResult(after, before, (), names, {"y": ""})
    report = verify(tmp_path, result, lambda x: x)
    assert {c.pair for c in report.comparisons} == {"ONNX vs ONNX fp16"}
    assert report.not_run == {"torch vs ONNX": CUT}
    assert report.passed


def test_a_cut_graph_in_full_precision_has_nothing_to_compare(tmp_path: Path) -> None:
    result = msgspec.structs.replace(
        unchanged(scaled(tmp_path, np.float32(2))), input_names={"x": ""}
    )
    report = verify(tmp_path, result, lambda x: x)
    assert report.comparisons == ()
    assert report.not_run == {"torch vs ONNX": CUT}


def test_a_graph_that_onnx_runtime_refuses_is_named(tmp_path: Path) -> None:
    model = scaled(tmp_path, np.float32(2))
    path = model.path
    path.write_bytes(path.read_bytes().replace(b"Mul", b"Mux"))
    with pytest.raises(VerificationError, match="ONNX Runtime cannot run the converted graph"):
        OnnxRun(model)


def test_the_final_graphs_outputs_are_kept_for_plans(tmp_path: Path) -> None:
    result = unchanged(scaled(tmp_path, np.float32(2)))
    points = make_inputs(result.model, result, PROFILE, 0, tmp_path)
    assert run_final(result, points) == [point.outputs for point in points]
    for point in points:
        x, y = load_tensors(point.inputs)["x"], load_tensors(point.outputs)["y"]
        np.testing.assert_array_equal(y, x * 2)


def test_an_output_of_another_shape_than_declared_fails(tmp_path: Path) -> None:
    """The config is made of what is declared."""
    model = scaled(tmp_path, np.float32(2))
    declared = TensorSpec("y", "fp32", ("n",))
    report = verify(tmp_path, unchanged(msgspec.structs.replace(model, outputs=(declared,))))
    failed = [one for one in report.comparisons if not one.passed]
    assert [one.problem for one in failed] == [
        f"shape [{rows}, 3], of which the model says y fp32 [n]" for rows in (1, 4, 8)
    ]


def test_values_that_the_model_does_not_take_are_no_bug(tmp_path: Path) -> None:
    """A mask of so many steps as the longest row has, over rows of 20."""
    nodes = [
        helper.make_node("ReduceMax", ["lengths"], ["m"], keepdims=0),
        helper.make_node("Range", ["zero", "m", "one"], ["r"]),
        helper.make_node("Cast", ["r"], ["f"], to=1),
        helper.make_node("Mul", ["x", "f"], ["y"]),
    ]
    int64, fp32 = TensorProto.INT64, TensorProto.FLOAT
    model = describe(
        save(
            tmp_path / "m.onnx",
            nodes,
            {"x": (fp32, ("batch", 20)), "lengths": (int64, ("batch",))},
            {"y": (fp32, ("batch", 20))},
            {"zero": np.int64(0), "one": np.int64(1)},
        )
    )
    with pytest.raises(VerificationError) as caught:
        OnnxRun(model)({"x": np.ones((2, 20), np.float32), "lengths": np.array([3, 4])})
    assert "the model takes other values of `lengths` than it was given" in caught.value.message
    assert "--bind lengths=VALUE" in caught.value.hint
    assert "--samples FILE.npz" in caught.value.hint
