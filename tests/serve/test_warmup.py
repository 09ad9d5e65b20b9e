"""Warm-up: what each kind of sample makes a model see, on every instance, before it is ready."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trtserve.contract import Contract
from trtserve.errors import ServeError
from trtserve.tensors import wire_from_elements
from trtserve.warmup import samples

from tests.serve.conftest import Running
from tests.serve.models import put_python
from trtbuild.errors import RepositoryError
from trtbuild.modelconfig.schema import new_config

# Notes what it is given: a line a request.
CODE = """
import json
import pathlib
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.seen = pathlib.Path(args["model_repository"]) / (args["model_instance_name"] + ".seen")
        self.seen.touch()

    def execute(self, requests):
        answers = []
        for request in requests:
            arrays = {each.name(): each.as_numpy() for each in request.inputs()}
            note = {name: [list(array.shape), array.astype(str).ravel().tolist()[:4]]
                    for name, array in arrays.items()}
            with self.seen.open("a") as seen:
                seen.write(json.dumps(note) + "\\n")
            if "refuses" in str(note):
                raise ValueError("this sample is not to its taste")
            rows = len(arrays["NUMBERS"])
            answers.append(pb_utils.InferenceResponse(
                [pb_utils.Tensor("OUT", np.zeros((rows, 1), np.float32))]))
        return answers
"""
CONFIG = """
backend: "python"
max_batch_size: 4
instance_group [{ name: "i" count: 2 }]
input { name: "NUMBERS" data_type: TYPE_FP32 dims: [-1] }
input { name: "WORDS" data_type: TYPE_STRING dims: [1] }
output { name: "OUT" data_type: TYPE_FP32 dims: [1] }
"""
_SAMPLE = """
model_warmup { name: "%s" batch_size: %d count: %d
  inputs { key: "NUMBERS" value { data_type: TYPE_FP32 dims: %s %s } }
  inputs { key: "WORDS" value { data_type: TYPE_STRING dims: [1] %s } } }
"""


def sample(
    name: str, numbers: str, words: str = "zero_data: true", dims: str = "[2]", rows: int = 1,
    count: int = 0,
) -> str:  # fmt: skip
    return _SAMPLE % (name, rows, count, dims, numbers, words)


def put(repository: Path, config: str) -> Path:
    model = put_python(repository, "m", CODE, config)
    (model / "warmup").mkdir()
    (model / "warmup" / "numbers").write_bytes(np.array([1.5, 2.5, 9], np.float32).tobytes())
    (model / "warmup" / "words").write_bytes(wire_from_elements([b"from a file"]))
    (model / "warmup" / "bad").write_bytes(wire_from_elements([b"refuses"]))
    return model


def seen(model: Path) -> list[list[Any]]:
    """What each instance was given."""
    return [
        [json.loads(line) for line in file.read_text().splitlines()]
        for file in sorted(model.glob("*.seen"))
    ]


def test_every_kind_of_sample_runs_on_every_instance(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    all_kinds = (
        sample("zeros", "zero_data: true", rows=3)
        + sample("random", "random_data: true", "random_data: true")
        + sample("files", 'input_data_file: "numbers"', 'input_data_file: "words"', rows=2, count=2)
        + sample("skipped", "zero_data: true", rows=0)
    )
    model = put(tmp_path, CONFIG + all_kinds)
    start(tmp_path, grpc_port=-1, metrics_port=-1)
    first, second = seen(model)
    assert first == second
    zeros, random, *files = first
    assert zeros == {"NUMBERS": [[3, 2], ["0.0"] * 4], "WORDS": [[3, 1], [""] * 3]}
    assert random["NUMBERS"][0] == [1, 2]
    assert "0.0" not in random["NUMBERS"][1]
    assert random["WORDS"] == [[1, 1], [""]]  # as in Triton: random strings are empty
    from_files = {
        "NUMBERS": [[2, 2], ["1.5", "2.5", "1.5", "2.5"]],
        "WORDS": [[2, 1], ["from a file"] * 2],
    }
    assert files == [from_files, from_files]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (sample("s", 'input_data_file: "absent"'), "cannot read .*absent"),
        (sample("s", 'input_data_file: "numbers"', dims="[4]"), "expects 16 bytes"),
        (sample("s", 'input_data_file: "../config.pbtxt"'), "must stay within"),
        (sample("s", 'input_data_file: "/etc/passwd"'), "must stay within"),
        (sample("s", 'input_data_file: "a\\0b"'), "must stay within"),
        (sample("s", 'input_data_file: "leads_out"'), "must stay within"),
        (sample("s", 'input_data_file: "numbers"', 'input_data_file: "numbers"'), "BYTES"),
        (sample("s", "zero_data: true", dims="[-1]"), "variable-size dimensions must be specified"),
        (sample("s", "zero_data: true", dims="[2, 2]"), "unexpected shape"),
        (sample("s", "zero_data: true", dims="[4611686018427387904]"), "no tensor can have"),
        (sample("s", "zero_data: true", rows=5), "batch-size must be <= 4"),
        (sample("s", ""), "must have one of zero_data"),
        (sample("s", "zero_data: true").replace("WORDS", "OTHER"), "has no input 'OTHER'"),
        (sample("s", "zero_data: true").split("\n  inputs { key: \"WORDS\"")[0] + "}",
         "missing required input"),
        (sample("s", "zero_data: true", 'input_data_file: "bad"'), "is not to its taste"),
    ],
)  # fmt: skip
def test_a_sample_that_cannot_run_fails_the_load(
    start: Callable[..., Running], tmp_path: Path, text: str, says: str
) -> None:
    model = put(tmp_path, CONFIG.replace("count: 2", "count: 1") + text)
    (tmp_path / "secret").write_bytes(bytes(8))
    (model / "warmup" / "leads_out").symlink_to(tmp_path / "secret")
    with pytest.raises(RepositoryError, match=says):
        start(tmp_path)


def test_random_data_is_the_same_every_time() -> None:
    """And of a model without batches it has no batch dim."""
    config = new_config(
        name="m", input=[{"name": "x", "data_type": "TYPE_INT32", "dims": [3]}],
        model_warmup=[{"name": "s", "count": 2, "inputs": {
            "x": {"data_type": "TYPE_INT32", "dims": [3], "random_data": True}}}],
    )  # fmt: skip
    (first, times), (second, _) = (
        made for _ in range(2) for made in samples(config, Contract("m", config, {}), Path())
    )
    assert times == 2
    assert first.requests[0].call.inputs[0].shape == (3,)
    assert first.requests[0].data == second.requests[0].data
    assert len(set(bytes(first.requests[0].data[0]))) > 1


COUNTS = """
import json
import pathlib
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.seen = pathlib.Path(args["model_repository"]) / "i.seen"

    def execute(self, requests):
        (request,) = requests
        with self.seen.open("a") as seen:
            (numbers,) = [each for each in request.inputs() if each.name() == "NUMBERS"]
            rows, size = numbers.shape()
            seen.write(json.dumps([size] * rows) + "\\n")
        return [pb_utils.InferenceResponse([])]
"""


def test_one_sample_at_a_time_is_in_memory(start: Callable[..., Running], tmp_path: Path) -> None:
    """However many there are, and however often each is to run."""
    size = 8 << 20  # bytes of a batch
    text = "".join(
        sample(name, "zero_data: true", dims=f"[{size // 16}]", rows=4, count=5) for name in "abc"
    )
    model = put_python(tmp_path, "m", COUNTS, CONFIG.replace("count: 2", "count: 1") + text)
    tracemalloc.start()
    start(tmp_path, grpc_port=-1, metrics_port=-1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen(model) == [[4 * [size // 16]] * 15]
    assert peak < 6 * size


def test_a_sample_for_an_input_that_is_not_there() -> None:
    config = new_config(
        name="m", input=[{"name": "x", "data_type": "TYPE_INT32", "dims": [3]}],
        model_warmup=[{"name": "s", "inputs": {
            "y": {"data_type": "TYPE_INT32", "dims": [3], "zero_data": True}}}],
    )  # fmt: skip
    with pytest.raises(ServeError, match="warm-up sample 's': the model has no input 'y'"):
        list(samples(config, Contract("m", config, {}), Path()))
