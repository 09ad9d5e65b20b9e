"""Auto-complete from the model, and what is said where config and model differ.

Cases: Triton's ONNX Runtime backend, AutoCompleteConfig and ValidateInputs/ValidateOutputs.
"""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from onnx import TensorProto, helper
from trtserve.backends.onnxruntime.signature import check, complete, dtype_of, dtypes_of
from trtserve.errors import Kind, ServeError

from tests.serve.backends.onnxruntime.onnx_models import DTYPES, reshaping, session
from tests.serve.models import Dims, add_sub, identity, model
from trtbuild.modelconfig.schema import new_config
from trtbuild.tensor import dtype_from_kserve

IN = {"name": "INPUT0", "data_type": "TYPE_FP32", "dims": [16]}
OUT = {"name": "OUTPUT0", "data_type": "TYPE_FP32", "dims": [16]}


def completed(content: bytes, **config: Any) -> dict[str, Any]:
    made = new_config(name="m", **config)
    complete(made, session(content))
    return dict(MessageToDict(made, preserving_proto_field_name=True))


@pytest.mark.parametrize("dtype", DTYPES)
def test_data_types_are_triton_s(dtype: str) -> None:
    row = dtype_from_kserve(dtype)
    assert row is not None
    found = completed(reshaping(DTYPES[dtype][0]))
    assert [each["data_type"] for each in found["input"] + found["output"]] == [row.triton] * 2


@pytest.mark.parametrize(
    ("dims", "batch", "inner"),
    [
        (["batch", 16], 4, ["16"]),
        (["batch", "any"], 4, ["-1"]),
        ([None, 3, "h", "w"], 4, ["3", "-1", "-1"]),
        ([8, 16], None, ["8", "16"]),
        ([8, "any"], None, ["8", "-1"]),
    ],
)
def test_an_open_first_dim_is_the_batch(dims: Dims, batch: int | None, inner: list[str]) -> None:
    found = completed(identity(dims=dims))
    assert found.get("max_batch_size") == batch
    assert [each["dims"] for each in found["input"] + found["output"]] == [inner] * 2
    assert ("dynamic_batching" in found) == (batch is not None)


def test_one_tensor_with_a_fixed_first_dim_stops_batching() -> None:
    nodes = [helper.make_node("ReduceSum", ["INPUT0"], ["OUTPUT0"], keepdims=0)]
    content = model(nodes, {"INPUT0": (TensorProto.FLOAT, ["batch", 16])},
                    {"OUTPUT0": (TensorProto.FLOAT, [])})  # fmt: skip
    found = completed(content)
    assert "max_batch_size" not in found
    # A scalar without batching: dims [1], and no reshape, which only batching allows.
    assert found["output"] == [{"name": "OUTPUT0", "data_type": "TYPE_FP32", "dims": ["1"]}]


def test_a_scalar_a_row_gets_an_empty_reshape() -> None:
    found = completed(identity(dims=["batch"]))
    assert found["input"][0]["dims"] == ["1"]
    assert found["input"][0]["reshape"] == {}


@pytest.mark.parametrize(
    ("stated", "batch", "batching"),
    [
        ({"max_batch_size": 8}, 8, True),
        ({"max_batch_size": 1}, 1, False),
        ({"max_batch_size": 0}, 4, True),
        ({"input": [IN]}, 4, True),
    ],
)
def test_what_is_stated_stays(stated: dict[str, Any], batch: int, batching: bool) -> None:
    found = completed(identity(), **stated)
    assert found["max_batch_size"] == batch
    assert ("dynamic_batching" in found) == batching
    assert [each["dims"] for each in found["input"] + found["output"]] == [["16"]] * 2


def test_inputs_and_outputs_both_listed_are_left_alone() -> None:
    # Even where they are incomplete: onnxruntime_backend#113.
    found = completed(identity(), input=[{"name": "INPUT0"}], output=[OUT])
    assert found["input"] == [{"name": "INPUT0"}]
    assert "max_batch_size" not in found
    assert "dynamic_batching" not in found


def test_a_scheduler_that_is_chosen_stays() -> None:
    found = completed(identity(), dynamic_batching={"max_queue_delay_microseconds": 7})
    assert found["dynamic_batching"] == {"max_queue_delay_microseconds": "7"}
    found = completed(identity(), sequence_batching={})
    assert "dynamic_batching" not in found


def test_batching_that_the_model_cannot_do_is_refused() -> None:
    with pytest.raises(ServeError, match="autofill failed for model 'm': model does not support"):
        completed(add_sub(batched=False), max_batch_size=8)


def refusal(content: bytes, **config: Any) -> str:
    with pytest.raises(ServeError) as caught:
        check(new_config(name="m", **config), session(content))
    assert caught.value.kind is Kind.INVALID_ARG
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"input": [IN | {"name": "x"}]}, "unexpected inference input 'x', allowed inputs are: "
         "INPUT0"),
        ({"output": [OUT | {"name": "y"}]}, "unexpected inference output 'y', allowed outputs "
         "are: OUTPUT0"),
        ({"input": [IN | {"data_type": "TYPE_INT32"}]},
         "input 'INPUT0' is TYPE_INT32 in the config, the model says TYPE_FP32"),
        ({"output": [OUT | {"data_type": "TYPE_FP16"}]},
         "output 'OUTPUT0' is TYPE_FP16 in the config, the model says TYPE_FP32"),
        ({"input": [IN | {"dims": [8]}]}, "input 'INPUT0' has the shape [-1, 8] by the config "
         "(max_batch_size adds the first dim), the model says ['batch', 16]"),
        ({"output": [OUT | {"dims": [4, 4]}]}, "output 'OUTPUT0' has the shape [-1, 4, 4]"),
        ({"max_batch_size": 0}, "input 'INPUT0' has the shape [16]"),
        ({"input": []}, "the model's input 'INPUT0' is not in the config"),
    ],
)  # fmt: skip
def test_a_config_that_does_not_fit_is_refused_by_name(change: dict[str, Any], said: str) -> None:
    assert said in refusal(identity(), **({"max_batch_size": 4, "input": [IN], "output": [OUT]}
                                          | change))  # fmt: skip


@pytest.mark.parametrize(
    ("dims", "config"),
    [
        (["batch", 16], {"max_batch_size": 4}),
        (["batch", "any"], {"max_batch_size": 4}),
        ([4, 16], {"max_batch_size": 4}),  # Triton takes it, and so do we: full batches run
        (["batch", 4, 4], {"max_batch_size": 4, "reshape": {"shape": [4, 4]}}),
        (["any"], {}),
        ([16], {}),
    ],
)
def test_a_config_that_fits(dims: Dims, config: dict[str, Any]) -> None:
    reshape = {"reshape": config.pop("reshape")} if "reshape" in config else {}
    made = new_config(name="m", input=[IN | reshape], output=[OUT | reshape], **config)
    check(made, session(identity(dims=dims)))


def test_outputs_may_be_left_out_and_odd_ones_must_be() -> None:
    nodes = [
        helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"]),
        helper.make_node("SequenceConstruct", ["INPUT0"], ["list"]),
    ]
    value = helper.make_tensor_value_info("INPUT0", TensorProto.FLOAT, ["batch", 16])
    graph = helper.make_graph(
        nodes, "graph", [value],
        [helper.make_tensor_value_info("OUTPUT0", TensorProto.FLOAT, ["batch", 16]),
         helper.make_tensor_sequence_value_info("list", TensorProto.FLOAT, None)],
    )  # fmt: skip
    opened = session(
        helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
        ).SerializeToString()
    )
    check(new_config(name="m", max_batch_size=4, input=[IN], output=[OUT]), opened)
    assert list(dtypes_of(opened.get_outputs())) == ["OUTPUT0"]
    with pytest.raises(ServeError, match=r"'list' is a seq\(tensor\(float\)\), which cannot"):
        dtype_of(opened.get_outputs()[1])
    with pytest.raises(ServeError, match="'list' is a seq"):
        complete(new_config(name="m", max_batch_size=0), opened)
