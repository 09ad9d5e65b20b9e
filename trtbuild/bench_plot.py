"""The picture of a measurement: throughput and latency by batch; no other file draws charts."""

from __future__ import annotations

from pathlib import Path

from trtbuild.errors import MissingPackageError, UsageError
from trtbuild.verify.timing import Bench

SUFFIXES = (".svg", ".png", ".pdf")


def check_plot(file: Path) -> None:
    """Raise what `plot` would, before anything is measured."""
    if file.suffix not in SUFFIXES:
        raise UsageError(
            f"--plot '{file}': a picture ends in {', '.join(SUFFIXES)}", "rename the file"
        )
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingPackageError.of("matplotlib", "plot", "--plot") from None


def plot(bench: Bench, file: Path) -> None:
    """Draw all measurements of one plan into `file`, by its suffix."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    found = bench.measurements
    names = [str(one.batch) if one.batch is not None else "-" for one in found]
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.bar(names, [one.samples_per_second for one in found])
    left.set(xlabel="batch", ylabel="samples/s", title="throughput")
    for name in ("median", "p90", "p99"):
        right.plot(names, [getattr(one.latency, name) for one in found], "o-", label=name)
    right.set(xlabel="batch", ylabel="ms", title="latency", ylim=(0, None))
    right.legend()
    figure.suptitle(
        f"{Path(bench.plan).name} on {bench.gpu}, {bench.runtime} {bench.runtime_version}"
    )
    metadata = {"Date": None} if file.suffix == ".svg" else None
    with rc_context({"svg.hashsalt": "trtbuild"}):  # the same figures, the same file
        figure.savefig(file, metadata=metadata)
