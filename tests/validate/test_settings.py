"""What a validation is asked to judge by."""

from __future__ import annotations

from trtbuild.validate.finding import Severity
from trtbuild.validate.settings import SERVERS, Settings


def test_the_defaults_are_tritons_own() -> None:
    settings = Settings()
    assert not settings.strict_config
    assert settings.server == SERVERS[0] == "triton"
    assert settings.min_severity is Severity.ERROR
