from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from tests.plan.models import (
    custom_op,
    identity,
    matmul,
    model,
    node,
    nonzero,
    saved,
    shape_input,
    value,
    weight,
)
from trtbuild.errors import PlanError
from trtbuild.plan.network import (
    NodeRefusal,
    Parsed,
    network_from_bytes,
    network_from_onnx,
    typed,
)
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.plan.session import Session, session


@pytest.fixture
def loaded(rtx: RuntimeInfo) -> Session:
    return session(rtx)


def error_of(loaded: Session, proto: onnx.ModelProto, folder: Path) -> PlanError:
    with pytest.raises(PlanError) as caught:
        network_from_onnx(loaded, saved(proto, folder), typed(loaded))
    return caught.value


def test_a_network_is_strongly_typed_and_has_the_models_interface(
    loaded: Session, tmp_path: Path
) -> None:
    parsed = network_from_onnx(loaded, saved(matmul(), tmp_path), typed(loaded))
    assert parsed.network.get_input(0).name == "x"
    flag = loaded.member("NetworkDefinitionCreationFlag", "STRONGLY_TYPED")
    assert parsed.network.get_flag(flag)


def test_external_data_is_read_from_beside_the_file(loaded: Session, tmp_path: Path) -> None:
    onnx.save(
        matmul(),
        tmp_path / "m.onnx",
        save_as_external_data=True,
        location="m.data",
        size_threshold=0,
    )
    from trtbuild.onnx_model import describe

    described = describe(tmp_path / "m.onnx")
    assert described.files == ("m.onnx", "m.data")
    assert network_from_onnx(loaded, described, typed(loaded)).network.num_layers > 1


def test_an_op_that_no_target_takes(loaded: Session, tmp_path: Path) -> None:
    error = error_of(loaded, nonzero(), tmp_path)
    assert error.message == (
        f"{loaded.name} does not take NonZero (node 'nz'): "
        "NonZero plugin creator version 1 was not found in plugin registry"
    )
    assert (error.op, error.node, error.refused_by) == ("NonZero", "nz", "parser")


def test_an_op_that_nobody_knows(loaded: Session, tmp_path: Path) -> None:
    error = error_of(loaded, custom_op(), tmp_path)
    assert error.message == (
        f"{loaded.name} does not take Foo (node 'acme/foo'): "
        "Plugin not found, are the plugin name, version, and namespace correct?"
    )
    assert error.hint == (
        "data-centre TensorRT takes it with a plugin: --runtime tensorrt --plugins FILE.so"
    )


def test_the_other_ops_are_named_too(loaded: Session, tmp_path: Path) -> None:
    proto = model(
        [
            node("SequenceConstruct", ["x", "x"], ["s"], "make"),
            node("ConcatFromSequence", ["s"], ["y"], "join", axis=0),
        ],
        [value("x", TensorProto.FLOAT, [4])],
        [value("y", TensorProto.FLOAT, [8])],
    )
    error = error_of(loaded, proto, tmp_path)
    assert error.message == (
        f"{loaded.name} does not take SequenceConstruct (node 'make'); nor ConcatFromSequence"
    )


def test_a_file_that_is_no_model(loaded: Session, tmp_path: Path) -> None:
    described = saved(matmul(), tmp_path)
    described.path.write_bytes(b"\x0a\xff garbage")
    with pytest.raises(PlanError) as caught:
        network_from_onnx(loaded, described, typed(loaded))
    assert caught.value.message.startswith(f"{loaded.name} cannot read the ONNX model: ")


def test_an_input_whose_values_are_a_shape(loaded: Session, tmp_path: Path) -> None:
    error = error_of(loaded, shape_input(), tmp_path)
    assert error.message == (
        "the values of input 'shape' set the shape of other tensors; trtbuild makes no plans "
        "with such inputs"
    )
    assert error.refused_by == ""


def test_a_type_that_tensorrt_would_change_in_silence(loaded: Session, tmp_path: Path) -> None:
    error = error_of(loaded, identity(TensorProto.DOUBLE), tmp_path)
    assert error.message == f"input 'x' is fp64, of which {loaded.name} makes fp32"
    assert error.hint == "convert it first: --input 'x=fp32'"


def test_an_input_that_tensorrt_drops_is_told(loaded: Session, tmp_path: Path) -> None:
    described = saved(matmul(), tmp_path)
    other = saved(identity(TensorProto.FLOAT16), tmp_path / "other")
    described.path.write_bytes(other.path.read_bytes())
    with pytest.raises(PlanError) as caught:
        network_from_onnx(loaded, described, typed(loaded))
    assert caught.value.message == "TensorRT's network has no output 'z'; it has: y"


def test_a_model_in_memory(loaded: Session) -> None:
    assert isinstance(
        network_from_bytes(loaded, matmul().SerializeToString(), typed(loaded)), Parsed
    )
    refusal = network_from_bytes(loaded, nonzero().SerializeToString(), typed(loaded))
    assert isinstance(refusal, NodeRefusal)
    assert (refusal.op, refusal.node) == ("NonZero", "nz")


def test_the_reason_of_a_shape_that_cannot_be(loaded: Session) -> None:
    proto = model(
        [node("Add", ["x", "w"], ["y"], "add")],
        [value("x", TensorProto.FLOAT, [5, 4])],
        [value("y", TensorProto.FLOAT, [5, 4])],
        [weight("w", (3, 4), TensorProto.FLOAT)],
    )
    refusal = network_from_bytes(loaded, proto.SerializeToString(), typed(loaded))
    assert refusal == NodeRefusal("Add", "add", "broadcast dimensions must be conformable")
