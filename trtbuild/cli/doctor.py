"""`trtbuild doctor`: what this machine can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from trtbuild.workers.sandbox import Support


def command(json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False) -> None:
    """Show the runtimes, GPUs and frameworks found here, and how to install what is missing."""
    from trtbuild.cli import render
    from trtbuild.doctor import diagnose

    diagnosis = diagnose()
    if json:
        render.json(diagnosis)
        return
    typer.echo(
        f"trtbuild {diagnosis.trtbuild}, Python {diagnosis.python}, {diagnosis.platform}\n"
        f"cache {diagnosis.cache}, {render.size_text(diagnosis.cache_bytes)}\n"
    )
    _show_sandbox(diagnosis.sandbox)
    devices = diagnosis.devices
    driver = f"driver {devices.driver or 'unknown'}, CUDA up to {devices.cuda or 'unknown'}"
    if devices.gpus:
        rows = [
            (str(gpu.index), gpu.name, str(gpu.capability), render.size_text(gpu.memory_bytes))
            for gpu in devices.gpus
        ]
        render.table(("GPU", "NAME", "CAPABILITY", "MEMORY"), rows, right=("MEMORY",))
        typer.echo(f"{driver}\n")
    elif devices.problem:
        typer.echo(f"no GPU that can be used: {devices.problem} ({driver})\n")
    else:
        typer.echo("no GPU and no driver: plans are built with tensorrt-rtx, which needs none\n")
    broken = {name for each in diagnosis.frameworks if each.problem for name in each.packages}
    for runtime in diagnosis.runtimes:
        builds = ", ".join(map(str, runtime.capabilities)) or "nothing here: it needs a GPU"
        does = "does not load: see below" if runtime.package in broken else f"builds for {builds}"
        typer.echo(f"{runtime.name} {runtime.version} {does}")
    typer.echo()
    render.table(
        ("FOR", "PACKAGES", "INSTALL"),
        [
            (
                framework.purpose,
                ", ".join(f"{n} {v}" if v else f"no {n}" for n, v in framework.packages.items()),
                framework.install,
            )
            for framework in diagnosis.frameworks
        ],
    )
    for framework in diagnosis.frameworks:
        if framework.problem:
            typer.echo(f"{framework.purpose}: {framework.problem}")


def _show_sandbox(sandbox: Support) -> None:
    landlock = f"Landlock (ABI {sandbox.landlock})" if sandbox.landlock else ""
    used = ", ".join(filter(None, [landlock, sandbox.network]))
    typer.echo(f"sandbox of workers: {used or 'none'}")
    for missing in sandbox.missing:
        typer.echo(f"  {missing}")
    typer.echo()
