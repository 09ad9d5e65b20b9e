"""What findings about ensembles say: what was given and what was possible."""

from __future__ import annotations

import pytest

from tests.validate.conftest import Judge
from trtbuild.validate.finding import Finding

MEMBER = """-- Member/config.pbtxt --
backend: "python"
input { name: "a" data_type: TYPE_FP32 dims: 4 }
output { name: "b" data_type: TYPE_FP32 dims: 4 }
-- Member/1/model.py --
"""
ENSEMBLE = """-- demo/config.pbtxt --
platform: "ensemble"
input { name: "a" data_type: TYPE_FP32 dims: 4 }
output { name: "b" data_type: TYPE_FP32 dims: 4 }
ensemble_scheduling { step {
  model_name: "Member" model_version: -1
  input_map { key: "a" value: "a" } output_map { key: "b" value: "b" }
} }
-- demo/1/ --
"""


def one(judge: Judge, code: str, *changes: tuple[str, str]) -> Finding:
    text = ENSEMBLE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (found,) = (f for f in judge(text + MEMBER) if f.code == code and f.model == "demo")
    return found


def test_a_tensor_nobody_writes_could_be_an_input(judge: Judge) -> None:
    found = one(judge, "E008", ('value: "a"', 'value: "aa"'))
    assert found.message == "the tensor 'aa' never gets a value; there are a"


@pytest.mark.parametrize("name", ["member", "MEMBER", "Membr", "membr"])
def test_a_member_by_nearly_its_name(judge: Judge, name: str) -> None:
    found = one(judge, "E009", ('"Member"', f'"{name}"'))
    assert found.message == (
        f"there is no model '{name}' in the repository; did you mean 'Member'?"
    )


def test_a_step_without_a_version(judge: Judge) -> None:
    version = (" model_version: -1", "")
    wants = "step 0 wants version 0 of 'Member' (model_version is left out)"
    assert one(judge, "E012", version).message == f"{wants}, which loads 1"
    platform = ('platform: "ensemble"', "")
    assert one(judge, "E012", version, platform).message == wants
    assert one(judge, "E001", version, platform)
