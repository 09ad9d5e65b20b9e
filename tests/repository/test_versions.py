"""Which names are versions, as C reads numbers, and which of them a policy selects."""

from __future__ import annotations

import pytest

from trtbuild.modelconfig.schema import new_config
from trtbuild.repository.versions import (
    leading_number,
    overflows,
    selected_versions,
    version_from_name,
    version_of_folder,
)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("1", 1), ("0", 0), ("01", None), ("00", None), ("-1", -1), ("+1", 1), (" 7", 7),
        ("1abc", 1), ("1.0", 1), ("abc", None), ("", None), ("warmup", None), ("configs", None),
        ("initial_state", None), (".x", None), ("- 1", None), ("٣", None),
    ],
)  # fmt: skip
def test_a_name_is_read_as_c_reads_numbers(name: str, version: int | None) -> None:
    assert version_from_name(name) == version


@pytest.mark.parametrize("name", ["1abc", "+1", " 7", "-1", "1.0", "01", "9" * 20, "abc"])
def test_a_name_that_is_not_the_versions_own_has_no_folder(name: str) -> None:
    assert version_of_folder(name) is None


def test_plain_numbers_up_to_63_bits_are_folders() -> None:
    assert [version_of_folder(name) for name in ("0", "12", str(2**63 - 1))] == [0, 12, 2**63 - 1]


def test_leading_numbers_and_overflow() -> None:
    assert leading_number("3x") == 3
    assert leading_number("x") is None
    assert leading_number("000000000000000000000000012") == 12
    assert overflows(leading_number("9" * 5000) or 0)
    assert overflows(leading_number("-" + "9" * 5000) or 0)
    assert overflows(2**63)
    assert not overflows(2**63 - 1)


@pytest.mark.parametrize(
    ("policy", "selected"),
    [
        (None, {9}),
        ({}, {9}),
        ({"latest": {"num_versions": 2}}, {3, 9}),
        ({"latest": {}}, set()),
        ({"all": {}}, {1, 3, 9}),
        ({"specific": {"versions": [1, 4]}}, {1}),
    ],
)
def test_the_policy_selects(policy: dict[str, object] | None, selected: set[int]) -> None:
    config = new_config() if policy is None else new_config(version_policy=policy)
    assert selected_versions(config, [1, 3, 9]) == selected
