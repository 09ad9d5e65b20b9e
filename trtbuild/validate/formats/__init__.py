"""A report as text, JSON, SARIF, JUnit and GitHub annotations: one file a format."""

from __future__ import annotations

# name -> function of (report, settings) that gives the whole output
FORMATS: dict[str, str] = {
    "text": "trtbuild.validate.formats.text:render",
    "json": "trtbuild.validate.formats.json:render",
    "sarif": "trtbuild.validate.formats.sarif:render",
    "junit": "trtbuild.validate.formats.junit:render",
    "github": "trtbuild.validate.formats.github:render",
}
