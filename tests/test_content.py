from pathlib import Path

import msgspec

from trtbuild.artifacts import (
    OnnxModel,
    Plan,
    PlanOutcome,
    Range,
    SourceRef,
    SurgeryResult,
    VerifyReport,
)
from trtbuild.capability import Capability
from trtbuild.content import Results, content_of, portable_files
from trtbuild.modelconfig.read import parse_config
from trtbuild.plugins import PluginCreator, UsedPlugin
from trtbuild.repository.lock import LockedPlan
from trtbuild.repository.write import Content
from trtbuild.request import ConvertRequest
from trtbuild.stage_options import options_of_stages
from trtbuild.tensor import TensorSpec

SPEC = TensorSpec("x", "fp32", ("batch", 8))


def results(folder: Path) -> Results:
    files = ("model.onnx", "model.onnx.data")
    model = OnnxModel(folder, files, "d" * 64, 9, (SPEC,), (SPEC,), 17, "test 1", ("a note",))
    plan = Plan(folder, "model.sm86.plan", "p", 4, (Capability(8, 6),), "tensorrt-rtx", "1.7", 0.25)
    return Results(
        name="net",
        source=SourceRef("onnx", "m.onnx", "net", "s" * 64),
        exported=model,
        surgery=SurgeryResult(model, None, (), {"x": "x"}, {"x": "x"}),
        profile={"x": Range((1, 8), (4, 8), (8, 8))},
        outcome=PlanOutcome((plan,), ()),
        report=VerifyReport((), {}),
    )


def config_text(content: Content, plans: tuple[LockedPlan, ...]) -> str:
    assert content.config is not None
    return content.config(plans)


def test_files_config_and_lock_say_the_same(tmp_path: Path) -> None:
    request = ConvertRequest(source="m.onnx", repo=tmp_path, precision="fp16", workers=3)
    content = content_of(results(tmp_path), request, options_of_stages(request, "onnx"))
    assert sorted(content.files) == ["model.onnx", "model.onnx.data", "model.sm86.plan"]
    config = parse_config(config_text(content, content.lock.plans)).message
    assert dict(config.cc_model_filenames) == {"8.6": "model.sm86.plan"}
    assert content.lock.options == {"precision": "fp16"}
    assert content.lock.source.notes == ("a note",)
    assert content.lock.onnx.portable


def test_the_portable_model_is_the_one_before_precision_conversion(tmp_path: Path) -> None:
    made = results(tmp_path)
    before = msgspec.structs.replace(
        made.surgery.model, files=("reference.onnx", "reference.onnx.data")
    )
    surgery = msgspec.structs.replace(made.surgery, reference=before)
    assert portable_files(surgery) == {
        "model.onnx": tmp_path / "reference.onnx",
        "reference.onnx.data": tmp_path / "reference.onnx.data",
    }
    half = TensorSpec("x", "fp16", ("batch", 8))
    matched = msgspec.structs.replace(surgery.model, inputs=(half,), outputs=(half,))
    assert portable_files(msgspec.structs.replace(surgery, model=matched)) == {
        "model.onnx": tmp_path / "model.onnx",
        "model.onnx.data": tmp_path / "model.onnx.data",
    }


def test_without_the_portable_model_only_plans_are_written(tmp_path: Path) -> None:
    request = ConvertRequest(source="m.onnx", repo=tmp_path, portable=False)
    content = content_of(results(tmp_path), request, options_of_stages(request, "onnx"))
    assert sorted(content.files) == ["model.sm86.plan"]
    assert not content.lock.onnx.portable


def test_the_config_covers_plans_that_were_there_before(tmp_path: Path) -> None:
    request = ConvertRequest(source="m.onnx", repo=tmp_path)
    content = content_of(results(tmp_path), request, options_of_stages(request, "onnx"))
    (plan,) = content.lock.plans
    older = msgspec.structs.replace(plan, file="model.sm80.plan", targets=(Capability(8, 0),))
    config = parse_config(config_text(content, (older, plan))).message
    assert sorted(config.cc_model_filenames) == ["8.0", "8.6"]


def test_what_runs_code_says_in_the_config_what_triton_needs(tmp_path: Path) -> None:
    request = ConvertRequest(source="m.onnx", repo=tmp_path)
    content = content_of(results(tmp_path), request, options_of_stages(request, "onnx"))
    (plan,) = content.lock.plans
    assert "version-compatible" not in config_text(content, (plan,))
    runs_code = msgspec.structs.replace(plan, version_compatible="with-lean-runtime")
    head = [line for line in config_text(content, (runs_code,)).splitlines() if line[:1] == "#"]
    assert "# them with --backend-config=tensorrt,version-compatible=true only." in "\n".join(head)


def test_the_lock_tells_what_a_plan_lacks_and_beside_it_lie_its_weights(tmp_path: Path) -> None:
    request = ConvertRequest(source="m.onnx", repo=tmp_path, strip_weights=True, weak=("fp16",))
    made = results(tmp_path)
    plan = msgspec.structs.replace(
        made.outcome.plans[0], hardware="none", refit="identical", stripped=True
    )
    before = msgspec.structs.replace(made.surgery.model, files=("reference.onnx",))
    made = msgspec.structs.replace(
        made,
        outcome=PlanOutcome((plan,), ()),
        surgery=msgspec.structs.replace(made.surgery, reference=before),
    )
    content = content_of(made, request, options_of_stages(request, "onnx"))
    (locked,) = content.lock.plans
    assert (locked.hardware, locked.refit, locked.stripped) == ("none", "identical", True)
    assert content.lock.options == {"strip_weights": True, "weak": ("fp16",)}
    assert content.files["model.onnx"] == tmp_path / "model.onnx"
    assert content.lock.onnx.files == ("model.onnx", "model.onnx.data")


def test_plugins_are_in_the_lock_and_tritons_option_in_the_config(tmp_path: Path) -> None:
    request = ConvertRequest(source="m.onnx", repo=tmp_path)
    made = results(tmp_path)
    used = UsedPlugin("libroll.so", "aa", "opening", (PluginCreator("Roll", "1", ""),))
    plan = msgspec.structs.replace(made.outcome.plans[0], plugins=(used,))
    made = msgspec.structs.replace(made, outcome=PlanOutcome((plan,), ()))
    content = content_of(made, request, options_of_stages(request, "onnx"))
    assert content.lock.plans[0].plugins == (used,)
    text = config_text(content, content.lock.plans)
    assert (
        '# Its plans need plugins: tritonserver --backend-config=tensorrt,plugins="libroll.so"'
        in (text.splitlines())
    )
