"""Resources of the rate limiter, which a server counts only where it is asked to."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.validate.conftest import asked
from tests.validate.files import files_of
from tests.validate.oracle.compare import all_findings
from tests.validate.oracle.server import Triton
from trtbuild.validate.settings import Settings

IO = """input { name: "a" data_type: TYPE_FP32 dims: [4] }
output { name: "b" data_type: TYPE_FP32 dims: [4] }
"""
GLOBAL = '{ name: "R" global: true count: 1 }'
DEVICE = '{ name: "R" count: 1 }'
OTHER = '{ name: "Q" count: 1 }'


def group(*resources: str, more: str = "") -> str:
    listed = ", ".join(resources)
    return f"instance_group {{ kind: KIND_CPU {more} rate_limiter {{ resources [ {listed} ] }} }}\n"


def model(name: str, *groups: str) -> str:
    text = f'backend: "identity"\n{IO}{"".join(groups)}'
    return f"-- {name}/config.pbtxt --\n{text}-- {name}/1/ --\n"


PASSIVE = "passive: true"
# The model `m` is loaded after its neighbours.
CASES = {
    "alone, both in one group": model("m", group(GLOBAL, DEVICE)),
    "alone, in two groups": model("m", group(GLOBAL), group(DEVICE)),
    "alone, the same twice": model("m", group(DEVICE), group(DEVICE)),
    "alone, one of them passive": model("m", group(GLOBAL), group(DEVICE, more=PASSIVE)),
    "alone, another name": model("m", group(GLOBAL, OTHER)),
    "two models": model("n", group(GLOBAL)) + model("m", group(DEVICE)),
    "two models, the other way round": model("n", group(DEVICE)) + model("m", group(GLOBAL)),
    "two models that agree": model("n", group(GLOBAL)) + model("m", group(GLOBAL)),
    "two models, one passive": model("n", group(GLOBAL)) + model("m", group(DEVICE, more=PASSIVE)),
    "two models, two names": model("n", group(GLOBAL)) + model("m", group(OTHER)),
}


@pytest.fixture(scope="module")
def limiting_triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    with asked(tmp_path_factory, "--rate-limit=execution_count") as server:
        yield server


@pytest.mark.parametrize("case", CASES)
def test_a_clash_is_what_triton_refuses(case: str, limiting_triton: Triton) -> None:
    files = files_of(CASES[case])
    said = limiting_triton.judge(files, "m", first=sorted({f.split("/")[0] for f in files} - {"m"}))
    codes = {finding.code for finding in all_findings(files, "m", Settings())}
    assert said.accepted == (not codes & {"G006", "G007"}), said.message
    assert said.accepted or "both global and device-specific resource" in said.message


@pytest.mark.parametrize("case", CASES)
def test_a_server_that_does_not_limit_loads_them_all(case: str, triton: Triton) -> None:
    files = files_of(CASES[case])
    names = sorted({path.split("/")[0] for path in files} - {"m"})
    assert triton.judge(files, "m", first=names).accepted


def test_every_model_of_a_clash_is_told(limiting_triton: Triton) -> None:
    kinds = [("a", GLOBAL), ("b", DEVICE), ("c", GLOBAL), ("d", OTHER)]
    files = files_of("".join(model(name, group(resource)) for name, resource in kinds))
    told = {
        name
        for name, _ in kinds
        if any(f.code == "G007" for f in all_findings(files, name, Settings()))
    }
    assert told == {"a", "b", "c"}
    for first, second in itertools.permutations("abcd", 2):
        said = limiting_triton.judge(files, second, first=[first])
        assert said.accepted != ({first, second} in ({"a", "b"}, {"b", "c"})), said.message
