"""`trtbuild doctor`: what this machine can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from trtbuild.cli import say

if TYPE_CHECKING:
    from trtbuild.doctor import Diagnosis
    from trtbuild.workers.sandbox import Support


def command(json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False) -> None:
    """Show the runtimes, GPUs and frameworks found here, and how to install what is missing."""
    from trtbuild.cli import render
    from trtbuild.doctor import diagnose

    diagnosis = diagnose()
    if json:
        render.json(diagnosis)
        return
    say.line(f"trtbuild {diagnosis.trtbuild}, Python {diagnosis.python}, {diagnosis.platform}")
    say.line(f"cache {_cache(diagnosis)}")
    say.line(f"temporary files in {diagnosis.temporary or 'no folder: none can be written'}")
    say.line()
    _show_sandbox(diagnosis.sandbox)
    devices = diagnosis.devices
    driver = f"driver {devices.driver or 'unknown'}, CUDA up to {devices.cuda or 'unknown'}"
    if devices.gpus:
        rows = [
            (str(gpu.index), gpu.name, str(gpu.capability), render.size_text(gpu.memory_bytes))
            for gpu in devices.gpus
        ]
        render.table(("GPU", "NAME", "CAPABILITY", "MEMORY"), rows, right=("MEMORY",))
        say.line(driver)
        say.line()
    elif devices.problem:
        say.line(f"no GPU that can be used: {devices.problem} ({driver})")
        say.line()
    else:
        say.line("no GPU and no driver: plans are built with tensorrt-rtx, which needs none")
        say.line()
    broken = {name for each in diagnosis.frameworks if each.problem for name in each.packages}
    for runtime in diagnosis.runtimes:
        builds = ", ".join(map(str, runtime.capabilities)) or "nothing here: it needs a GPU"
        does = "does not load: see below" if runtime.package in broken else f"builds for {builds}"
        say.line(f"{runtime.name} {runtime.version} {does}")
    say.line()
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
            say.line(f"{framework.purpose}: {framework.problem}")


def _cache(diagnosis: Diagnosis) -> str:
    from trtbuild.cli import render

    limit = diagnosis.cache_limit_bytes
    size = render.size_text(diagnosis.cache_bytes)
    of = ", no limit" if limit is None else f" of {render.size_text(limit)}"
    if diagnosis.cache_problem:
        return f"{diagnosis.cache or 'none'}, not used: {diagnosis.cache_problem}"
    return f"{diagnosis.cache}, {size}{of}"


def _show_sandbox(sandbox: Support) -> None:
    landlock = f"Landlock (ABI {sandbox.landlock})" if sandbox.landlock else ""
    used = ", ".join(filter(None, [landlock, sandbox.network]))
    say.line(f"sandbox of workers: {used or 'none'}")
    for missing in sandbox.missing:
        say.line(f"  {missing}")
    say.line()
