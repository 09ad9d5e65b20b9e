"""The table of rules and the modules on disk are the same."""

from __future__ import annotations

import re
from pathlib import Path

from trtbuild.validate import rules
from trtbuild.validate.codes import RULES

HELPERS = {
    *(
        "ensemble.nodes",
        "files.onnx_backend",
        "files.versions",
        "plans.files",
        "python.added",
        "python.models",
        "sequence.controls",
    ),
    *("tensors.each", "text.broken", "warmup.each"),
}


def test_every_module_of_rules_is_in_the_table_once() -> None:
    root = Path(next(iter(rules.__path__)))
    there = {
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in root.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert sorted(RULES.values()) == sorted(there - HELPERS)


def test_codes_are_a_letter_and_three_digits_in_order() -> None:
    assert all(re.fullmatch(r"[A-Z]\d{3}", code) for code in RULES)
    for family in {code[0] for code in RULES}:
        numbers = [int(code[1:]) for code in RULES if code[0] == family]
        assert numbers == list(range(1, len(numbers) + 1))
