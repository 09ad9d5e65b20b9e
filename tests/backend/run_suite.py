"""ONNX's backend tests in several worker processes at once; a line of JSON for each test.

    python -m tests.backend.run_suite OUT.jsonl [--mode run] [--match REGEX] [--processes 12]

`run` needs a GPU; `build` and `onnx` do with TensorRT for RTX on any machine (see `suite`). Tests
come in a random order, the same each time, and outcomes are written as they come: a run that is
cut off is a sample of them all. `--known` puts those that an earlier run came to behind the others.
"""

from __future__ import annotations

import argparse
import queue
import random
import re
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import msgspec

from tests.backend.suite import KINDS, Outcome, names
from trtbuild.artifacts import to_json
from trtbuild.errors import TrtbuildError
from trtbuild.workers.pool import Pool, Worker, WorkerBugError

Test = tuple[str, str, str]  # kind, name, mode
_SEED = 11


def all_tests(mode: str) -> list[Test]:
    """Every test that the installed onnx has the data of, in a random order."""
    tests = [(kind, name, mode) for kind in KINDS for name in names(kind)]
    random.Random(_SEED).shuffle(tests)
    return tests


def known_last(tests: list[Test], runs: list[Path]) -> list[Test]:
    """`tests` with those that are in an earlier run behind the others."""
    lines = [line for path in runs for line in path.read_bytes().splitlines()]
    known = {(one.kind, one.name) for one in map(outcome_of, lines)}
    return sorted(tests, key=lambda test: test[:2] in known)


def outcome_of(line: bytes) -> Outcome:
    """A line that `run_tests` wrote."""
    return msgspec.json.decode(line, type=Outcome)


def run_tests(
    tests: list[Test], processes: int, out: Path, seconds: float = float("inf")
) -> list[Outcome]:
    """The outcome of every test that is begun within `seconds`, written to `out` as they come."""
    todo: queue.SimpleQueue[Test] = queue.SimpleQueue()
    for test in tests:
        todo.put(test)
    outcomes: list[Outcome] = []
    lock = threading.Lock()
    end = time.monotonic() + seconds
    with out.open("wb") as file, Pool() as pool:

        def note(outcome: Outcome) -> None:
            with lock:
                outcomes.append(outcome)
                file.write(to_json(outcome) + b"\n")
                file.flush()

        def work() -> None:
            worker: Worker | None = None
            while time.monotonic() < end:
                try:
                    test = todo.get_nowait()
                except queue.Empty:
                    return
                worker = worker or pool.start()
                outcome = _outcome(worker, test)
                if outcome.status == "lost":  # its process is gone, or its GPU context
                    worker.stop()
                    worker = None
                note(outcome)

        threads = [threading.Thread(target=work) for _ in range(processes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return outcomes


def _outcome(worker: Worker, test: Test) -> Outcome:
    kind, name, mode = test
    try:
        return worker.call("tests.backend.suite:run_case", Outcome, kind=kind, name=name, mode=mode)
    except (TrtbuildError, WorkerBugError) as error:
        return Outcome(name, kind, mode, "lost", (), (), 0, str(error)[-600:])


def main() -> None:
    """Run what the command line asks for, and count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--mode", default="run", choices=("run", "raw", "build", "onnx"))
    parser.add_argument("--match", default="")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--processes", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--known", type=Path, action="append", default=[], metavar="RUN.jsonl")
    asked = parser.parse_args()
    kinds = asked.kinds.split(",")
    tests = [
        test
        for test in all_tests(asked.mode)
        if test[0] in kinds and re.search(asked.match, test[1])
    ]
    tests = known_last(tests, asked.known)
    start = time.monotonic()
    outcomes = run_tests(tests, asked.processes, asked.out, asked.seconds)
    counts = dict(Counter(outcome.status for outcome in outcomes).most_common())
    took = time.monotonic() - start
    sys.stdout.write(f"{len(outcomes)} of {len(tests)} {asked.mode} in {took:.0f} s: {counts}\n")


if __name__ == "__main__":
    main()
