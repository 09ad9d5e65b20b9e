"""The rate limiter's resources; oracle/test_rate_limiter.py asks Triton about them."""

from __future__ import annotations

from pathlib import Path

from tests.validate.conftest import Judge
from tests.validate.files import files_of, write
from tests.validate.opened import opened
from trtbuild.validate.resources import Resource, holders, resources
from trtbuild.validate.run import validate
from trtbuild.validate.settings import Settings

CONFIG = """backend: "python"
instance_group { passive: true rate_limiter { resources { name: "P" count: 1 } } }
instance_group { rate_limiter { resources [ { name: "R" global: true }, { name: "Q" } ] } }
"""


def test_those_of_groups_that_are_not_passive(tmp_path: Path) -> None:
    model = opened(tmp_path, CONFIG)
    at = ("instance_group", 1, "rate_limiter", "resources")
    assert list(resources(model)) == [Resource("R", True, (*at, 0)), Resource("Q", False, (*at, 1))]
    assert holders([model]) == {("R", True): ("demo",), ("Q", False): ("demo",)}


def clash(count: int) -> str:
    kinds = ["", *["global: true"] * count]
    return "".join(
        f'-- m{number}/config.pbtxt --\nbackend: "python"\ninstance_group {{ rate_limiter {{ '
        f'resources {{ name: "R" {kind} count: 1 }} }} }}\n-- m{number}/1/model.py --\n'
        for number, kind in enumerate(kinds)
    )


def test_one_model_alone_is_judged_among_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path, files_of(clash(1)))
    for name in ("m0", "m1"):
        report = validate([tmp_path / name], Settings(select=("G007",)))
        assert [finding.model for finding in report.findings] == [name]


def test_many_others_are_not_all_named(judge: Judge) -> None:
    (found,) = (f for f in judge(clash(5)) if f.model == "m0" and f.code == "G007")
    assert found.message == (
        "the resource 'R' is per device here and global in 'm1', 'm2', 'm3' and 2 more"
    )


def test_a_clash_can_be_allowed(judge: Judge) -> None:
    text = clash(1).replace(
        "global: true count: 1 } } }", "global: true count: 1 } } } # trtbuild: allow G007"
    )
    assert {f.model for f in judge(text) if f.code in ("G007", "U001")} == {"m0"}


def test_another_server_does_not_limit(judge: Judge) -> None:
    assert not [f for f in judge(clash(1), server="trtbuild") if f.code == "G007"]
