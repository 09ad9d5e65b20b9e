"""Plans that do not fit this machine's GPU: what the server says, and what it answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.loads import Question
from benchmarks.resnet import resnet
from benchmarks.served import Served, infer


def fallback(folder: Path, repository: Path | None) -> None:
    """Serve plans for other GPUs: refused by name, or their ONNX model's answers."""
    repository = repository or _build_plans(folder)
    name = next(path.name for path in repository.iterdir() if (path / "config.pbtxt").exists())
    said = _trtbuild("serve", str(repository), "--check")
    print(f"\nplans for other GPUs: trtbuild serve REPO --check (exit {said.returncode})")
    print(said.stdout + said.stderr, end="")
    said = _trtbuild("serve", str(repository), "--fallback=none", "--http-port=0", "--grpc-port=0",
                     "--metrics-port=0")  # fmt: skip
    print(f"trtbuild serve REPO --fallback none (exit {said.returncode})")
    print(said.stdout + said.stderr, end="")
    server = Served(str(repository))
    try:
        _compare(server, name, repository / name / "1" / "model.onnx")
    finally:
        server.stop()
    print("its log:", *server.log, sep="\n  ")


def _build_plans(folder: Path) -> Path:
    source, repository = folder / "light.onnx", folder / "plans"
    source.write_bytes(resnet((1, 1, 1, 1), 8, 64, 10))
    targets = (f"--target={target}" for target in ("8.0", "8.6", "8.9", "12.0"))
    said = _trtbuild("convert", str(source), f"--repo={repository}", "--runtime=tensorrt-rtx",
                     "--name=light", *targets)  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
    return repository


def _compare(server: Served, name: str, model: Path) -> None:
    values = np.random.default_rng(0).standard_normal((2, 3, 64, 64), np.float32)
    values = values.astype(np.float16)
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    expected = session.run(["OUTPUT"], {"INPUT": values})[0].astype(np.float64)
    found = infer(server.http_port, Question(name, values)).astype(np.float64)
    error = float(np.abs(found - expected).max() / np.abs(expected).max())
    print(f"its answers beside ONNX Runtime's on the CPU: largest difference {error:.1e} of the "
          "largest value")  # fmt: skip
    assert error < 0.01, "the answers differ by more than FP16 explains"
    print("metadata:", server.get(f"/v2/models/{name}"))
    metrics = server.get("/metrics", "metrics").splitlines()
    print(*(line for line in metrics if "fallback" in line), sep="\n")


def _trtbuild(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "trtbuild", *arguments], capture_output=True,
                          text=True, check=False, timeout=300)  # fmt: skip
