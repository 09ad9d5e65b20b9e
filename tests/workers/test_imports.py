import sys
from pathlib import Path

import pytest

from trtbuild.workers.imports import problem_of


def test_the_first_that_does_not_load_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_there.py").write_text("import what_it_needs\n")
    (tmp_path / "raises.py").write_text("raise OSError('libfoo.so.3: cannot open')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert problem_of(("json", "half_there", "raises")) == (
        "half_there does not load: No module named 'what_it_needs'"
    )
    assert problem_of(("raises",)) == "raises does not load: libfoo.so.3: cannot open"
    assert problem_of(("json", "sys")) == ""
    assert "half_there" not in sys.modules
