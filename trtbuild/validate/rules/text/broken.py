"""What the reader found wrong with a config, for the rules of this family."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from trtbuild.modelconfig.explain import ConfigSyntaxError
from trtbuild.validate.finding import Edit, Finding, Fix
from trtbuild.validate.model import Model


def template_at(problem: ConfigSyntaxError) -> bool:
    """Whether the line at fault has a placeholder of a template in it."""
    return "${" in problem.source_line or "{{" in problem.source_line


def syntax_problem(model: Model, kinds: Collection[str]) -> Iterator[Finding]:
    """The reader's problem as a finding, where it is of one of `kinds` and no placeholder."""
    problem = model.problem
    if (
        isinstance(problem, ConfigSyntaxError)
        and problem.kind in kinds
        and not template_at(problem)
    ):
        yield finding_of(problem)


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
