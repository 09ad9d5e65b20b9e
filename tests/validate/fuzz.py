"""Mutated configs through the whole validator: whatever the bytes, findings and no exception.

    python -m tests.validate.fuzz [NUMBER] [SEED]

Not part of `make test`. Prints how many there were, how many could be read, and how long it took.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

from tests.validate.oracle.mutate import CONFIGS, WORDS
from trtbuild.repository.directory import Directory
from trtbuild.validate.formats.text import render
from trtbuild.validate.rule import load_rule
from trtbuild.validate.run import Report, judge
from trtbuild.validate.settings import Settings
from trtbuild.validate.targets import open_model

EXAMPLES = tuple(
    load_rule(code).section("Example").encode() for code in ("S007", "W003", "D003", "I011", "P001")
)


def mutate(source: random.Random) -> bytes:
    """A config after one to eight changes."""
    text = source.choice(CONFIGS + EXAMPLES)
    for _ in range(source.choice((1, 1, 1, 2, 3, 8))):
        at = source.randint(0, len(text))
        end = min(len(text), at + source.choice((0, 1, 1, 4, 12, 60)))
        piece = source.choice((b"", source.choice(WORDS), text[at:end] * 2, source.randbytes(2)))
        text = text[:at] + piece + text[end:]
    return text


def main(number: int, seed: int) -> None:
    """Validate `number` mutated configs; an exception ends it with the config that caused it."""
    source, started, readable, slowest = random.Random(seed), time.perf_counter(), 0, 0.0
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory) / "m"
        (folder / "1").mkdir(parents=True)
        config, listed = folder / "config.pbtxt", Directory(folder)
        listed.files.append(config.name)
        for _ in range(number):
            text = mutate(source)
            config.write_bytes(text)
            begun = time.perf_counter()
            try:
                model = open_model("m", config, listed, Settings())
                render(Report(tuple(judge(model)), 1)).encode()
            except Exception:
                print(f"seed {seed}: {text!r}", file=sys.stderr)  # the case
                raise
            readable += model.problem is None
            slowest = max(slowest, time.perf_counter() - begun)
    seconds = time.perf_counter() - started
    print(
        f"{number} configs, {readable} of them readable, no exception, {seconds:.0f} s, "
        f"slowest {1000 * slowest:.0f} ms"
    )


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    main(*(arguments + [100_000, 1][len(arguments) :]))
