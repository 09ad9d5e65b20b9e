"""Where instances go."""

from __future__ import annotations

from typing import Any

import pytest
from trtserve.errors import ServeError
from trtserve.placement import KIND_AUTO, KIND_CPU, KIND_GPU, devices_of, name_instances, seats

from trtbuild.modelconfig.schema import new_config


def config(*groups: dict[str, Any]) -> Any:
    return new_config(name="m", instance_group=list(groups))


@pytest.mark.parametrize(
    ("groups", "gpus", "forced", "expected"),
    [
        ((), (), "auto", ["cpu"]),
        ((), (0, 1), "auto", ["cuda:0", "cuda:1"]),
        ((), (0, 1), "cuda:1", ["cuda:1"]),
        (({"count": 2, "kind": KIND_AUTO},), (0, 1), "auto", ["cuda:0"] * 2 + ["cuda:1"] * 2),
        (({"count": 2, "kind": KIND_CPU},), (0, 1), "auto", ["cpu", "cpu"]),
        (({"kind": KIND_GPU, "gpus": [1]},), (0, 1), "auto", ["cuda:1"]),
        (({"kind": KIND_GPU, "gpus": [0, 1]},), (), "auto", ["cpu"]),
        (({"kind": KIND_GPU, "gpus": [0, 1], "count": 2},), (0, 1), "cpu", ["cpu", "cpu"]),
        (({"kind": KIND_GPU}, {"kind": KIND_CPU}), (0,), "auto", ["cuda:0", "cpu"]),
    ],
)
def test_one_seat_for_each_instance(
    groups: tuple[dict[str, Any], ...], gpus: tuple[int, ...], forced: str, expected: list[str]
) -> None:
    placed = seats(config(*groups), gpus, forced)
    assert [each.device for each in placed] == expected
    assert devices_of(placed) == tuple(dict.fromkeys(expected))


def test_a_group_that_names_a_gpu_that_is_not_there() -> None:
    with pytest.raises(ServeError, match=r"instance group 'g' names GPU 3; there are 0, 1"):
        seats(config({"name": "g", "kind": KIND_GPU, "gpus": [0, 3]}), (0, 1))


def test_instances_are_numbered_through_their_group() -> None:
    placed = seats(config({"name": "g", "kind": KIND_GPU, "count": 2}), (0, 1))
    assert [each.name for each in placed] == ["g_0", "g_1", "g_2", "g_3"]


def test_the_completed_groups_say_what_runs_where() -> None:
    stated = config({"name": "a", "count": 1}, {"name": "b", "kind": KIND_CPU, "count": 1})
    name_instances(stated, seats(stated, (0, 1)))
    assert [(group.kind, list(group.gpus)) for group in stated.instance_group] == [
        (KIND_GPU, [0, 1]), (KIND_CPU, []),
    ]  # fmt: skip


def test_without_groups_there_is_one() -> None:
    stated = config()
    name_instances(stated, seats(stated, ()))
    (group,) = stated.instance_group
    assert (group.name, group.count, group.kind) == ("m", 1, KIND_CPU)
