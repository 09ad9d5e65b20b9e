r"""What a rule is: a module of `rules/` with these names in it.

'''Title, one line.

What: ...                     in which case it fires
Why: ...                      what happens then
Example: / Instead:           a config that has the fault, one that has not (indented)
Source: ...                   where the server decides it
'''
NAME = "negative-max-batch-size"      reads after "allow"
SEVERITY = Severity.ERROR
NEEDS = "sequence_batching"           optional: run only where the config has this field
WHEN_BROKEN = True                    optional: about configs that cannot be read
FIRM = True                           optional: no comment in a config, which may be somebody
                                      else's, allows it
SINCE = "26.02"                       optional: the first release in which it holds
RELEASES = "..."                      optional: what else depends on the release, a sentence
def check(model: Model) -> Iterator[Finding]: ...
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from trtbuild.validate.codes import RULES
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.releases import named

if TYPE_CHECKING:
    from trtbuild.validate.model import Model
    from trtbuild.validate.settings import Settings

SECTIONS = ("What", "Why", "Example", "Instead", "Source")
_SECTION = re.compile(rf"^({'|'.join(SECTIONS)}):[ \t]*", re.MULTILINE)


class Rule(NamedTuple):
    """One rule of the table, loaded."""

    code: str
    name: str
    severity: Severity
    needs: str  # the config field it is about; "": none
    when_broken: bool  # it is about configs that cannot be read; the others are not run on those
    firm: bool  # comments of the config do not allow it
    check: Callable[[Model], Iterator[Finding]]
    doc: str
    since: str = ""  # the first of Triton's releases in which it holds; "": all that are known
    by_release: str = ""  # what else of it depends on the release

    def holds_for(self, settings: Settings) -> bool:
        """Whether it holds in the release that is judged for, where that is known."""
        return not (self.since and settings.runs_before(self.since))

    @property
    def releases(self) -> str:
        """In which releases it holds, as its page says it."""
        first = f"since {named(self.since)}" if self.since else "all"
        return f"{first}. {self.by_release}".rstrip() if self.by_release else first

    @property
    def title(self) -> str:
        """The first line of its docstring."""
        return self.doc.partition("\n")[0].rstrip(".")

    def section(self, name: str) -> str:
        """One section of its docstring, without indentation."""
        parts = _SECTION.split(self.doc)
        sections = dict(zip(parts[1::2], parts[2::2], strict=True))
        return inspect.cleandoc("\n" + sections[name]) if name in sections else ""


def load_rule(code: str) -> Rule:
    """The rule of `code`. Raises `KeyError` for a code that no rule has."""
    module = importlib.import_module(f"trtbuild.validate.rules.{RULES[code]}")
    return Rule(
        code,
        module.NAME,
        module.SEVERITY,
        getattr(module, "NEEDS", ""),
        getattr(module, "WHEN_BROKEN", False),
        getattr(module, "FIRM", False),
        module.check,
        inspect.cleandoc(module.__doc__ or ""),
        getattr(module, "SINCE", ""),
        getattr(module, "RELEASES", ""),
    )


_loaded: list[Rule] = []


def all_rules() -> list[Rule]:
    """Every rule in the order of its code, loaded once."""
    if not _loaded:
        _loaded.extend(load_rule(code) for code in RULES)
    return _loaded


def matches(rule: Rule, words: tuple[str, ...]) -> bool:
    """Whether one of `words` is the rule's code, the beginning of it, or its name."""
    return any(rule.name == word or rule.code.startswith(word.upper()) for word in words)
