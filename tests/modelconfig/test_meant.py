"""What unknown words were meant to be, and which of the answers may be written unasked."""

import pytest

from trtbuild.modelconfig.meant import meant
from trtbuild.modelconfig.schema import schema

TYPES = tuple(schema().DataType.keys())
KINDS = ("KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL")


def fields(message: str) -> list[str]:
    return [field.name for field in schema().DESCRIPTOR.message_types_by_name[message].fields]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("FLOAT FLOAT32 TYPE_FLOAT TYPE_FLOAT32 float32 fp32 TYPE_fp32 F32 FP_32", "TYPE_FP32"),
        ("HALF FLOAT16 TYPE_HALF TYPE_FLOAT16 FP16 TYPE_F16", "TYPE_FP16"),
        ("DOUBLE FLOAT64 TYPE_DOUBLE", "TYPE_FP64"),
        ("BFLOAT16 TYPE_BFLOAT16 bf16", "TYPE_BF16"),
        ("LONG TYPE_LONG INT64", "TYPE_INT64"),
        ("INT TYPE_INT TYPE_NIT32", "TYPE_INT32"),
        ("UINT TYPE_UINT", "TYPE_UINT32"),
        ("BYTES OBJECT TEXT STR STRING TYPE_BYTES TYPE_OBJECT TYPE_TEXT TYPE_STR", "TYPE_STRING"),
        ("BOOL BOOLEAN TYPE_BOOLEAN TYPE_BOL", "TYPE_BOOL"),
        ("UINT8 TYPE_UNIT8 Type_UInt8", "TYPE_UINT8"),
    ],
)
def test_data_types(words: str, name: str) -> None:
    for word in words.split():
        assert meant(word, TYPES) == (name, True), word


@pytest.mark.parametrize(
    "word",
    [
        "TYPE_FP",
        "FP",
        "TYPE_FP4",
        "TYPE_FP8",
        "TYPE_INT4",
        "TYPE_FLOAT8",
        "TYPE_COMPLEX64",
        "TYPE_CHAR",
        "INVALID",
        "TYPE_INVALD",
        "TYPE_",
        "TYPE_NT",
    ],
)
def test_data_types_that_nothing_says(word: str) -> None:
    assert meant(word, TYPES) == ("", False)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("CPU", "KIND_CPU"),
        ("GPU", "KIND_GPU"),
        ("CUDA", "KIND_GPU"),
        ("KIND_CUDA", "KIND_GPU"),
        ("kind_gpu", "KIND_GPU"),
        ("KIND_GPUS", "KIND_GPU"),
        ("KIND_TPU", ""),  # as near to one as to the other
    ],
)
def test_kinds(word: str, name: str) -> None:
    assert meant(word, KINDS) == (name, bool(name))


@pytest.mark.parametrize(
    ("message", "word", "name", "sure"),
    [
        ("ModelInput", "shape", "dims", True),
        ("ModelInput", "dtype", "data_type", True),
        ("ModelInput", "is_optional", "optional", False),
        ("ModelInput", "type", "data_type", True),
        ("ModelInstanceGroup", "type", "kind", True),
        ("BatchInput", "type", "", False),  # it has a data_type and a kind
        ("ModelTensorReshape", "dims", "shape", True),
        ("ModelConfig", "filename", "default_model_filename", True),
        ("ModelOutput", "filename", "label_filename", True),
        ("ModelConfig", "model_name", "name", True),
        ("ModelConfig", "model_version", "version_policy", False),
        ("ModelConfig", "batch_size", "max_batch_size", False),
        ("ModelConfig", "max_batchsize", "max_batch_size", True),
        ("ModelConfig", "maxBatchSize", "max_batch_size", True),
        ("ModelConfig", "Platform", "platform", True),
        ("ModelConfig", "plattform", "platform", True),
        ("ModelConfig", "bakcend", "backend", True),
        ("ModelConfig", "inputs", "input", True),
        ("ModelConfig", "ensemble_schedule", "ensemble_scheduling", False),
        ("ModelConfig", "label_filename", "", False),
        ("ModelConfig", "shape", "", False),
        ("ModelConfig", "zzz", "", False),
    ],
)
def test_fields(message: str, word: str, name: str, sure: bool) -> None:
    assert meant(word, fields(message)) == (name, sure)


@pytest.mark.parametrize(("word", "name"), [("TRUE", "true"), ("yes", "true"), ("fals", "false")])
def test_booleans(word: str, name: str) -> None:
    assert meant(word, ("true", "false")) == (name, True)


def test_a_long_word_is_not_looked_for() -> None:
    assert meant("name" * 100, ["name"]) == ("", False)
    assert meant("name", []) == ("", False)
