"""A SavedModel's signature, from bytes written field by field as TensorFlow's protos say."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from trtbuild.validate.modelfiles.interface import DamagedFileError, FileTensor
from trtbuild.validate.modelfiles.savedmodel import read
from trtbuild.validate.words import data_type_number


def varint(value: int) -> bytes:
    value %= 1 << 64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def entry(key: str, value: bytes) -> bytes:
    return message(1, key.encode()) + message(2, value)


def tensor_info(data_type: int, dims: list[int] | None) -> bytes:
    shape = number(3, 1) if dims is None else b"".join(message(2, number(1, d)) for d in dims)
    return message(1, b"x:0") + number(2, data_type) + message(3, shape)


def saved_model(signature: str = "serving_default") -> bytes:
    inputs = message(1, entry("image", tensor_info(1, [-1, 3, 4])))
    outputs = message(2, entry("label", tensor_info(7, [-1]))) + message(
        2, entry("any", tensor_info(9, None))
    )
    other = entry("__saved_model_init_op", message(2, entry("op", tensor_info(0, None))))
    meta_graph = message(5, other) + message(5, entry(signature, inputs + outputs))
    return number(1, 1) + message(2, meta_graph)


def test_inputs_and_outputs_of_the_serving_signature(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(saved_model())
    interface = read(tmp_path)
    assert interface is not None
    fp32, int64, string = (data_type_number(f"TYPE_{n}") for n in ("FP32", "INT64", "STRING"))
    assert interface.inputs == (FileTensor("image", fp32, (-1, 3, 4)),)
    assert interface.outputs == (FileTensor("label", string, (-1,)), FileTensor("any", int64, None))


SAVE = """
import sys, tensorflow as tf
class Net(tf.Module):
    @tf.function(input_signature=[
        tf.TensorSpec([None, 4], tf.float32, name="image"), tf.TensorSpec([], tf.int64, name="n"),
    ])
    def serve(self, image, n):
        return {"score": image * 2.0, "text": tf.strings.as_string(n)}
net = Net()
tf.saved_model.save(net, sys.argv[1], signatures={"serving_default": net.serve})
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="no TensorFlow")
def test_of_a_model_that_tensorflow_saved(tmp_path: Path) -> None:
    # In a process of its own: TensorFlow's log is not ours.
    command = [sys.executable, "-W", "ignore", "-c", SAVE, str(tmp_path / "m")]
    subprocess.run(command, check=True, capture_output=True)
    interface = read(tmp_path / "m")
    assert interface is not None
    fp32, int64, string = (data_type_number(f"TYPE_{n}") for n in ("FP32", "INT64", "STRING"))
    assert interface.inputs == (FileTensor("image", fp32, (-1, 4)), FileTensor("n", int64, ()))
    assert interface.outputs == (FileTensor("score", fp32, (-1, 4)), FileTensor("text", string, ()))


def test_without_that_signature_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(saved_model("other"))
    assert read(tmp_path) is None


def test_a_graphdef_file_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.graphdef"
    path.write_bytes(b"x")
    assert read(path) is None


@pytest.mark.parametrize("content", [None, b"", saved_model()[:-5], b"<html>"])
def test_damage_is_told(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(DamagedFileError):
        read(tmp_path)
