from pathlib import Path

import msgspec
import pytest

from trtbuild.errors import UsageError
from trtbuild.request import ConvertRequest
from trtbuild.stage_options import kind_of, options_of_stages
from trtbuild.tensor import InputOverride


def request(**asked: object) -> ConvertRequest:
    return ConvertRequest(source="m", repo=Path("r"), **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "in_source", "in_surgery"),
    [
        ("onnx", ((), ()), (("a",), ("b",))),
        ("savedmodel", ((), ()), (("a",), ("b",))),
        ("keras", ((), ()), (("a",), ("b",))),
        ("graphdef", (("a",), ("b",)), ((), ())),
    ],
)
def test_a_graph_is_cut_once(
    kind: str, in_source: tuple[object, ...], in_surgery: tuple[object, ...]
) -> None:
    options = options_of_stages(request(inputs=("a",), outputs=("b",)), kind)
    assert (options.source.inputs, options.source.outputs) == in_source
    assert (options.surgery.inputs, options.surgery.outputs) == in_surgery


@pytest.mark.parametrize("kind", ["torch", "torchscript", "exported"])
def test_a_torch_model_gets_its_names_from_the_exporter(kind: str) -> None:
    options = options_of_stages(request(outputs=("probs",)), kind)
    assert options.source.output_names == ("probs",)
    assert options.surgery.outputs == ()
    with pytest.raises(UsageError, match=r"--outputs a=b: .* named in order, not cut by tensor"):
        options_of_stages(request(outputs=("a=b",)), kind)
    with pytest.raises(UsageError, match="--inputs cuts a graph"):
        options_of_stages(request(inputs=("a",)), kind)


def test_input_overrides_reach_the_stage_that_heeds_them() -> None:
    given = request(input=("x=fp16[n,3]",))
    override = (InputOverride("x", "fp16", ("n", 3)),)
    assert options_of_stages(given, "onnx").surgery.overrides == override
    assert options_of_stages(given, "torch").source.overrides == override
    assert options_of_stages(given, "torch").surgery.overrides == ()


def test_shapes_go_where_samples_are_made() -> None:
    options = options_of_stages(request(opt_shapes=("x:4x3",), max_batch=16), "torch")
    assert options.shapes.opt == {"x": (4, 3)}
    assert options.shapes.max_batch == 16
    assert options.source.example_shapes == options.surgery.sample_shapes == {"x": (4, 3)}


def test_labels_are_files_that_exist_under_names_of_their_own(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "names.txt").write_text("x")
    first, second = (f"{tmp_path}/{folder}/names.txt" for folder in ("a", "b"))
    options = options_of_stages(request(labels=(f"y=0={first}",)), "onnx")
    assert options.config.labels == {"y=0": "names.txt"}
    assert options.label_files == {"names.txt": Path(first)}
    with pytest.raises(UsageError, match=r"two label files are called 'names\.txt'"):
        options_of_stages(request(labels=(f"y={first}", f"z={second}")), "onnx")


def test_weights_beside_code_say_that_it_defines_a_network(tmp_path: Path) -> None:
    weights = tmp_path / "w.npz"
    of_code = msgspec.structs.replace(request(weights=weights), source="net.py:define")
    assert kind_of(of_code) == "network"
    assert kind_of(msgspec.structs.replace(of_code, kind="torch")) == "torch"
    assert kind_of(request(weights=weights)) == "auto"  # a file is what it is, and is told so
    assert kind_of(request()) == "auto"
    with pytest.raises(UsageError, match=r"--weights belongs to a function .* is a onnx model"):
        options_of_stages(request(weights=weights), "onnx")
    with pytest.raises(UsageError, match="no such file"):
        options_of_stages(request(weights=weights), "network")
    weights.touch()
    options = options_of_stages(request(weights=weights, reference="n.py:r"), "network")
    assert options.source.weights == options.verify.weights == weights
    assert options.verify.reference == "n.py:r"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"reference": "n.py:r", "samples": Path("s.npz")}, "contradict each other"),
        ({"reference": "n.py"}, "--reference 'n.py' names no function"),
        ({"samples": Path("no.npz")}, "--samples 'no.npz': no such file"),
    ],
)
def test_what_plans_are_compared_with_is_there(asked: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        options_of_stages(request(**asked), "onnx")


def test_what_is_asked_of_plans_reaches_them() -> None:
    asked = {
        "workspace_mib": 64,
        "timing_cache": Path("c"),
        "require_timing_cache": True,
        "version_compatible": "with-lean-runtime",
        "refittable": "any",
        "strip_weights": True,
        "tactic_sources": ("cudnn",),
    }
    plan = options_of_stages(
        request(hardware_compat="ampere-plus", weak=("fp16",), **asked), "onnx"
    ).plan
    assert {name: getattr(plan, name) for name in asked} == asked
    assert (plan.hardware, plan.weak_precisions) == ("ampere-plus", ("fp16",))
