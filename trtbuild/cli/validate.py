"""`trtbuild repo validate`: will the server load this repository, and what comes after."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trtbuild.cli import say
from trtbuild.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trtbuild.capability import Capability
    from trtbuild.validate.apply import Repair
    from trtbuild.validate.run import Report
    from trtbuild.validate.settings import Settings


def command(  # noqa: PLR0917 - Typer makes options of parameters
    paths: Annotated[
        list[Path], typer.Argument(help="Repositories, models or config.pbtxt files.")
    ],
    format_: Annotated[
        str, typer.Option("--format", help="text, json, sarif, junit or github.")
    ] = "text",
    output: Annotated[
        Path | None, typer.Option(help="Write the report here, not to stdout.")
    ] = None,
    strict_config: Annotated[
        bool, typer.Option("--strict-config", help="As with --disable-auto-complete-config.")
    ] = False,
    gpu: Annotated[
        list[str] | None, typer.Option(help="A GPU of the fleet: 8.6, A10 (repeatable).")
    ] = None,
    select: Annotated[
        list[str] | None, typer.Option(help="Only these codes, beginnings of codes, or names.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Not these codes, beginnings of codes, or names.")
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Repair what has one right answer.")] = False,
    diff: Annotated[
        bool,
        typer.Option(
            "--diff", help="Show what --fix would do: no report, so no --format, --output."
        ),
    ] = False,
    min_severity: Annotated[
        str, typer.Option(help="Exit with 1 from here on: error, warning or info.")
    ] = "error",
    server: Annotated[str, typer.Option(help="Judge for triton or trtbuild (serve).")] = "triton",
    require_lock: Annotated[
        bool,
        typer.Option("--require-lock", help="Refuse what is not, to the last file, as locked."),
    ] = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Also links that lead out of the repository.")
    ] = False,
    triton: Annotated[
        str | None,
        typer.Option(metavar="RELEASE", help="Judge for this release of Triton: 24.10 or 2.51."),
    ] = None,
    server_python: Annotated[
        str | None,
        typer.Option(metavar="3.X", help="The Python of the server: 3.12, or that of --triton."),
    ] = None,
) -> None:
    """Tell whether Triton will load a model repository, and what will go wrong after loading."""
    from trtbuild.validate.run import validate

    settings = _settings(
        strict=strict_config,
        gpus=gpu,
        select=select,
        ignore=ignore,
        severity=min_severity,
        server=server,
        follow_links=follow_links,
        require_lock=require_lock,
        server_python=server_python,
        triton=triton,
    )
    _check_choice("--format", format_, _formats())
    _check_diff(diff, {"--fix": fix, f"--format {format_}": format_ != "text", "--output": output})
    report = validate(paths, settings)
    if not report.models:
        say.line(f"there are no models in {', '.join(map(str, paths))}", err=True)
    if diff:
        _show_diff(report, paths, settings)
    elif fix:
        report = _repair(report, paths, settings)
    if not diff:
        _write(report, format_, output)
    if report.fails(settings.min_severity):
        raise typer.Exit(1)


def _formats() -> tuple[str, ...]:
    from trtbuild.validate.formats import FORMATS

    return tuple(FORMATS)


def _check_choice(option: str, given: str, possible: Sequence[str]) -> None:
    if given not in possible:
        raise UsageError(f"{option} '{given}' is none of {', '.join(possible)}")


def _check_diff(diff: bool, others: Mapping[str, object]) -> None:
    given = [option for option, value in others.items() if value]
    if diff and given:
        hint = "give --diff first, then --fix" if "--fix" in given else ""
        raise UsageError(
            f"{given[0]} and --diff exclude each other",
            hint or "--diff prints a diff in the place of a report; run it again without --diff",
        )


def _settings(
    *,
    strict: bool,
    gpus: list[str] | None,
    select: list[str] | None,
    ignore: list[str] | None,
    severity: str,
    server: str,
    follow_links: bool,
    require_lock: bool,
    server_python: str | None,
    triton: str | None,
) -> Settings:
    from trtbuild.validate.explain import check_selection
    from trtbuild.validate.finding import Severity
    from trtbuild.validate.python_model import SERVER_PYTHON
    from trtbuild.validate.releases import release_from_text
    from trtbuild.validate.settings import SERVERS, Settings

    _check_choice("--server", server, SERVERS)
    _check_choice("--min-severity", severity, [str(level) for level in Severity])
    release = release_from_text(triton) if triton else None
    of_release = release.python if release else SERVER_PYTHON
    return Settings(
        strict_config=strict,
        gpus=_capabilities(gpus or []),
        server=server,
        triton=release,
        server_python=_python(server_python) if server_python else of_release,
        select=check_selection("--select", _words(select)),
        ignore=check_selection("--ignore", _words(ignore)),
        min_severity=Severity[severity.upper()],
        follow_links=follow_links,
        require_lock=require_lock,
    )


def _python(given: str) -> tuple[int, int]:
    found = re.fullmatch(r"3\.(\d{1,2})(\.\d+)?", given)
    if found is None:
        raise UsageError(
            f"--server-python '{given}' is no version of Python 3",
            "give two numbers, such as 3.12, which Triton's containers have since 24.12",
        )
    return 3, int(found[1])


def _words(values: list[str] | None) -> tuple[str, ...]:
    return tuple(
        word.strip() for value in values or () for word in value.split(",") if word.strip()
    )


def _capabilities(values: list[str]) -> tuple[Capability, ...]:
    from trtbuild.capability import capability_from_text

    return tuple(dict.fromkeys(capability_from_text(word) for word in _words(values)))


def _write(report: Report, format_: str, output: Path | None) -> None:
    from trtbuild.registry import load
    from trtbuild.validate.formats import FORMATS, text

    if format_ == "text":
        rendered = text.render(report, color=output is None and text.in_color(sys.stdout))
    else:
        rendered = load(FORMATS[format_])(report)
    if output is None:
        say.document(rendered)
        return
    try:
        output.write_text(rendered, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write the report to '{output}': {error.strerror}") from None


def _show_diff(report: Report, paths: list[Path], settings: Settings) -> None:
    from trtbuild.validate.apply import diff, repair_all

    repair, left = repair_all(report, paths, settings)
    for line in diff(repair).splitlines():
        say.line(line)
    say.line(f"{_counted(repair)} a repair; {_findings(len(left.findings))} left", err=True)


def _repair(report: Report, paths: list[Path], settings: Settings) -> Report:
    """Write what `--diff` shows, and return the report on what is left."""
    from trtbuild.validate.apply import repair_all, write_repair

    repair, left = repair_all(report, paths, settings)
    write_repair(repair)
    say.line(f"repaired {_findings(len(repair.fixed))}", err=True)
    return left


def _counted(repair: Repair) -> str:
    number = len(repair.fixed)
    return f"{_findings(number)} {'has' if number == 1 else 'have'}"


def _findings(number: int) -> str:
    return f"{number} finding{'s' if number != 1 else ''}"
