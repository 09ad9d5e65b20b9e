import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.surgery import rtx
from tests.surgery.models import LIGHT, Array, f32, model, node, note, operated, run, saved
from trtbuild import onnx_session, onnx_write
from trtbuild.artifacts import OnnxModel, SurgeryResult, to_json
from trtbuild.onnx_model import describe
from trtbuild.onnx_weights import read_skeleton
from trtbuild.surgery.apply import LOWERING_PASSES, PASSES, PRECISION_PASSES, operate
from trtbuild.surgery.options import SurgeryOptions
from trtbuild.tensor import DTYPES, DType, TensorSpec
from trtbuild.verify.emulate import emulated
from trtbuild.workers.pool import Pool


def product(dtype: type = np.float32) -> onnx.ModelProto:
    kind = DTYPES[{"float64": "fp64", "float32": "fp32"}[np.dtype(dtype).name]].name
    return model(
        [node("MatMul", ["x", "w"], ["y"])],
        [f"x {kind} [n, 64]"],
        [f"y {kind} [n, 64]"],
        {"w": f32(64, 64).astype(dtype)},
    )


def test_every_pass_leaves_one_note_in_order(tmp_path: Path) -> None:
    result = operated(tmp_path, product())
    assert [entry.name for entry in result.notes] == [*PASSES, *PRECISION_PASSES, *LOWERING_PASSES]
    assert not any(entry.changed for entry in result.notes)
    assert all(entry.note for entry in result.notes)


def test_the_numbers_stay_and_there_is_no_reference_when_nothing_was_asked(
    tmp_path: Path,
) -> None:
    result = operated(tmp_path, product())
    assert result.reference is None
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model.onnx"]
    x = f32(3, 64)
    np.testing.assert_array_equal(run(result.onnx, x=x)["y"], run(product(), x=x)["y"])


def test_a_converted_precision_leaves_the_graph_before_it(tmp_path: Path) -> None:
    result = operated(tmp_path, product(), precision="fp16")
    assert result.reference is not None
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "model.onnx",
        "reference.onnx",
    ]
    assert result.reference.size_bytes > 16_384 > result.model.size_bytes
    x = f32(3, 64)
    np.testing.assert_array_equal(run(result.reference, x=x)["y"], run(product(), x=x)["y"])


def test_external_data_stays_external(tmp_path: Path) -> None:
    onnx.save(product(), tmp_path / "m.onnx", save_as_external_data=True, location="weights")
    (tmp_path / "out").mkdir()
    options = SurgeryOptions(precision="bf16")
    result = operate(describe(tmp_path / "m.onnx"), options, tmp_path / "out")
    assert result.onnx.files == ("model.onnx", "model.onnx.data")
    assert result.reference is not None
    assert result.reference.files == ("reference.onnx", "reference.onnx.data")
    onnx.checker.check_model(str(result.onnx.path), full_check=True)
    [weight] = onnx.load(result.onnx.path).graph.initializer
    assert weight.data_type == TensorProto.BFLOAT16


def test_what_a_message_cannot_hold_goes_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_write, "INLINE_LIMIT_BYTES", 10_000)
    assert operated(tmp_path, product()).onnx.files == ("model.onnx", "model.onnx.data")


@pytest.mark.slow
def test_a_model_over_two_gigabytes_in_bounded_memory(tmp_path: Path) -> None:
    size, count = 8192 * 8192 * 4, 9  # 2.4 GB of zeros, a hole in a file
    nodes, weights = [], []
    with (tmp_path / "weights").open("wb") as file:
        file.truncate(size * count)
    for i in range(count):
        weight = TensorProto(name=f"w{i}", data_type=TensorProto.FLOAT, dims=[8192, 8192])
        weight.data_location = TensorProto.EXTERNAL
        for key, entry in (("location", "weights"), ("offset", i * size), ("length", size)):
            weight.external_data.add(key=key, value=str(entry))
        weights.append(weight)
        nodes.append(node("MatMul", [f"t{i}" if i else "x", f"w{i}"], [f"t{i + 1}"]))
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 8192])
        for name in ("x", f"t{count}")
    ]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], weights)
    opsets = [helper.make_opsetid("", 17)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    (tmp_path / "out").mkdir()
    specs = (TensorSpec("x", "fp32", ("n", 8192)),)  # `describe` would digest the zeros
    with Pool() as pool:
        worker = pool.start()
        result = worker.call(
            "trtbuild.surgery.apply:operate",
            SurgeryResult,
            model=OnnxModel(tmp_path, ("m.onnx", "weights"), "", 0, specs, (), 17, ""),
            options=SurgeryOptions(precision="bf16"),
            directory=tmp_path / "out",
        )
        status = Path(f"/proc/{worker.process.pid}/status").read_text()
    peak_mib = int(status.split("VmHWM:")[1].split()[0]) // 1024
    assert result.model.size_bytes > size * count // 2
    assert peak_mib < 1200  # one weight in both types, and the pages of the one before


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_light_models_take_batches_and_still_agree(tmp_path: Path, path: Path) -> None:
    """The source, the graph that keeps its precision, and the one in fp16, rounding emulated."""
    original = onnx.load(path)
    name = next(value.name for value in original.graph.input if "data" in value.name)
    x = {name: f32(2, 3, 224, 224)}
    expected = [only(run(original, **{name: x[name][i : i + 1]})) for i in range(2)]
    kept = operated(tmp_path / "keep", original)
    assert kept.model.batchable
    np.testing.assert_allclose(
        only(run(kept.onnx, **x)), np.concatenate(expected), rtol=1e-3, atol=1e-6
    )
    lowered = operated(tmp_path / "fp16", original, precision="fp16")
    y = only(run(emulated(read_skeleton(lowered.onnx.path)), **x))
    np.testing.assert_allclose(y, np.concatenate(expected), rtol=1e-2, atol=1e-5)
    onnx_session.open_session(read_skeleton(lowered.onnx.path))  # loads as it is, too


def only(outputs: dict[str, Array]) -> Array:
    [output] = outputs.values()
    return output


BUILDS = [  # the slower ones were built by hand: they have the ops of these
    *((path, "fp16") for path in LIGHT if not path.stem.endswith(("densenet121", "v2"))),
    *((path, "bf16") for path in LIGHT if path.stem.endswith(("shufflenet", "squeezenet"))),
]


@pytest.mark.parametrize(
    ("path", "precision"), BUILDS, ids=[f"{path.stem}-{precision}" for path, precision in BUILDS]
)
def test_light_models_build_strongly_typed(tmp_path: Path, path: Path, precision: str) -> None:
    result = operated(tmp_path, onnx.load(path), precision=precision)
    assert rtx.build(result.onnx.path, "SM80", "SM89") == ""


IDENTITY = onnx.defs.get_schema("Identity", 25).type_constraints[0].allowed_type_strs
ALL_DTYPES = [
    row
    for row in DTYPES.values()
    if f"tensor({TensorProto.DataType.Name(row.onnx).lower()})" in IDENTITY
]


@pytest.mark.parametrize("row", ALL_DTYPES, ids=lambda row: row.name)
@pytest.mark.parametrize("precision", ["keep", "fp32", "fp16", "bf16"])
def test_an_identity_of_every_data_type(tmp_path: Path, row: DType, precision: str) -> None:
    values = [helper.make_tensor_value_info(name, row.onnx, ["n", 4]) for name in ("x", "y")]
    graph = helper.make_graph([node("Identity", ["x"], ["y"])], "g", values[:1], values[1:])
    opsets = [helper.make_opsetid("", 25)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=13)
    result = operated(tmp_path, made, precision=precision)
    expected = row.name
    if row.name == "fp64" or (precision != "keep" and row.name in ("fp16", "bf16")):
        expected = row.name if row.name == precision else "fp32"
    assert result.model.inputs[0].dtype == result.model.outputs[0].dtype == expected


def test_an_old_model_passes_with_every_dim_named(tmp_path: Path) -> None:
    """Placeholders for "varies" are no names of dims, even when two are the same."""
    made = model(
        [node("Add", ["x", "w"], ["y"])], ["x fp32 [n, m]"], ["y fp32 [n, m]"], {"w": f32(1)}
    )
    for entry in (made.graph.input[0], made.graph.output[0]):
        for dim in entry.type.tensor_type.shape.dim:
            dim.dim_param = "?"
    result = operated(tmp_path, made)
    assert str(result.model.inputs[0]) == "x fp32 [x_0, x_1]"
    assert str(result.model.outputs[0]) == "y fp32 [x_0, x_1]"


def test_an_op_of_another_domain_is_carried_through(tmp_path: Path) -> None:
    made = model([node("Relu", ["x"], ["t"])], ["x fp32 [n, 4]"], ["t fp32 [n, 4]"])
    made.graph.node.append(node("Plugin", ["t"], ["y"], name="p", domain="acme", level=3))
    made.opset_import.append(helper.make_opsetid("acme", 1))
    made.graph.output[0].name = "y"
    result = operate_without_checks(tmp_path, made, precision="fp16")
    assert [str(spec) for spec in result.model.outputs] == ["y fp32 [n, 4]"]
    assert "in fp32, because it is not one of ONNX's own ops: p (Plugin)" in (
        note(result, "lower_precision").note
    )
    assert "activations could not be measured" in note(result, "lower_precision").note


def operate_without_checks(folder: Path, made: onnx.ModelProto, **options: str) -> SurgeryResult:
    (folder / "out").mkdir()
    return operate(saved(folder, made), SurgeryOptions(**options), folder / "out")  # type: ignore[arg-type] # precision


def test_it_runs_as_a_worker_call_and_twice_the_same(tmp_path: Path) -> None:
    source = saved(tmp_path, product())
    results = []
    with Pool() as pool:
        worker = pool.start()
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            results.append(
                worker.call(
                    "trtbuild.surgery.apply:operate",
                    SurgeryResult,
                    model=source,
                    options=SurgeryOptions(precision="fp16"),
                    directory=tmp_path / name,
                )
            )
    assert results[0].model.digest == results[1].model.digest
    assert to_json(results[0].notes) == to_json(results[1].notes)


def test_without_a_reason_onnx_runtime_is_not_loaded(tmp_path: Path) -> None:
    """light_resnet50's batch is freed by proof, and there is nothing to fold: half the time."""
    path = next(path for path in LIGHT if path.stem == "light_resnet50")
    code = f"""
import json, sys
from pathlib import Path
from trtbuild.onnx_model import describe
from trtbuild.surgery.apply import operate
from trtbuild.surgery.options import SurgeryOptions
operate(describe(Path({str(path)!r})), SurgeryOptions(), Path({str(tmp_path)!r}))
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert "onnxruntime" not in json.loads(done.stdout)
