"""The real Python backend on `model.py` files: what it refuses, and what it loads."""

from __future__ import annotations

import pytest

from tests.validate.files import files_of
from tests.validate.oracle.compare import our_errors
from tests.validate.oracle.server import Triton
from trtbuild.validate.settings import Settings

IO = """backend: "python"
input { name: "a" data_type: TYPE_FP32 dims: [4] }
output { name: "b" data_type: TYPE_FP32 dims: [4] }
"""
CLASS = "class TritonPythonModel:\n"
EXECUTE = "    def execute(self, requests):\n        return []\n"
PLAIN = CLASS + EXECUTE


def model(source: str = PLAIN, config: str = "", file: str = "1/model.py") -> str:
    return f"-- demo/config.pbtxt --\n{IO}{config}\n-- demo/{file} --\n{source}"


def named(name: str) -> str:
    """A model in the file `name`."""
    return model(config=f'default_model_filename: "{name}"', file=f"1/{name}")


LOADS = {
    "a file in a sub-folder": named("src/model.py"),
    "a file two folders down": named("aa/cc/model.py"),
}


@pytest.mark.parametrize("case", LOADS)
def test_both_load(case: str, triton: Triton) -> None:
    files = files_of(LOADS[case])
    verdict = triton.judge(files, "demo")
    assert verdict.accepted, verdict.message
    assert our_errors(files, "demo", Settings()) == ()


# The message, and the code of our finding.
REFUSED: dict[str, tuple[str, str, str]] = {}


@pytest.mark.parametrize("case", REFUSED)
def test_both_refuse(case: str, triton: Triton) -> None:
    text, message, code = REFUSED[case]
    files = files_of(text)
    verdict = triton.judge(files, "demo", timeout_s=4)
    assert not verdict.accepted
    assert message in verdict.message
    assert code in {error.code for error in our_errors(files, "demo", Settings())}
