"""perf_analyzer: reads metadata, config and statistics before and after, and sends raw tensors."""

import csv
from pathlib import Path

import pytest

from tests.serve.clients.served import Served
from tests.serve.clients.tools import perf_analyzer, run

MODES = {
    "http": ("-i", "http"),
    "grpc": ("-i", "grpc", "--async"),
    "http-json": ("-i", "http", "--input-tensor-format=json", "--output-tensor-format=json"),
    "grpc-gzip": ("-i", "grpc", "--grpc-compression-algorithm=gzip"),
}


# 50 requests a window; any spread counts as stable: it is the protocol that is tried, not speed.
_SHORT = (
    "--measurement-mode=count_windows", "--measurement-request-count=50", "--max-trials=3",
    "--stability-percentage=999999",
)  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_a_short_measurement(served: Served, tmp_path: Path, mode: str) -> None:
    program, environment = perf_analyzer()
    url = served.http if mode.startswith("http") else served.grpc
    table = tmp_path / "table.csv"
    output = run(
        program, "-m", "add_sub", "-b", "2", "-u", url, *MODES[mode], "--concurrency-range=2",
        *_SHORT, "-f", str(table), environment=environment,
    ).decode()  # fmt: skip
    assert "error" not in output.lower()
    client, server = output.split("  Server: ")
    assert "Throughput" in client
    counts = {
        line.split(":")[0].strip(): line.split(":")[1]
        for line in server.splitlines()
        if ":" in line
    }
    assert int(counts["Inference count"]) == 2 * int(counts["Successful request count"]) >= 100
    assert 1 <= int(counts["Execution count"]) <= int(counts["Successful request count"])
    (row,) = csv.DictReader(table.read_text().splitlines())
    # From the statistics; a column that is missing or empty is one that could not be read.
    assert int(row["Server Compute Infer"]) > 0
    for column in ("Server Queue", "Server Compute Input", "Server Compute Output"):
        assert int(row[column]) >= 0
