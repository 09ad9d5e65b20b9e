"""`trtbuild inspect`: inputs, outputs, opset, ops; of a plan its runtime, version and targets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trtbuild.cli import say
from trtbuild.cli.loading import Plugins, RunsCode

if TYPE_CHECKING:
    from trtbuild.inspection import Inspection
    from trtbuild.plan.layers import Layer

_LAYERS_SHOWN = 60


def command(  # noqa: PLR0917 - Typer makes options of parameters
    file: Annotated[
        str, typer.Argument(help="A model file or folder, file.py:factory, or a plan.")
    ],
    kind: Annotated[str, typer.Option(help="What it is; default: found out.")] = "auto",
    signature: Annotated[str | None, typer.Option(help="SavedModel: which signature.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="SavedModel: the tags of its graph.")
    ] = None,
    input_: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="NAME=DTYPE[DIMS]", help="PyTorch: inputs to export with."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of a network's function: as for convert.")
    ] = None,
    verify_timeout: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="As for convert.")
    ] = 3600,
    trust_source: Annotated[
        bool, typer.Option("--trust-source", help="As for convert: run it unchecked.")
    ] = False,
    plugins: Plugins = None,
    version_compatible: RunsCode = False,
    json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Show what a model or a plan takes, gives and is made of; a plan's layers need its GPU."""
    from trtbuild.cli import render
    from trtbuild.inspection import inspect
    from trtbuild.request import ConvertRequest

    request = ConvertRequest(
        source=file,
        repo=Path(),
        kind=kind,
        signature=signature,
        weights=weights,
        trust_source=trust_source,
        verify_timeout_s=verify_timeout,
        tags=tuple(tag or ()),
        input=tuple(input_ or ()),
        plugins=tuple(plugins or ()),
    )
    with render.progress() as on_progress:
        found = inspect(request, on_progress, runs_code=version_compatible)
    if json:
        render.json(found)
    else:
        _show(found)


def _show(found: Inspection) -> None:
    from trtbuild.cli import render

    facts = [
        ("file", found.file),
        ("kind", found.kind),
        ("size", render.size_text(found.size_bytes)),
        ("producer", found.producer),
        ("opset", str(found.opset or "")),
        ("runtime", f"{found.runtime} {found.version}".strip()),
        ("targets", ", ".join(found.targets)),
        ("layers", _layer_types(found)),
        ("memory", _memory(found)),
        ("ops", ", ".join(f"{op} {count}" for op, count in found.ops.items())),
    ]
    for name, value in facts:
        if value:
            say.line(f"{name:<10}{value}")
    for name, specs in (("inputs", found.inputs), ("outputs", found.outputs)):
        for index, spec in enumerate(specs):
            say.line(f"{'' if index else name:<10}{spec}")
    for index, profile in enumerate(found.profiles):
        label = f"profile {index}" if len(found.profiles) > 1 else "profile"
        for tensor, shapes in profile.items():
            ranges = ", ".join(f"{k} {'x'.join(map(str, v))}" for k, v in shapes.items())
            say.line(f"{label:<10}{tensor}: {ranges}")
    for note in found.notes:
        say.line(f"{'note':<10}{note}")
    if found.layers:
        _show_layers(found.layers)


def _layer_types(found: Inspection) -> str:
    """`14 fp16, 2 fp32, 5 that compute nothing`."""
    computing = sum(found.layer_types.values())
    parts = [f"{count} {dtype}" for dtype, count in found.layer_types.items()]
    if len(found.layers) > computing:
        parts.append(f"{len(found.layers) - computing} that compute in none of these")
    return ", ".join(parts)


def _memory(found: Inspection) -> str:
    from trtbuild.cli.render import size_text

    if found.activations_bytes is None:
        return ""
    text = f"{size_text(found.activations_bytes)} a context"
    return (
        f"{text}, weights listed {size_text(found.weights_bytes)}" if found.weights_bytes else text
    )


def _show_layers(layers: tuple[Layer, ...]) -> None:
    from trtbuild.cli import render

    say.line("")
    rows = [
        (layer.dtype or "-", layer.kind, layer.tactic or "-", layer.name)
        for layer in layers[:_LAYERS_SHOWN]
    ]
    render.table(("TYPE", "KIND", "TACTIC", "LAYER"), rows)
    if len(layers) > _LAYERS_SHOWN:
        say.line(f"and {len(layers) - _LAYERS_SHOWN} more, all in --json")
