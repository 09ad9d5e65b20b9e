"""How fast `trtbuild convert` is, against polygraphy on the same machine in the same run.

usage: python benchmarks/convert.py [--rounds 5] [--only speed|help|memory]

Prints medians and their ratios:
  cold   light_resnet50.onnx to 8.0, 8.6, 8.9 and 12.0 with empty caches, everything included,
         against four `polygraphy convert --compute-capabilities` calls
  warm   the same again with the cache filled
  help   `trtbuild --help`
  memory the parent process's peak resident memory while it converts an ONNX file of 500 MB
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BIN = Path(sys.executable).parent
MODEL = Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx"
TARGETS = ("8.0", "8.6", "8.9", "12.0")


def seconds(*command: str | Path, **environment: str) -> float:
    """Wall time of `command`; its output is shown only when it fails."""
    started = time.perf_counter()
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stdout}")
    return time.perf_counter() - started


def trtbuild(work: Path, *options: str) -> float:
    return seconds(
        BIN / "trtbuild", "convert", MODEL, "--repo", work / "repo", "--target", ",".join(TARGETS),
        "--replace", "--quiet", *options, TRTBUILD_CACHE_DIR=str(work / "cache"),
    )  # fmt: skip


def polygraphy(work: Path) -> float:
    return sum(
        seconds(
            BIN / "polygraphy", "convert", MODEL, "-o", work / "polygraphy.plan",
            "--compute-capabilities", target, POLYGRAPHY_USE_TENSORRT_RTX="1",
        )
        for target in TARGETS
    )  # fmt: skip


def cold_and_warm(work: Path, rounds: int) -> None:
    """Alternate the two, so that what else the machine does falls on both."""
    theirs, cold, warm = [], [], []
    for _ in range(rounds):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        theirs.append(polygraphy(work))
        cold.append(trtbuild(work))
        warm.append(trtbuild(work))
    their = statistics.median(theirs)
    for name, times in (("cold", cold), ("warm", warm)):
        ours = statistics.median(times)
        ratio = ours / their
        print(
            f"{name}    polygraphy x4 {their:6.2f} s   trtbuild {ours:6.2f} s   ratio {ratio:.2f}"
        )


def help_text(rounds: int) -> None:
    times = [seconds(BIN / "trtbuild", "--help") for _ in range(rounds)]
    bare = [seconds(sys.executable, "-c", "pass") for _ in range(rounds)]
    ours, python = statistics.median(times), statistics.median(bare)
    print(
        f"help    bare python   {python:6.3f} s  trtbuild {ours:6.3f} s  ratio {ours / python:.1f}"
    )


def big_model(path: Path) -> None:
    """A chain of matrix products with 500 MB of weights in one file."""
    side, count = 5000, 5
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.standard_normal((side, side), np.float32) / side, f"w{i}")
        for i in range(count)
    ]
    names = ["x", *(f"h{i}" for i in range(1, count)), "y"]
    nodes = [helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]]) for i in range(count)]
    shape: list[str | int | None] = ["batch", side]
    graph = helper.make_graph(
        nodes,
        "big",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


_DRIVER = """
import re, sys
from pathlib import Path
import trtbuild
trtbuild.convert(sys.argv[1], sys.argv[2], targets=("8.9",))
status = Path("/proc/self/status").read_text()  # unlike ru_maxrss it knows nothing of our parent
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) * 1024)
"""


def memory(work: Path) -> None:
    path = work / "big.onnx"
    big_model(path)
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER, str(path), str(work / "big-repo")],
        env={**os.environ, "TRTBUILD_CACHE_DIR": str(work / "cache")},
        stdout=subprocess.PIPE,
        check=True,
    )
    took = time.perf_counter() - started
    peak, size = int(done.stdout), path.stat().st_size
    print(
        f"memory  file {size / 1e6:.0f} MB   parent's peak {peak / 1e6:.0f} MB   "
        f"ratio {peak / size:.2f}   ({took:.0f} s)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("speed", "help", "memory"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.only in (None, "speed"):
            cold_and_warm(Path(folder) / "w", given.rounds)
        if given.only in (None, "help"):
            help_text(given.rounds)
        if given.only in (None, "memory"):
            memory(Path(folder))


if __name__ == "__main__":
    main()
