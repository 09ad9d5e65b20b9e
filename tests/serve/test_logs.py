"""What the log settings do to the log."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from trtserve.logs import LogSettings

pytestmark = pytest.mark.usefixtures("own_log")

LEVELS = {"V": logging.DEBUG, "I": logging.INFO, "W": logging.WARNING, "E": logging.ERROR}


@pytest.fixture(params=[0, 1])
def settings(request: pytest.FixtureRequest) -> Iterator[LogSettings]:
    made = LogSettings(request.param)
    yield made
    made.close()


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """A line at each level: which of them are in the log."""
    for name, level in LEVELS.items():
        logging.getLogger("trtserve").log(level, "level %s", name)
    return "".join(re.findall(r"level (\w)\n", capsys.readouterr().err))


def test_each_level_is_said_or_not(
    settings: LogSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    verbose = "V" if settings.values["log_verbose_level"] else ""
    settings._handler.setStream(sys.stderr)
    assert said(capsys) == f"{verbose}IWE"
    for name, rest in (("log_info", "WE"), ("log_warning", "E"), ("log_error", "")):
        settings.update({name: False})
        assert said(capsys) == verbose + rest
    settings.update({"log_verbose_level": 1 - bool(verbose), "log_error": True})
    assert said(capsys) == ("" if verbose else "V") + "E"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("default", r"I\d{4} \d\d:\d\d:\d\d\.\d{3} level I\n"),
        ("ISO8601", r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})Z I level I\n"),
    ],
)
def test_formats(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, line: str
) -> None:
    monkeypatch.setenv("TZ", "UTC-7")
    time.tzset()
    settings = LogSettings()
    settings.update({"log_format": name})
    logging.getLogger("trtserve").info("level I")
    settings.close()
    found = re.fullmatch(line, capsys.readouterr().err)
    assert found is not None
    if name == "ISO8601":  # Z: it is UTC, wherever the server is
        passed = datetime.now(timezone.utc) - datetime.fromisoformat(found[1] + "+00:00")
        assert passed.total_seconds() < 60


@pytest.mark.parametrize("sign", ["\n", "\r", "\r\n", "\x1b[2K", "\x85", "\u2028", "\0"])
def test_nothing_that_is_quoted_begins_a_line(
    capsys: pytest.CaptureFixture[str], sign: str
) -> None:
    settings = LogSettings()
    settings._handler.setStream(sys.stderr)
    forged = f"{sign}I1121 00:00:00.000 forged"
    logging.getLogger("trtserve").error("failed to load '%s'", forged)
    try:
        raise ValueError(forged)
    except ValueError as error:
        logging.getLogger("trtserve").error("a call failed", exc_info=error)
    settings.close()
    first, second, *trace = capsys.readouterr().err.splitlines()
    assert first.endswith(f"failed to load '{repr(sign)[1:-1]}I1121 00:00:00.000 forged'")
    assert second.endswith("a call failed")
    assert trace
    assert all(line.startswith("    ") for line in trace)
    assert not any(sign in line for line in trace)


@pytest.fixture(autouse=True)
def _time_zone() -> Iterator[None]:
    yield
    time.tzset()
