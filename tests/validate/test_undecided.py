"""What cannot be decided offline, each with its reason and only with rules that exist."""

from __future__ import annotations

import re

from trtbuild.validate.codes import RULES
from trtbuild.validate.undecided import UNDECIDED


def test_each_has_a_reason_and_names_rules_that_exist() -> None:
    assert len({what for what, _ in UNDECIDED}) == len(UNDECIDED)
    for what, why in UNDECIDED:
        assert what
        assert why
        assert set(re.findall(r"\b[A-Z]\d{3}\b", why)) <= set(RULES)
