"""Everything that is drawn: progress, tables, trees. The only file that imports rich.

Progress goes to stderr, results to stdout. Where stderr is no terminal, progress is plain lines.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from trtbuild import artifacts, printable
from trtbuild.artifacts import to_json
from trtbuild.cli import say
from trtbuild.columns import columns
from trtbuild.plugin_files import triton_option

if TYPE_CHECKING:
    from rich.progress import TaskID

OnProgress = Callable[[artifacts.Progress], None]


@contextlib.contextmanager
def progress(*, quiet: bool = False) -> Iterator[OnProgress]:
    """What long work calls with its `Progress`: bars on a terminal, else lines."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with Bars() as bars:
            yield bars
    else:
        yield Lines()


class Bars:
    """One bar for each piece of work, with its phase and the time it took so far."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description:>12}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[phase]}", style="dim", markup=False),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()  # steps arrive from the threads that drive the workers

    def __call__(self, step: artifacts.Progress) -> None:
        with self._lock:
            if step.work not in self._tasks:
                self._tasks[step.work] = self._progress.add_task(
                    printable.printable(step.work), phase="", total=None
                )
        self._progress.update(
            self._tasks[step.work],
            completed=step.done,
            total=step.total or None,
            phase=printable.printable(step.phase),
        )

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


class Lines:
    """A line when a phase of a piece of work begins, then at most one every `EVERY_S` seconds.

    TensorRT goes back and forth between its phases some hundred times a build: what was begun
    before is no beginning.
    """

    EVERY_S = 10.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: dict[str, set[str]] = {}
        self._last_s: dict[str, float] = {}
        self._lock = threading.Lock()

    def __call__(self, step: artifacts.Progress) -> None:
        with self._lock:
            begun, now = self._begun.setdefault(step.work, set()), self._clock()
            begins = step.phase not in begun
            if not begins and now < self._last_s[step.work] + self.EVERY_S:
                return
            begun.add(step.phase)
            self._last_s[step.work] = now
            percent = 100 * step.done // max(step.total, 1)
            how_far = f" ({percent} %)" if 0 < percent < 100 else ""
            say.line(f"{step.work}: {step.phase}{how_far}", err=True)


def json(value: Any) -> None:
    """`value` as one line of JSON on stdout, for machines."""
    say.json(to_json(value))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> None:
    """A table on stdout; columns named in `right` are aligned right. Cells are never cut."""
    say.lines(columns([header, *rows], [header.index(name) for name in right]))


def conversion(result: artifacts.Conversion) -> None:
    """The result table: one row a target, then where the version is and how good it is."""
    rows = [
        (
            str(target),
            plan.file,
            size_text(plan.size_bytes),
            f"{plan.seconds:.1f}",
            "ok",
            "yes" if plan.cached else "no",
        )
        for plan in result.plans
        for target in plan.targets
    ]
    failed = {str(f.target): f for f in result.failures}
    rows += [(key, "-", "-", f"{f.seconds:.1f}", "failed", "no") for key, f in failed.items()]
    rows.sort(key=lambda row: [int(part) for part in row[0].split(".")])
    table(("TARGET", "FILE", "SIZE", "SECONDS", "STATUS", "CACHED"), rows, ("SIZE", "SECONDS"))
    for key, failure in failed.items():
        say.line()
        say.lines(printable.block(f"{key} failed: {failure.message}"))
        if failure.hint:
            say.line(f"  hint: {failure.hint}")
    accuracy(result.report)
    for note in result.notes:
        say.line(f"note: {note}")
    for plan in result.plans:
        for note in plan.notes:
            say.line(f"{plan.file}: {note}")
    for done in result.passes:
        if done.changed:
            say.line(f"graph: {done.note}")
    for finding in result.findings:
        say.line(f"repo validate: {finding}")
    where = result.directory / str(result.version)
    with_runtime = f"{result.runtime} {result.runtime_version}"
    say.line(f"wrote {where} with {with_runtime} in {result.seconds:.1f} s")
    if result.runtime == "tensorrt-rtx":
        say.line("serve it with `trtbuild serve`: a stock Triton has no backend for these plans")
    for line in _how_to_load(result):
        say.line(line)


def _how_to_load(result: artifacts.Conversion) -> list[str]:
    """What servers need to be told of the plugins of plans."""
    used = {plugin.file: plugin for plan in result.plans for plugin in plan.plugins}
    if not used:
        return []
    options = " ".join(f"--plugins {file}" for file in used)
    lines = [f"the plans need plugins: trtbuild serve {options}"]
    strange = [file for file, plugin in used.items() if plugin.loaded_by != "opening"]
    if strange:
        lines.append(
            f"a stock Triton cannot load them: it opens libraries, and {', '.join(strange)} does "
            "not register its creators when it is opened (REGISTER_TENSORRT_PLUGIN does)"
        )
    else:
        lines.append(f"a stock Triton: tritonserver {triton_option(used)}, with their full paths")
    return lines


def accuracy(report: artifacts.VerifyReport) -> None:
    """Source, ONNX and plan in one table, a row an output and pair; below what was not run."""
    from trtbuild.verify.report import table as compared

    say.line()
    say.line(verdict(report))
    if report.comparisons:
        say.lines(compared(report))
    for what, why in report.not_run.items():
        say.line(f"  {what}: {why}")
    for warning in report.warnings:
        say.line(f"warning: {warning}")


def verdict(report: artifacts.VerifyReport) -> str:
    """One line: how many comparisons passed, and how far the numbers are apart at most."""
    ran = report.comparisons
    if not ran:
        return "accuracy: nothing was compared"
    passed = sum(one.passed for one in ran)
    of = "" if passed == len(ran) else f" of {len(ran)}"
    worst = max(ran, key=lambda one: one.max_abs)
    cosine = min(one.cosine for one in ran)
    return (
        f"accuracy: {passed}{of} comparisons passed, max abs {worst.max_abs:.2e} "
        f"({worst.pair}, {worst.tensor}), cosine at least {cosine:.6f}"
    )


def size_text(size_bytes: int) -> str:
    """`97.5 MB`: decimal units, as disks are sold and `ls` sorts."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")
