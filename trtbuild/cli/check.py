"""`trtbuild check`: the pre-flight. Exit 1 where a target refuses the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trtbuild import printable
from trtbuild.cli import say

if TYPE_CHECKING:
    from trtbuild.check_report import CheckReport, TargetCheck

_SHAPES = "NAME:1x3x224x224"


def command(  # noqa: PLR0917 - Typer makes options of parameters
    source: Annotated[str, typer.Argument(help="A model file or folder, or file.py:factory.")],
    target: Annotated[
        list[str] | None, typer.Option(help="As for convert. Repeatable, comma lists.")
    ] = None,
    runtime: Annotated[
        Literal["auto", "tensorrt", "tensorrt-rtx"], typer.Option(help="As for convert.")
    ] = "auto",
    kind: Annotated[str, typer.Option(help="What the source is; default: found out.")] = "auto",
    input_: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="NAME=DTYPE[DIMS]", help="As for convert."),
    ] = None,
    bind: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="As for convert. Repeatable.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(metavar="FILE", help="As for convert.")] = None,
    signature: Annotated[str | None, typer.Option(help="SavedModel: which signature.")] = None,
    precision: Annotated[
        Literal["keep", "fp32", "fp16", "bf16"], typer.Option(help="As for convert.")
    ] = "keep",
    max_batch: Annotated[int | None, typer.Option(min=1, help="As for convert.")] = None,
    min_shapes: Annotated[list[str] | None, typer.Option(metavar=_SHAPES, help="Smallest.")] = None,
    opt_shapes: Annotated[list[str] | None, typer.Option(metavar=_SHAPES, help="Usual.")] = None,
    max_shapes: Annotated[list[str] | None, typer.Option(metavar=_SHAPES, help="Largest.")] = None,
    profile: Annotated[
        list[str] | None, typer.Option(metavar="DIM=MINxOPTxMAX,...", help="As for convert.")
    ] = None,
    plugins: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="As for convert. Repeatable.")
    ] = None,
    verify_timeout: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="As for convert.")
    ] = 3600,
    trust_source: Annotated[
        bool, typer.Option("--trust-source", help="As for convert: run it unchecked.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Ask TensorRT what each target takes and refuses of a model, and why. Writes nothing."""
    from trtbuild.cli import render
    from trtbuild.preflight import check
    from trtbuild.request import ConvertRequest

    request = ConvertRequest(
        source=source,
        repo=Path(),
        kind=kind,
        input=tuple(input_ or ()),
        bind=tuple(bind or ()),
        signature=signature,
        weights=weights,
        trust_source=trust_source,
        verify_timeout_s=verify_timeout,
        precision=precision,
        targets=tuple(target or ()),
        runtime=runtime,
        max_batch=max_batch,
        min_shapes=tuple(min_shapes or ()),
        opt_shapes=tuple(opt_shapes or ()),
        max_shapes=tuple(max_shapes or ()),
        profiles=tuple(profile or ()),
        plugins=tuple(plugins or ()),
    )
    with render.progress(quiet=quiet) as on_progress:
        report = check(request, on_progress)
    if json:
        render.json(report)
    else:
        _show(report)
    if not all(one.builds for one in report.targets):
        raise typer.Exit(1)


def _show(report: CheckReport) -> None:
    from trtbuild.cli import render

    rows = [
        (
            str(one.target),
            "builds" if one.builds else "refused",
            ", ".join(f"{refusal.op} {refusal.dtype}" for refusal in one.refused),
        )
        for one in report.targets
    ]
    say.line(f"{report.runtime} {report.runtime_version}")
    render.table(("TARGET", "MODEL", "REFUSED OPS"), rows)
    for one in report.targets:
        if not one.builds:
            _show_refused(one)


def _show_refused(one: TargetCheck) -> None:
    say.line()
    say.lines(printable.block(f"{one.target}: {one.message}"))
    if one.hint:
        say.line(f"  hint: {one.hint}")
    for refusal in one.refused:
        nodes = ", ".join(refusal.nodes[:3]) + (", ..." if len(refusal.nodes) > 3 else "")
        say.line(f"  {refusal.op} {refusal.dtype} ({nodes}): {refusal.reason}")
        if refusal.hint not in ("", one.hint):
            say.line(f"    hint: {refusal.hint}")
    if one.unknown:
        ops = ", ".join(f"{use.op} {use.dtype}" for use in one.unknown)
        say.line(f"  not asked, because they come after a refused op: {ops}")
