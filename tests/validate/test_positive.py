"""Configs like those that Triton's documentation teaches: no findings, and Triton loads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.modelconfig.test_batching import MODEL, profile
from tests.validate.conftest import Judge
from tests.validate.files import files_of
from tests.validate.oracle.server import Triton
from trtbuild.artifacts import Plan
from trtbuild.capability import Capability
from trtbuild.modelconfig.derive import config_from_plans
from trtbuild.modelconfig.options import ConfigOptions
from trtbuild.modelconfig.write import text_from_config
from trtbuild.validate.finding import Severity

IDENTITY = """-- identity/config.pbtxt --
name: "identity"
backend: "identity"
max_batch_size: 64
input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]
instance_group [ { count: 1 kind: KIND_CPU } ]
dynamic_batching { max_queue_delay_microseconds: 500 }
-- identity/1/ --
"""
ADD_SUB = """-- add_sub/config.pbtxt --
name: "add_sub"
backend: "python"
input [
  { name: "INPUT0" data_type: TYPE_FP32 dims: [ 4 ] },
  { name: "INPUT1" data_type: TYPE_FP32 dims: [ 4 ] }
]
output [
  { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 4 ] },
  { name: "OUTPUT1" data_type: TYPE_FP32 dims: [ 4 ] }
]
instance_group [{ kind: KIND_CPU }]
-- add_sub/1/model.py --
"""
CLASSIFY = """-- resnet/config.pbtxt --
platform: "onnxruntime_onnx"
max_batch_size: 128
input {
  name: "data_0" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, 224, 224 ]
}
output {
  name: "fc6_1" data_type: TYPE_FP32 dims: [ 4 ]
  label_filename: "labels.txt"
}
dynamic_batching { preferred_batch_size: [ 8, 16 ] }
version_policy: { specific { versions: [ 1, 3 ] } }
model_warmup [
  {
    name: "zeros" batch_size: 1
    inputs { key: "data_0" value { data_type: TYPE_FP32 dims: [ 3, 224, 224 ] zero_data: true } }
  }
]
-- resnet/labels.txt --
tench
goldfish
shark
ray
-- resnet/1/model.onnx = data_0:fp32[N,3,224,224] -> fc6_1:fp32[N,4] --
-- resnet/3/model.onnx = data_0:fp32[N,3,224,224] -> fc6_1:fp32[N,4] --
"""
SEQUENCE = """-- accumulate/config.pbtxt --
backend: "sequence"
max_batch_size: 1
sequence_batching {
  max_sequence_idle_microseconds: 5000000
  oldest { max_candidate_sequences: 1024 }
  control_input [
    { name: "START" control [ { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } ] },
    { name: "READY" control [ { kind: CONTROL_SEQUENCE_READY fp32_false_true: [ 0, 1 ] } ] },
    { name: "END" control [ { kind: CONTROL_SEQUENCE_END bool_false_true: [ false, true ] } ] },
    { name: "CORRID" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } ] }
  ]
  state [
    {
      input_name: "STATE_IN" output_name: "STATE_OUT" data_type: TYPE_INT32 dims: [ -1 ]
      initial_state: { data_type: TYPE_INT32 dims: [ 1 ] zero_data: true name: "zero" }
    }
  ]
}
input [ { name: "INPUT" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "OUTPUT" data_type: TYPE_INT32 dims: [ 1 ] } ]
-- accumulate/1/ --
"""
DECOUPLED = """-- repeat/config.pbtxt --
backend: "repeat"
max_batch_size: 0
input [
  { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] },
  { name: "DELAY" data_type: TYPE_UINT32 dims: [ -1 ] },
  { name: "WAIT" data_type: TYPE_UINT32 dims: [ 1 ] optional: true }
]
output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] } ]
model_transaction_policy { decoupled: True }
-- repeat/1/ --
"""
ENSEMBLE = """-- pipeline/config.pbtxt --
name: "pipeline"
platform: "ensemble"
max_batch_size: 8
input [ { name: "RAW" data_type: TYPE_UINT8 dims: [ -1 ] } ]
output [ { name: "SCORES" data_type: TYPE_FP32 dims: [ 1000 ] } ]
ensemble_scheduling {
  step [
    {
      model_name: "decode"
      model_version: -1
      input_map { key: "bytes" value: "RAW" }
      output_map { key: "image" value: "image" }
    },
    {
      model_name: "classify"
      model_version: -1
      input_map { key: "x" value: "image" }
      output_map { key: "y" value: "SCORES" }
    }
  ]
}
-- pipeline/1/ --
-- decode/config.pbtxt --
backend: "python"
max_batch_size: 8
input [ { name: "bytes" data_type: TYPE_UINT8 dims: [ -1 ] } ]
output [ { name: "image" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] } ]
-- decode/1/model.py --
-- classify/config.pbtxt --
backend: "python"
max_batch_size: 16
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3, -1, -1 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 1000 ] } ]
output [ { name: "not_wanted" data_type: TYPE_FP32 dims: [ 8 ] } ]
-- classify/1/model.py --
"""
RAGGED = """-- ragged/config.pbtxt --
backend: "ragged"
max_batch_size: 16
input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] allow_ragged_batch: true } ]
output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 1 ] } ]
batch_input [
  {
    kind: BATCH_ACCUMULATED_ELEMENT_COUNT
    target_name: "INDEX"
    data_type: TYPE_FP32
    source_input: "INPUT0"
  }
]
dynamic_batching {
  priority_levels: 2
  default_priority_level: 1
  default_queue_policy {
    timeout_action: REJECT
    default_timeout_microseconds: 10000
    allow_timeout_override: true
    max_queue_size: 100
  }
}
-- ragged/1/ --
"""
PLANS = """-- trt/config.pbtxt --
platform: "tensorrt_plan"
max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 1000 ] }
cc_model_filenames [
  { key: "7.5" value: "t4.plan" },
  { key: "8.6" value: "a10.plan" }
]
instance_group [ { count: 2, kind: KIND_AUTO, profile: [ "0" ] } ]
optimization { cuda { graphs: true } }
-- trt/1/t4.plan = tensorrt plan 10.9.0.34 --
-- trt/1/a10.plan = tensorrt plan 10.9.0.34 --
"""
ALL = {
    "identity": IDENTITY,
    "add_sub": ADD_SUB,
    "resnet": CLASSIFY,
    "accumulate": SEQUENCE,
    "repeat": DECOUPLED,
    "pipeline": ENSEMBLE,
    "ragged": RAGGED,
    "trt": PLANS,
}


@pytest.mark.parametrize("name", ALL)
def test_clean(name: str, judge: Judge) -> None:
    assert [f for f in judge(ALL[name]) if f.level > Severity.INFO] == []


@pytest.mark.parametrize("name", ALL)
def test_triton_loads_it(name: str, triton: Triton) -> None:
    files = files_of(ALL[name])
    for own in ("identity", "sequence", "repeat", "ragged", "python"):
        for path in [path for path in files if path.endswith(".pbtxt")]:
            files[path] = files[path].replace(f'backend: "{own}"'.encode(), b'backend: "identity"')
    verdict = triton.judge(files, name)
    assert verdict.accepted, verdict.message


def test_triton_loads_what_convert_writes_for_profiles_and_cuda_graphs(
    triton: Triton, judge: Judge
) -> None:
    plan = Plan(Path(), "a.plan", "", 0, (Capability(9, 0),), "tensorrt", "10.6.0", 0.0)
    profiles = (profile((1, 1, 1), (1, 128, 512)), profile((1, 16, 32)))
    options = ConfigOptions(cuda_graphs=True, warmup=True)
    config = config_from_plans("two", MODEL, [plan], profiles[1], options, profiles=profiles)
    text = text_from_config(config).replace("KIND_GPU", "KIND_AUTO")  # the oracle has no GPU
    repository = f"-- two/config.pbtxt --\n{text}\n-- two/1/a.plan = tensorrt plan 10.6.0.26 --\n"
    assert [f for f in judge(repository) if f.level > Severity.INFO] == []
    verdict = triton.judge(files_of(repository), "two")
    assert verdict.accepted, verdict.message


def test_triton_loads_add_sub_with_its_python_backend(triton: Triton) -> None:
    assert triton.judge(files_of(ADD_SUB), "add_sub").accepted
