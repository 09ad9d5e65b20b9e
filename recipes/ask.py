"""Serve a repository, ask each model over HTTP and gRPC with tritonclient, compare, and stop.

python ask.py REPOSITORY: answers have to equal ONNX Runtime's on the model.onnx beside the plans.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime as ort
from tritonclient import grpc, http

_CLOSE = 1e-4  # a share of the largest value: both sides are ONNX Runtime, in other batches


def main(repository: Path) -> int:
    """Exit 1 where an answer differs."""
    server = subprocess.Popen(
        [
            "trtbuild",
            "serve",
            str(repository),
            "--http-port=0",
            "--grpc-port=0",
            "--metrics-port=0",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        ports = _ports(server)
        clients = [
            ("HTTP", http, http.InferenceServerClient(f"127.0.0.1:{ports['http']}")),
            ("gRPC", grpc, grpc.InferenceServerClient(f"127.0.0.1:{ports['grpc']}")),
        ]
        models = sorted(path.parent.name for path in repository.glob("*/config.pbtxt"))
        results = [_ask(name, repository, *client) for name in models for client in clients]
    finally:
        server.send_signal(signal.SIGTERM)
        code = server.wait(60)
    print(f"the server ended with exit code {code}")
    return 0 if all(results) and code == 0 else 1


def _ports(server: subprocess.Popen[str]) -> dict[str, str]:
    """Show the log until the server listens, then which protocol is on which port."""
    assert server.stderr is not None
    found: dict[str, str] = {}
    for line in server.stderr:
        print(line, end="")
        if match := re.search(r"(http|grpc|metrics) on [\d.]+:(\d+)", line):
            found[match[1]] = match[2]
        if "metrics" in found:
            return found
    sys.exit(f"the server did not start: exit code {server.wait(60)}")


def _ask(name: str, repository: Path, protocol: str, module: ModuleType, client: Any) -> bool:
    session = ort.InferenceSession(next(repository.glob(f"{name}/*/model.onnx")))
    spec = session.get_inputs()[0]
    shape = [dim if isinstance(dim, int) else 2 for dim in spec.shape]
    values = np.random.default_rng(0).standard_normal(shape, np.float32)
    tensor = module.InferInput(spec.name, shape, "FP32")
    tensor.set_data_from_numpy(values)
    output = session.get_outputs()[0].name
    answer = client.infer(name, [tensor]).as_numpy(output)
    (expected,) = session.run([output], {spec.name: values})
    apart = float(np.abs(answer - expected).max() / np.abs(expected).max())
    same = answer.shape == expected.shape and apart <= _CLOSE
    print(f"{name:16} {protocol}  {output} {list(answer.shape)}  ", end="")
    print(f"{'equal' if same else 'DIFFERENT'}, apart by {apart:.1e} of the largest value")
    return same


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
