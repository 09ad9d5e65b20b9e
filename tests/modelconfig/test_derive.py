"""Configs that say what the plans were built for."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.modelconfig.configs import steady
from trtbuild.artifacts import OnnxModel, Plan, Profile, Range
from trtbuild.capability import Capability
from trtbuild.errors import ConfigError
from trtbuild.modelconfig.batching import Batch, batch_of
from trtbuild.modelconfig.derive import config_from_plans
from trtbuild.modelconfig.options import ConfigOptions
from trtbuild.modelconfig.read import parse_config
from trtbuild.modelconfig.schema import Config
from trtbuild.modelconfig.write import text_from_config
from trtbuild.tensor import DTYPES, TensorSpec


def spec(text: str) -> TensorSpec:
    """`image fp32 batch 3 224` as a tensor."""
    name, dtype, *dims = text.split()
    return TensorSpec(name, dtype, tuple(int(d) if d.isdecimal() else d for d in dims))


def model(inputs: str, outputs: str) -> OnnxModel:
    """A model of tensors separated by `;`."""
    specs = [tuple(spec(part) for part in text.split(";")) for text in (inputs, outputs)]
    return OnnxModel(Path("/m"), ("model.onnx",), "d", 1, specs[0], specs[1], 17, "test")


def plan(file: str, *targets: str, runtime: str = "tensorrt-rtx") -> Plan:
    numbers = [target.split(".") for target in targets]
    capabilities = tuple(Capability(int(a), int(b)) for a, b in numbers)
    return Plan(Path("/p"), file, "d", 1, capabilities, runtime, "1.7", 0.1)


def profile(onnx: OnnxModel, **sizes: tuple[int, int, int]) -> Profile:
    """The profile where each dim that varies has the sizes given for its name."""
    bounds = [
        [tuple(sizes[d][i] if isinstance(d, str) else d for d in s.shape) for s in onnx.inputs]
        for i in range(3)
    ]
    return {s.name: Range(*(bounds[i][n] for i in range(3))) for n, s in enumerate(onnx.inputs)}


def derived(onnx: OnnxModel, options: Any = None, **sizes: tuple[int, int, int]) -> Config:
    plans = [plan("model_a.plan", "8.0", "8.6"), plan("model_b.plan", "12.0")]
    return config_from_plans("net", onnx, plans, profile(onnx, **sizes), options)


RESNET = model("image fp32 batch 3 224 224", "probs fp32 batch 1000")
RESNET_TEXT = """name: "net"
backend: "tensorrt_rtx"
max_batch_size: 8
input [
  {
    name: "image"
    data_type: TYPE_FP32
    dims: [ 3, 224, 224 ]
  }
]
output [
  {
    name: "probs"
    data_type: TYPE_FP32
    dims: [ 1000 ]
  }
]
dynamic_batching { preferred_batch_size: [ 4, 8 ] }
instance_group [
  {
    kind: KIND_GPU
    count: 1
  }
]
cc_model_filenames [
  { key: "8.0" value: "model_a.plan" },
  { key: "8.6" value: "model_a.plan" },
  { key: "12.0" value: "model_b.plan" }
]
"""


def test_the_whole_config() -> None:
    config = derived(RESNET, batch=(1, 4, 8))
    assert text_from_config(config) == RESNET_TEXT
    assert parse_config(RESNET_TEXT).message == config


def test_every_option() -> None:
    options = ConfigOptions(3, 100, (8, 2), {"probs": "labels.txt"}, warmup=True)
    config = derived(RESNET, options, batch=(1, 4, 8))
    assert config.instance_group[0].count == 3
    assert list(config.dynamic_batching.preferred_batch_size) == [2, 8]
    assert config.dynamic_batching.max_queue_delay_microseconds == 100
    assert config.output[0].label_filename == "labels.txt"
    (warmup,) = config.model_warmup
    assert warmup.batch_size == 4
    assert list(warmup.inputs["image"].dims) == [3, 224, 224]
    assert warmup.inputs["image"].zero_data


def test_data_centre_plans_are_for_tritons_own_backend() -> None:
    plans = [plan("model_9.0.plan", "9.0", runtime="tensorrt")]
    config = config_from_plans("net", RESNET, plans, profile(RESNET, batch=(1, 4, 8)))
    assert (config.platform, config.backend) == ("tensorrt_plan", "")
    assert config.default_model_filename == ""
    assert dict(config.cc_model_filenames) == {"9.0": "model_9.0.plan"}


def test_the_later_plan_of_a_target_counts() -> None:
    plans = [plan("old.plan", "8.0", "8.6"), plan("new.plan", "8.6")]
    config = config_from_plans("net", RESNET, plans, profile(RESNET, batch=(1, 4, 8)))
    assert dict(config.cc_model_filenames) == {"8.0": "old.plan", "8.6": "new.plan"}


@pytest.mark.parametrize(
    ("inputs", "outputs", "sizes", "batch"),
    [
        ("x fp32 batch 3", "y fp32 batch 2", {"batch": (1, 4, 8)}, Batch((4,), 8)),
        ("x fp32 N 3", "y fp32 unk 2", {"N": (1, 4, 8)}, Batch((4,), 8)),
        ("x fp32 N 3; z fp32 M 4", "y fp32 N 2", {"N": (1, 4, 8), "M": (1, 4, 8)}, Batch((4,), 8)),
        ("x fp32 batch 3", "y fp32 batch 2", {"batch": (1, 1, 1)}, Batch((1,), 1)),
        # A fixed batch, a fixed channel count in its place, an output without a batch.
        ("x fp32 1 3 8 8", "y fp32 1 2", {}, None),
        ("x fp32 3 8 8", "y fp32 10", {}, None),
        ("x fp32 batch 3", "y fp32 1", {"batch": (1, 4, 8)}, None),
        ("x fp32 batch 3; k int64", "y fp32 batch 2", {"batch": (1, 4, 8)}, None),
        # First dims that do not count samples, or not from 1 on.
        ("x fp32 seq batch", "y fp32 seq batch", {"batch": (1, 4, 8), "seq": (1, 4, 8)}, None),
        ("x fp32 batch seq", "y fp32 seq batch", {"batch": (1, 4, 8), "seq": (1, 4, 8)}, None),
        ("x fp32 N 3; z fp32 M 4", "y fp32 N 2", {"N": (1, 4, 8), "M": (1, 2, 4)}, None),
        ("x fp32 batch 3", "y fp32 batch 2", {"batch": (4, 6, 8)}, None),
    ],
)
def test_what_batches(inputs: str, outputs: str, sizes: Any, batch: Batch | None) -> None:
    onnx = model(inputs, outputs)
    assert batch_of(onnx, (profile(onnx, **sizes),)) == batch


def test_a_fixed_batch_stays_in_the_dims() -> None:
    config = derived(model("x fp32 1 3 8 8", "y fp32 1 10"), ConfigOptions(warmup=True))
    assert config.max_batch_size == 0
    assert not config.HasField("dynamic_batching")
    assert list(config.input[0].dims) == [1, 3, 8, 8]
    assert list(config.output[0].dims) == [1, 10]
    assert config.model_warmup[0].batch_size == 1
    assert list(config.model_warmup[0].inputs["x"].dims) == [1, 3, 8, 8]


def test_dims_that_vary_and_dims_that_the_profile_fixes() -> None:
    onnx = model("x fp32 batch 3 h w", "y fp32 batch w h made")
    config = derived(onnx, batch=(1, 4, 8), h=(8, 16, 32), w=(64, 64, 64))
    assert list(config.input[0].dims) == [3, -1, 64]
    assert list(config.output[0].dims) == [64, -1, -1]


def test_a_plan_for_batch_one_needs_no_batcher() -> None:
    config = derived(RESNET, batch=(1, 1, 1))
    assert config.max_batch_size == 1
    assert not config.HasField("dynamic_batching")


def test_a_scalar_of_each_sample_is_one_element_reshaped() -> None:
    onnx = model("x fp32 batch; z fp32 batch 1", "y fp32 batch")
    config = derived(onnx, ConfigOptions(warmup=True), batch=(1, 4, 8))
    for tensor in (config.input[0], config.output[0]):
        assert list(tensor.dims) == [1]
        assert tensor.HasField("reshape")
        assert list(tensor.reshape.shape) == []
    assert not config.input[1].HasField("reshape")
    assert list(config.model_warmup[0].inputs["x"].dims) == [1]
    assert "reshape { shape: [ ] }" in text_from_config(config)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_data_type_is_tritons_or_an_error_that_names_the_tensor(dtype: str) -> None:
    onnx = model(f"x {dtype} batch 3", "y fp32 batch 3")
    if DTYPES[dtype].triton:
        config = derived(onnx, batch=(1, 4, 8))
        assert config.input[0].DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number[
            config.input[0].data_type
        ].name == (DTYPES[dtype].triton)
        return
    with pytest.raises(ConfigError) as caught:
        derived(onnx, batch=(1, 4, 8))
    assert caught.value.message == (
        f"'x' is {dtype}, which Triton has not; it has bool, uint8, uint16, uint32, uint64, int8, "
        "int16, int32, int64, fp16, fp32, fp64, string, bf16"
    )


FIXED = model("x fp32 1 3", "y fp32 1 3; z fp32 1")
ERRORS = [
    (
        model("x fp32 1 3", "loss fp32"),
        ConfigOptions(),
        "'loss fp32 []' is a scalar, and Triton has scalars only in models whose batch varies",
    ),
    (
        model("x fp32 1 3", "y fp32 0 3"),
        ConfigOptions(),
        "'y fp32 [0, 3]' has an empty dim, which Triton does not serve",
    ),
    (
        FIXED,
        ConfigOptions(labels={"probs": "l.txt"}),
        "--labels names output 'probs'; the model has: y, z",
    ),
    (FIXED, ConfigOptions(instances=0), "--instances 0: a model needs 1 instance or more"),
    (
        FIXED,
        ConfigOptions(preferred_batch=(4,)),
        "--preferred-batch is about batches that Triton forms, and of this model it forms none: "
        "its batch does not vary from 1 on",
    ),
    (
        FIXED,
        ConfigOptions(max_queue_delay_us=100),
        "--max-queue-delay-us is about batches that Triton forms, and of this model it forms "
        "none: its batch does not vary from 1 on",
    ),
]


@pytest.mark.parametrize(("onnx", "options", "message"), ERRORS, ids=[e[2] for e in ERRORS])
def test_errors(onnx: OnnxModel, options: ConfigOptions, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        derived(onnx, options)
    assert caught.value.message == message


@pytest.mark.parametrize("size", [0, 9, -1])
def test_preferred_sizes_must_be_built_for(size: int) -> None:
    with pytest.raises(ConfigError, match=rf"--preferred-batch {size}: .* from 1 to 8"):
        derived(RESNET, ConfigOptions(preferred_batch=(4, size)), batch=(1, 4, 8))


def test_plans_of_two_runtimes_or_none_are_refused() -> None:
    sizes = profile(RESNET, batch=(1, 4, 8))
    mixed = [plan("a.plan", "8.0"), plan("b.plan", "9.0", runtime="tensorrt")]
    with pytest.raises(ConfigError, match=r"these are of: tensorrt, tensorrt-rtx"):
        config_from_plans("net", RESNET, mixed, sizes)
    with pytest.raises(ConfigError, match=r"these are of: none"):
        config_from_plans("net", RESNET, [], sizes)


@dataclasses.dataclass
class Drawn:
    """A model and its profile."""

    onnx: OnnxModel
    profile: Profile


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    names = ["batch", "n", "seq", "h"]
    dims = st.lists(st.sampled_from(names) | st.integers(1, 9), min_size=1, max_size=4)
    dtypes = [name for name, dtype in DTYPES.items() if dtype.triton]
    several = st.lists(st.tuples(st.sampled_from(dtypes), dims), min_size=1, max_size=3)
    inputs, outputs = draw(several), draw(several)
    tensors = [
        tuple(TensorSpec(f"{kind}{i}", t, tuple(d)) for i, (t, d) in enumerate(part))
        for kind, part in (("x", inputs), ("y", outputs))
    ]
    onnx = OnnxModel(Path("/m"), ("m.onnx",), "d", 1, tensors[0], tensors[1], 17, "test")
    sizes: dict[str, Any] = {
        name: sorted(draw(st.lists(st.integers(1, 16), min_size=3, max_size=3))) for name in names
    }
    return Drawn(onnx, profile(onnx, **sizes))


@steady
@given(drawn(), st.booleans())
def test_every_config_keeps_tritons_rules(case: Drawn, warmup: bool) -> None:
    """Rules I1-I9, D2, D3, W1-W3 of Triton's model_config_utils.cc, for any model."""
    plans = [plan("model_a.plan", "8.0")]
    config = config_from_plans("m", case.onnx, plans, case.profile, ConfigOptions(warmup=warmup))
    batches = config.max_batch_size > 0
    for tensors, specs in ((config.input, case.onnx.inputs), (config.output, case.onnx.outputs)):
        for tensor, its in zip(tensors, specs, strict=True):
            assert tensor.data_type
            assert len(tensor.dims) > 0
            assert all(dim == -1 or dim >= 1 for dim in tensor.dims)
            assert not tensor.HasField("reshape") or (batches and list(tensor.dims) == [1])
            shape = [] if tensor.HasField("reshape") else list(tensor.dims)
            assert len(shape) + batches == len(its.shape)
    for size in config.dynamic_batching.preferred_batch_size:
        assert 1 <= size <= config.max_batch_size
    for sample in config.model_warmup:
        assert sample.batch_size >= 1
        for its in case.onnx.inputs:
            given_dims = list(sample.inputs[its.name].dims)
            batch = [sample.batch_size] if batches else []
            scalar = batches and len(its.shape) == 1
            assert batch + ([] if scalar else given_dims) == list(case.profile[its.name].opt)
    assert parse_config(text_from_config(config)).message == config
