"""`trtbuild debug`: the first layer of a plan that departs. Exit 1 where one does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trtbuild.cli import say
from trtbuild.cli.loading import Plugins

if TYPE_CHECKING:
    from trtbuild.debugging import Diagnosis

_SHAPES = "NAME:1x3x224x224"
_SHOWN = 10


def command(  # noqa: PLR0917 - Typer makes options of parameters
    source: Annotated[
        str, typer.Argument(help="An ONNX file, or REPO/MODEL.", metavar="ONNX|REPO/MODEL")
    ],
    version: Annotated[
        int | None, typer.Option(min=1, help="REPO/MODEL: this version; default: the latest.")
    ] = None,
    runtime: Annotated[
        Literal["auto", "tensorrt", "tensorrt-rtx"], typer.Option(help="As for convert.")
    ] = "auto",
    precision: Annotated[
        Literal["keep", "fp32", "fp16", "bf16"], typer.Option(help="As for convert.")
    ] = "keep",
    max_batch: Annotated[int | None, typer.Option(min=1, help="As for convert.")] = None,
    min_shapes: Annotated[list[str] | None, typer.Option(metavar=_SHAPES, help="Smallest.")] = None,
    opt_shapes: Annotated[list[str] | None, typer.Option(metavar=_SHAPES, help="Usual.")] = None,
    max_shapes: Annotated[list[str] | None, typer.Option(metavar=_SHAPES, help="Largest.")] = None,
    rtol: Annotated[float | None, typer.Option(min=0, help="Default: by precision.")] = None,
    atol: Annotated[float | None, typer.Option(min=0, help="Default: by precision.")] = None,
    builds: Annotated[int, typer.Option(min=2, help="At most so many plans are built.")] = 10,
    plugins: Plugins = None,
    json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Find the first layer whose numbers depart from ONNX's, on this machine's GPU."""
    from trtbuild.cli import render
    from trtbuild.debugging import debug
    from trtbuild.request import ConvertRequest

    request = ConvertRequest(
        source=source,
        repo=Path(),
        runtime=runtime,
        precision=precision,
        max_batch=max_batch,
        min_shapes=tuple(min_shapes or ()),
        opt_shapes=tuple(opt_shapes or ()),
        max_shapes=tuple(max_shapes or ()),
        rtol=rtol,
        atol=atol,
        plugins=tuple(plugins or ()),
    )
    with render.progress(quiet=quiet) as on_progress:
        found = debug(request, version, builds, on_progress)
    if json:
        render.json(found)
    else:
        _show(found)
    if found.departs:
        raise typer.Exit(1)


def _show(found: Diagnosis) -> None:
    if found.first is None:
        say.line(f"{found.source}: the plan agrees with ONNX in fp32 ({found.builds} build)")
        return
    one, suspects = found.first, found.suspects
    node = suspects[-1]
    after = f"after {found.builds} builds"
    if len(suspects) == 1:
        say.line(f"the first layer that departs is {node.op} '{node.node}' ({after})")
    elif found.fused:
        say.line(f"it departs where TensorRT fuses these {len(suspects)} layers: each of them")
        say.line(f"is right once the tensors between them are outputs ({after})")
    else:
        say.line(f"one of these {len(suspects)} layers departs; {after} they are not parted:")
    if len(suspects) > 1:
        for each in suspects[:_SHOWN]:
            say.line(f"  {each.op} '{each.node}' -> {each.tensor}")
        if len(suspects) > _SHOWN:
            say.line(f"  and {len(suspects) - _SHOWN} more")
    where = f" at {list(one.worst_index)}: {one.worst[0]} -> {one.worst[1]}"
    why = one.problem or f"max abs {one.max_abs:.2e}"
    say.line(f"its tensor {one.tensor} ({one.point} shapes): {why}{where}")
    if len(suspects) == 1 and node.inputs:
        say.line(f"right until then: {', '.join(node.inputs)}")
