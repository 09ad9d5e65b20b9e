"""Severities and their order."""

from __future__ import annotations

import pytest

from trtbuild.validate.finding import Finding, Severity


def test_severities_are_ordered_and_read_as_words() -> None:
    assert Severity.INFO < Severity.WARNING < Severity.ERROR
    assert [str(severity) for severity in Severity] == ["info", "warning", "error"]


def test_a_finding_has_a_level_once_the_runner_gave_it_one() -> None:
    assert Finding(message="m", severity=Severity.INFO).level is Severity.INFO
    with pytest.raises(AssertionError):
        _ = Finding(message="m").level
