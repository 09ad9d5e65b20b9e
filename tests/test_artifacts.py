import hashlib
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from trtbuild.artifacts import (
    Comparison,
    OnnxModel,
    Range,
    SurgeryResult,
    VerifyReport,
    convert_to,
    digest_of_files,
    from_json,
    to_json,
)
from trtbuild.tensor import TensorSpec


def model(*shapes: tuple[int | str, ...]) -> OnnxModel:
    tensors = tuple(TensorSpec(f"t{i}", "fp32", shape) for i, shape in enumerate(shapes))
    return OnnxModel(Path("d"), ("m.onnx",), "0" * 64, 9, tensors[:1], tensors[1:], 17, "test 1")


def test_an_artifact_survives_json_with_its_paths_and_tuples() -> None:
    value = SurgeryResult(model(("n", 3), ("n",)), None, (), {"a": "b"}, {})
    assert from_json(to_json(value), SurgeryResult) == value
    assert convert_to(msgspec.to_builtins(Range((1,), (2,), (3,))), Range) == Range(
        (1,), (2,), (3,)
    )


def test_json_that_is_something_else_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        from_json(b'{"directory": 3}', OnnxModel)


# One thread is kept amid its first look at a struct while another begins to read one that holds it.
TWO_THREADS = """
import threading
import msgspec
from trtbuild.artifacts import from_json

amid, read = threading.Event(), []


def later():
    amid.set()
    threading.Event().wait(0.3)
    return int


class Inner(msgspec.Struct):
    value: "later()"


class Outer(msgspec.Struct):
    inner: Inner


def reads():
    read.append(from_json(b'{"inner": {"value": 1}}', Outer))


threads = [threading.Thread(target=reads) for _ in range(2)]
threads[0].start()
assert amid.wait(20)
threads[1].start()
for thread in threads:
    thread.join()
assert read == [Outer(Inner(1))] * 2
"""


def test_threads_that_read_a_type_for_the_first_time_do_not_meet() -> None:
    """It took the whole process with it: a server that loaded two models at once."""
    done = subprocess.run([sys.executable, "-c", TWO_THREADS], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("shapes", "batchable"),
    [
        ([("n", 3), ("n",)], True),
        ([("n", 3), ("m", 2)], True),  # exporters name the output's batch dim as they like
        ([(1, 3), ("n",)], False),
        ([("n", 3), ()], False),
        ([(), ()], False),
    ],
)
def test_batchable_is_tritons_onnx_rule(
    shapes: list[tuple[int | str, ...]], batchable: bool
) -> None:
    assert model(*shapes).batchable is batchable


def test_a_report_passes_when_everything_that_ran_passed() -> None:
    good = Comparison("a vs b", "opt", "t", 0, 0, 1, (0,), ("1", "1"), 0.1, 0.1, True)
    bad = msgspec.structs.replace(good, passed=False)
    assert VerifyReport((), {"plan 8.9": "not run: no GPU of 8.9"}).passed
    assert VerifyReport((good,), {}).passed
    assert not VerifyReport((good, bad), {}).passed


def test_a_digest_is_over_all_files_in_order(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"x" * 3_000_000)
    b.write_bytes(b"y")
    assert digest_of_files(a, b) == hashlib.sha256(b"x" * 3_000_000 + b"y").hexdigest()
    assert digest_of_files(a, b) != digest_of_files(b, a)
