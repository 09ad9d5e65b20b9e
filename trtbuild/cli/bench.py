"""`trtbuild bench`: how fast a plan is on its GPU, by trtexec's method."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trtbuild.cli import say
from trtbuild.cli.loading import Plugins, RunsCode
from trtbuild.errors import UsageError

if TYPE_CHECKING:
    from trtbuild.verify.timing import Bench, Figures, Measurement

_LAYERS_SHOWN = 40


def command(  # noqa: PLR0917 - Typer makes options of parameters
    source: Annotated[
        Path, typer.Argument(help="A plan file, or REPO/MODEL.", metavar="PLAN|REPO/MODEL")
    ],
    version: Annotated[
        int | None, typer.Option(min=1, help="REPO/MODEL: this version; default: the latest.")
    ] = None,
    batch: Annotated[
        list[str] | None,
        typer.Option(help="Batch sizes. Repeatable, comma lists. Default: the plan's usual one."),
    ] = None,
    shapes: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME:1x3x224x224", help="An input's whole shape. Repeatable."),
    ] = None,
    streams: Annotated[
        int, typer.Option(min=1, help="Contexts that compute at the same time.")
    ] = 1,
    cuda_graph: Annotated[
        bool, typer.Option("--cuda-graph", help="Launch the plan as a CUDA graph.")
    ] = False,
    copies: Annotated[
        bool, typer.Option(help="Copy inputs to the GPU and outputs back, each time.")
    ] = True,
    duration: Annotated[float, typer.Option(min=0, help="Measure this many seconds.")] = 3.0,
    warm_up: Annotated[
        float, typer.Option(min=0, metavar="MS", help="Leave out what begins earlier.")
    ] = 200.0,
    iterations: Annotated[int, typer.Option(min=1, help="Measure at least so many runs.")] = 10,
    spin: Annotated[bool, typer.Option("--spin", help="Wait awake, not asleep.")] = False,
    layers: Annotated[bool, typer.Option("--layers", help="Show each layer's time.")] = False,
    plugins: Plugins = None,
    version_compatible: RunsCode = False,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write JSON; '-': to stdout.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw it; needs matplotlib.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Measure a plan on this machine's GPU as trtexec does: latency, throughput, layers."""
    from trtbuild.artifacts import to_json
    from trtbuild.bench import bench
    from trtbuild.bench_plot import check_plot
    from trtbuild.bench_plot import plot as draw
    from trtbuild.cli import render
    from trtbuild.plan.profiles import shapes_from_texts
    from trtbuild.verify.timing import BenchOptions

    if plot is not None:
        check_plot(plot)
    options = BenchOptions(
        batches=_batches(batch),
        shapes=shapes_from_texts("--shapes", tuple(shapes or ())),
        streams=streams,
        cuda_graph=cuda_graph,
        copies=copies,
        spin=spin,
        seconds=duration,
        warm_up_ms=warm_up,
        iterations=iterations,
        layers=layers,
    )
    with render.progress(quiet=quiet) as on_progress:
        found = bench(
            source,
            options,
            version,
            on_progress,
            plugins=plugins or (),
            runs_code=version_compatible,
        )
    if json == Path("-"):
        render.json(found)
    else:
        _show(found)
        if json is not None:
            json.write_bytes(to_json(found) + b"\n")
    if plot is not None:
        draw(found, plot)


def _batches(texts: list[str] | None) -> tuple[int, ...]:
    words = [word.strip() for text in texts or () for word in text.split(",") if word.strip()]
    for word in words:
        if not word.isdecimal() or int(word) < 1:
            raise UsageError(f"--batch '{word}' is no size", "give for example --batch 1,8,32")
    return tuple(map(int, words))


def _show(found: Bench) -> None:
    from trtbuild.cli import render

    say.line(f"{found.plan} on {found.gpu} with {found.runtime} {found.runtime_version}")
    header = ("BATCH", "MS", "MIN", "MEAN", "MEDIAN", "P90", "P95", "P99", "MAX")
    rows = [row for one in found.measurements for row in _rows(one)]
    render.table(header, rows, header[2:])
    for one in found.measurements:
        say.line()
        say.line(_heading(one))
        for note in one.notes:
            say.line(f"  note: {note}")
        _show_layers(one)


def _heading(one: Measurement) -> str:
    shapes = ", ".join(f"{name} {'x'.join(map(str, dims))}" for name, dims in one.shapes.items())
    samples = f", {one.samples_per_second:,.0f} samples/s" if (one.batch or 1) > 1 else ""
    how = [f"{one.streams} streams" if one.streams > 1 else "1 stream"]
    how += ["CUDA graph"] if one.cuda_graph else []
    how += [] if one.copies else ["no copies"]
    return (
        f"{shapes}: {one.throughput:,.1f} queries/s{samples} "
        f"({one.queries} in {one.seconds:.2f} s; {', '.join(how)})"
    )


def _rows(one: Measurement) -> list[tuple[str, ...]]:
    parts: list[tuple[str, Figures]] = [("latency", one.latency), ("compute", one.compute)]
    if one.copies:
        parts += [("upload", one.upload), ("download", one.download)]
    parts.append(("enqueue", one.enqueue))
    batch = "-" if one.batch is None else str(one.batch)
    return [(batch, name, *_texts(figures)) for name, figures in parts]


def _texts(figures: Figures) -> list[str]:
    names = ("min", "mean", "median", "p90", "p95", "p99", "max")
    return [f"{getattr(figures, name):.4f}" for name in names]


def _show_layers(one: Measurement) -> None:
    from trtbuild.cli import render

    if not one.layers:
        return
    slowest = sorted(one.layers, key=lambda layer: -layer.milliseconds)
    rows = [
        (f"{layer.milliseconds:.4f}", f"{layer.share:.1%}", layer.name)
        for layer in slowest[:_LAYERS_SHOWN]
    ]
    render.table(("MS", "SHARE", "LAYER"), rows, ("MS", "SHARE"))
    if len(slowest) > _LAYERS_SHOWN:
        left = len(slowest) - _LAYERS_SHOWN
        say.line(f"  and {left} faster ones, all in --json FILE")
