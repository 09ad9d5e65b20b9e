"""`trtbuild convert` beside the bare builder of data-centre TensorRT, for ResNet-50, on a GPU.

    python -m benchmarks.convert_gpu [--timing-cache FILE] [--rounds 1]

Each round: the bare builder in a new process (import, parse, build, write the plan: no check, no
comparison), `trtbuild convert` with an empty store, and the same again with all of it in the store.
With `--timing-cache` both builders read that file, and both have all of it: what is left is what
does not depend on the GPU's tactics. Without it each builds from nothing, a minute or more.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.resnet import resnet
from trtbuild.device import gpus
from trtbuild.plan.runtimes import installed_runtimes

LARGEST = 128
_BARE = """
import json, sys, time
began = time.perf_counter()
import importlib
trt = importlib.import_module(sys.argv[6])
onnx, plan, cache = sys.argv[1:4]
logger = trt.Logger(trt.Logger.ERROR)
builder = trt.Builder(logger)
network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
parser = trt.OnnxParser(network, logger)
assert parser.parse_from_file(onnx)
config = builder.create_builder_config()
profile = builder.create_optimization_profile()
given = network.get_input(0)
usual = sys.argv[5].split("x")
shapes = [(int(each), *given.shape[1:]) for each in usual]
profile.set_shape(given.name, *shapes)
config.add_optimization_profile(profile)
data = open(cache, "rb").read() if cache else b""
config.set_timing_cache(config.create_timing_cache(data), False)
ready = time.perf_counter()
made = builder.build_serialized_network(network, config)
built = time.perf_counter()
open(plan, "wb").write(made)
print(json.dumps({"start and parse": ready - began, "build": built - ready}))
"""
_CONVERT = """
import json, sys, time
from pathlib import Path
import trtbuild
made = trtbuild.convert(sys.argv[1], sys.argv[2], runtime="tensorrt", max_batch=int(sys.argv[4]),
                        mode="replace", timing_cache=Path(sys.argv[3]) if sys.argv[3] else None)
print(json.dumps({stage.name: stage.seconds for stage in made.stages} | {"all": made.seconds}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timing-cache", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    stated = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        onnx = work / "resnet.onnx"
        onnx.write_bytes(resnet())
        rounds = [_round(work, onnx, stated.timing_cache) for _ in range(stated.rounds)]
    bare, cold, warm = (statistics.median(each) for each in zip(*rounds, strict=True))
    print(f"bare {bare:.2f} s, convert {cold:.2f} s (+{cold - bare:.2f} s, "
          f"{cold / bare - 1:+.1%}), the same again {warm:.2f} s")  # fmt: skip


def _round(work: Path, onnx: Path, timing_cache: Path | None) -> tuple[float, float, float]:
    """Seconds of the bare builder, of `convert`, and of `convert` again."""
    cache = str(timing_cache.resolve()) if timing_cache else ""
    largest = str(LARGEST)
    store = work / "store"
    shutil.rmtree(store, ignore_errors=True)
    bare = _seconds(_BARE, onnx, work / "bare.plan", cache, largest, _usual(), _module())
    environment = {"TRTBUILD_CACHE_DIR": str(store)}
    cold = _seconds(_CONVERT, onnx, work / "repo", cache, largest, **environment)
    warm = _seconds(_CONVERT, onnx, work / "repo", cache, largest, **environment)
    return bare, cold, warm


def _usual() -> str:
    """The batch sizes of the profile that `convert` makes of `--max-batch`: min, opt and max."""
    return f"1x{(1 + LARGEST) // 2}x{LARGEST}"


def _module() -> str:
    """What TensorRT is imported as: its bindings have a package of their own too."""
    return next(each.module for each in installed_runtimes(gpus()) if each.name == "tensorrt")


def _seconds(script: str, *arguments: Any, **environment: str) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    took = time.perf_counter() - began
    stages = json.loads(done.stdout.splitlines()[-1])
    print(f"{took:.2f} s: " + ", ".join(f"{name} {each:.2f}" for name, each in stages.items()),
          flush=True)  # fmt: skip
    return took


if __name__ == "__main__":
    main()
