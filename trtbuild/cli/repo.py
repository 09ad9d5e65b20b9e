"""`trtbuild repo`: show, validate and draw model repositories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trtbuild.cli import graph, say, validate

if TYPE_CHECKING:
    from trtbuild.repository.lock import Lock
    from trtbuild.repository.read import VersionEntry

app = typer.Typer(help="Model repositories.", no_args_is_help=True)
app.command("validate")(validate.command)
app.command("graph")(graph.command)


@app.command("show")
def show(
    path: Annotated[
        Path, typer.Argument(help="The model repository, or one model.", metavar="DIR")
    ],
    json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Print the tree with sizes, targets, precision and provenance."""
    from trtbuild.cli import render
    from trtbuild.repository.read import read_repository

    repository = read_repository(path)
    if json:
        render.json(repository)
        return
    say.line(f"{repository.path}/")
    for model in repository.models:
        say.line(f"  {model.name}/" + ("" if model.has_config else "  (no config.pbtxt)"))
        if model.problem:
            say.line(f"    cannot be read: {model.problem}")
        for version in model.versions:
            for line in _version_lines(version):
                say.line(f"    {line}")


def _version_lines(version: VersionEntry) -> list[str]:
    from trtbuild.cli.render import size_text

    lines = [f"{version.number}/  {size_text(sum(version.files.values()))}"]
    if version.problem:
        lines.append(f"  {version.problem}")
    if version.lock is not None:
        lines += [f"  {line}" for line in _provenance(version.lock)]
    plans = version.lock.plans if version.lock is not None else ()
    targets = {plan.file: ", ".join(map(str, plan.targets)) for plan in plans}
    width = max((len(name) for name in version.files), default=0)
    for name, size in version.files.items():
        lines.append(f"  {name:<{width}}  {size_text(size):>9}  {targets.get(name, '')}".rstrip())
    return lines


def _provenance(lock: Lock) -> list[str]:
    plan = lock.plans[0]
    precision = lock.options.get("precision", "as exported")
    lowered = [one.note for one in lock.passes if one.name == "lower_precision" and one.changed]
    if lowered:  # how many nodes compute in it
        precision = f"{precision} ({lowered[0].partition(';')[0]})"
    ran = lock.report.comparisons
    accuracy = f"max abs {max(one.max_abs for one in ran):.2e}" if ran else "not compared"
    producer = f" ({lock.source.producer})" if lock.source.producer else ""
    lines = [
        f"from {lock.source.kind} {lock.source.location}{producer}, opset {lock.onnx.opset}",
        f"by trtbuild {lock.trtbuild} with {plan.runtime} {plan.runtime_version}, {lock.created}",
        f"precision {precision}, accuracy: {accuracy}",
    ]
    for failure in lock.failures:
        lines.append(f"no plan for {failure.target}: {failure.message}")
    return lines
