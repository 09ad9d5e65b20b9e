"""What the reader found wrong with a config, for the rules of this family."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from trtbuild.modelconfig.explain import ConfigSyntaxError
from trtbuild.modelconfig.placeholders import Placeholder, placeholder_of
from trtbuild.validate.finding import Edit, Finding, Fix
from trtbuild.validate.lfs import is_pointer_text
from trtbuild.validate.model import Model


def syntax_problems(model: Model, kinds: Collection[str]) -> Iterator[Finding]:
    """The reader's problems as findings: those of `kinds` of which no placeholder is the cause."""
    for problem in () if is_pointer(model) else model.problems:
        if (
            isinstance(problem, ConfigSyntaxError)
            and problem.kind in kinds
            and placeholder_of(problem, model.document.text) is None
        ):
            yield finding_of(problem)


def is_pointer(model: Model) -> bool:
    """Whether the config is a pointer of git lfs, which has a rule of its own."""
    return is_pointer_text(model.document.text.encode("utf-8", "surrogateescape"))


def placeholders(model: Model) -> Iterator[tuple[ConfigSyntaxError, Placeholder]]:
    """The reader's problems of which a placeholder is the cause, each placeholder once."""
    seen = set()
    for problem in model.problems:
        if isinstance(problem, ConfigSyntaxError):
            found = placeholder_of(problem, model.document.text)
            if found is not None and found.start not in seen:
                seen.add(found.start)
                yield problem, found


def finding_of(problem: ConfigSyntaxError) -> Finding:
    """Place, message and repair of a reader's problem, where there is one right answer."""
    fix: Fix = ()
    if problem.sure:
        end = problem.offset + problem.length
        fix = (Edit(problem.offset, end, problem.suggestion),)
    return Finding(
        message=problem.problem,
        offset=problem.offset,
        hint=problem.hint,
        line=problem.line,
        column=problem.column,
        end_column=problem.column + problem.length,
        source=problem.source_line,
        fix=fix,
    )
