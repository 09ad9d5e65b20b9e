"""Measuring is tested in `tests/verify/test_bench_run.py`; here what is shown and refused."""

from pathlib import Path

import pytest

from tests.cli.conftest import Trtbuild
from trtbuild.cli.bench import _show
from trtbuild.verify.timing import Bench, BenchOptions, LayerTime, Query, measurement


def bench(count: int, options: BenchOptions) -> Bench:
    layers = tuple(LayerTime(f"layer {i}", 1.0 + i, 1 / count) for i in range(count))
    queries = [Query(4.0 * i, 4.0 * i, 4.0 * i + 4, 0.25, 1.0, 2.0, 1.0) for i in range(25)]
    one = measurement(queries, {"x": (8, 3)}, options, cuda_graph=False, layers=layers)
    return Bench("net.plan", "", "tensorrt", "10.6.0", "NVIDIA H200", options, (one,))


def test_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    _show(bench(1, BenchOptions(warm_up_ms=0)))
    assert capsys.readouterr().out.splitlines() == [
        "net.plan on NVIDIA H200 with tensorrt 10.6.0",
        "BATCH  MS           MIN    MEAN  MEDIAN     P90     P95     P99     MAX",
        "8      latency   4.0000  4.0000  4.0000  4.0000  4.0000  4.0000  4.0000",
        "8      compute   2.0000  2.0000  2.0000  2.0000  2.0000  2.0000  2.0000",
        "8      upload    1.0000  1.0000  1.0000  1.0000  1.0000  1.0000  1.0000",
        "8      download  1.0000  1.0000  1.0000  1.0000  1.0000  1.0000  1.0000",
        "8      enqueue   0.2500  0.2500  0.2500  0.2500  0.2500  0.2500  0.2500",
        "",
        "x 8x3: 250.0 queries/s, 2,000 samples/s (25 in 0.10 s; 1 stream)",
        "    MS   SHARE  LAYER",
        "1.0000  100.0%  layer 0",
    ]


def test_without_copies_they_are_no_rows_and_of_many_layers_the_slowest_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _show(bench(50, BenchOptions(warm_up_ms=0, copies=False, streams=2)))
    shown = capsys.readouterr().out
    assert "upload" not in shown
    assert "(25 in 0.10 s; 2 streams, no copies)" in shown
    assert shown.index("layer 49") < shown.index("layer 48")
    assert shown.endswith("  and 10 faster ones, all in --json FILE\n")


def test_what_is_misspelt_is_refused_before_a_gpu_is_asked_for(
    tmp_path: Path, trtbuild: Trtbuild
) -> None:
    for option, value, message in (
        ("--batch", "1,x", "--batch 'x' is no size"),
        ("--shapes", "x=1", "--shapes 'x=1' is not NAME:DIMS"),
        ("--plot", "a.jpeg", "a picture ends in .svg"),
    ):
        done = trtbuild("bench", tmp_path / "no.plan", option, value)
        assert done.returncode == 2
        assert message in done.stderr
    assert "does not exist" in trtbuild("bench", tmp_path / "no.plan").stderr
