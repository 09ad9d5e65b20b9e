import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.sources import onnx_models as models
from trtbuild.onnx_model import interface
from trtbuild.sources.shapes import give_ranks, infer_outputs
from trtbuild.tensor import InputOverride


def test_ranks_are_given_to_inputs_without_one() -> None:
    model = models.affine()
    assert not give_ranks(model, [InputOverride("x", None, ("n", 4))])  # it has one
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert not give_ranks(model, [InputOverride("z", None, ("n", 4))])
    assert not give_ranks(model, [InputOverride("x", "fp16", None)])
    assert give_ranks(model, [InputOverride("x", None, ("n", 4))])
    assert interface(model)[0][0].shape == ("n", 4)


def test_a_rank_of_zero() -> None:
    model = models.affine()
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert give_ranks(model, [InputOverride("x", None, ())])
    assert interface(model)[0][0].shape == ()


def test_known_outputs_are_left_alone() -> None:
    model = models.affine()
    before = model.SerializeToString(deterministic=True)
    assert infer_outputs(model) == (False, "")
    assert model.SerializeToString(deterministic=True) == before


def test_a_shape_is_inferred() -> None:
    model = models.affine(rows=64, columns=64, output=None)
    assert infer_outputs(model) == (True, "")
    assert interface(model)[1][0].shape == ("batch", 64)


def test_dims_without_a_name_are_filled_in() -> None:
    model = models.affine()
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    for _ in range(2):
        model.graph.output[0].type.tensor_type.shape.dim.add()
    assert infer_outputs(model)[0]
    assert interface(model)[1][0].shape == ("batch", 3)


def test_values_of_small_tensors_are_used() -> None:
    model = models.affine(output=None)
    model.graph.node.append(helper.make_node("Reshape", ["y", "shape"], ["z"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([0, 1, 3]), "shape"))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    assert infer_outputs(model) == (True, "")
    assert interface(model)[1][0].shape == ("batch", 1, 3)


def test_a_contradiction_is_noted_and_left_as_it_is() -> None:
    model = models.affine(output=("batch", 7))
    changed, note = infer_outputs(model)
    assert not changed
    assert note.startswith("shape inference: ")
    assert interface(model)[1][0].shape == ("batch", 7)
