"""Texts that people would write, which read back as the same config."""

from hypothesis import given, settings

from tests.modelconfig.configs import configs, steady
from trtbuild.modelconfig.read import parse_config
from trtbuild.modelconfig.schema import Config, new_config
from trtbuild.modelconfig.write import text_from_config

LONG = "L" * 90
EXPECTED = """# Written by hand
# twice
name: "resnet50"
platform: "tensorrt_plan"
max_batch_size: 8
version_policy { latest { num_versions: 1 } }
input [
  {
    name: "image"
    data_type: TYPE_FP32
    dims: [ 3, -1, -1 ]
  },
  {
    name: "scale"
    data_type: TYPE_FP32
    dims: [ 1 ]
    reshape { shape: [ ] }
  }
]
output [
  {
    name: "score"
    data_type: 77
    dims: [ 1000 ]
  }
]
dynamic_batching { }
cc_model_filenames [
  { key: "8.6" value: "model_8.6.plan" },
  { key: "10.0" value: "model_10.0.plan" }
]
parameters [
  { key: "a" value { string_value: "\\"\\n\\001é" } },
  {
    key: "long"
    value { string_value: "{LONG}" }
  }
]
model_transaction_policy { decoupled: true }
"""


def test_the_form_that_people_use() -> None:
    config = new_config(
        name="resnet50",
        platform="tensorrt_plan",
        max_batch_size=8,
        version_policy={"latest": {"num_versions": 1}},
        input=[
            {"name": "image", "data_type": 11, "dims": [3, -1, -1]},
            {"name": "scale", "data_type": 11, "dims": [1], "reshape": {}},
        ],
        output=[{"name": "score", "data_type": 77, "dims": [1000]}],
        dynamic_batching={},
        cc_model_filenames={"10.0": "model_10.0.plan", "8.6": "model_8.6.plan"},
        parameters={"long": {"string_value": LONG}, "a": {"string_value": '"\n\x01é'}},
        model_transaction_policy={"decoupled": True},
    )
    text = text_from_config(config, "Written by hand\ntwice")
    assert text == EXPECTED.replace("{LONG}", LONG)
    assert parse_config(text).message == config


@settings(steady, max_examples=300)
@given(configs())
def test_every_config_reads_back(config: Config) -> None:
    text = text_from_config(config)
    parsed = parse_config(text)
    assert parsed.message == config
    assert text_from_config(parsed.message) == text


def test_an_empty_config_is_an_empty_line() -> None:
    assert text_from_config(new_config()) == "\n"


def test_not_a_number_is_written() -> None:
    config = new_config(sequence_batching={"direct": {"minimum_slot_utilization": float("nan")}})
    assert "minimum_slot_utilization: nan" in text_from_config(config)
