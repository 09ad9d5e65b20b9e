import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.checker import ValidationError

from tests.sources import onnx_models as models
from trtbuild.sources.skeleton import check, restore, skeleton


def test_large_tensors_are_left_out_and_small_ones_stay() -> None:
    model = models.affine(rows=64, columns=64)
    small = numpy_helper.from_array(np.arange(5), "small")
    model.graph.initializer.append(small)
    before = model.SerializeToString(deterministic=True)
    bones = skeleton(model)
    assert bones.ByteSize() < 600
    large, kept = bones.graph.initializer
    assert (large.name, large.data_type, list(large.dims)) == ("w", 1, [64, 64])
    assert kept == small
    assert model.SerializeToString(deterministic=True) == before
    restore(bones, model)
    assert bones == model


def test_every_other_field_is_copied() -> None:
    model = models.affine()
    model.doc_string = "for people"
    model.model_version = 3
    model.metadata_props.add(key="author", value="me")
    model.graph.doc_string = "inside"
    assert skeleton(model) == model


def test_a_skeleton_can_be_checked() -> None:
    model = models.affine(rows=64, columns=64)
    check(skeleton(model))
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("nonsense", 1))
    with pytest.raises(ValidationError, match="Unrecognized attribute: nonsense"):
        check(skeleton(model))
