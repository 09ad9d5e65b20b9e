"""What Triton 2.51 accepts and refuses in auto_complete_config, tried on it; texts are its own."""

import json
from typing import Any

import pytest
from trtserve.backends.python.model_config import ModelConfig

X = {"name": "x", "data_type": "TYPE_FP32", "dims": [3]}


def config(**fields: Any) -> ModelConfig:
    given = {"name": "m", "max_batch_size": 0, "input": [], "output": []} | fields
    return ModelConfig(json.dumps(given))


def test_an_empty_config_is_filled() -> None:
    made = config()
    made.add_input(X | {"optional": True})
    made.add_output(X)
    made.set_max_batch_size(8)
    made.set_dynamic_batching()
    made.set_model_transaction_policy({"decoupled": False})
    assert made.as_dict() == {
        "name": "m",
        "max_batch_size": 8,
        "input": [X | {"optional": True}],
        "output": [X],
        "dynamic_batching": {},
        "model_transaction_policy": {"decoupled": False},
    }


def test_a_partial_tensor_is_completed() -> None:
    made = config(input=[{"name": "x", "data_type": "TYPE_INVALID", "dims": [], "format": "F"}])
    made.add_input(X)
    assert made.as_dict()["input"] == [X | {"format": "F"}]


def test_a_scheduler_that_is_set_stays() -> None:
    made = config(dynamic_batching={"preferred_batch_size": [4]})
    made.set_dynamic_batching()
    assert made.as_dict()["dynamic_batching"] == {"preferred_batch_size": [4]}


@pytest.mark.parametrize(
    ("fields", "method", "argument", "message"),
    [
        ({}, "add_input", X | {"zz": 1},
         "input 'x' in auto-complete-config function for model 'm' contains property other than "
         "'name', 'data_type', 'dims' and 'optional'."),
        ({}, "add_output", X | {"optional": True},
         "output 'x' in auto-complete-config function for model 'm' contains property other than "
         "'name', 'data_type' and 'dims'."),
        ({}, "add_input", {"data_type": "TYPE_FP32", "dims": [3]},
         "input in auto-complete-config function for model 'm' is missing 'name' property."),
        ({}, "add_output", {"name": "x", "data_type": "TYPE_FP32"},
         "output 'x' in auto-complete-config function for model 'm' is missing 'dims' property."),
        ({"input": [X | {"data_type": "TYPE_INT8"}]}, "add_input", X,
         "unable to load model 'm', configuration expects datatype TYPE_INT8 for input 'x', model "
         "provides TYPE_FP32"),
        ({"output": [X | {"dims": [-1]}]}, "add_output", X,
         "model 'm', tensor 'x': the model expects dims [3] but the model configuration specifies "
         "dims [-1]"),
        ({"input": [X | {"optional": False}]}, "add_input", X | {"optional": True},
         "model 'm', tensor 'x': the model expects optional True but the model configuration "
         "specifies optional False"),
        ({"max_batch_size": 4}, "set_max_batch_size", 2,
         "configuration specified max_batch_size 4, but in auto-complete-config function for model "
         "'m' specified max_batch_size 2"),
        ({"sequence_batching": {}}, "set_dynamic_batching", None,
         "Configuration specified scheduling_choice as 'sequence_batching', but "
         "auto-complete-config function for model 'm' tries to set scheduling_choice as "
         "'dynamic_batching'"),
        ({}, "set_model_transaction_policy", {"other": 1},
         "model transaction property in auto-complete-config function for model 'm' contains "
         "property other than 'decoupled'."),
        ({"model_transaction_policy": {"decoupled": False}}, "set_model_transaction_policy",
         {"decoupled": True},
         "trying to change decoupled property in auto-complete-config for model 'm', which is "
         "already set to 'False'."),
    ],
)  # fmt: skip
def test_contradictions(fields: dict[str, Any], method: str, argument: Any, message: str) -> None:
    call = getattr(config(**fields), method)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared below
        call() if argument is None else call(argument)
    assert str(caught.value) == message
