"""How fast is `trtbuild repo validate`, and how much memory does it take?

    python benchmarks/validate.py [--sizes 100 1000 10000]

Makes repositories of mixed backends (ONNX, TensorRT, PyTorch, Python; one model in twenty an
ensemble of three steps), validates each in a new process and prints wall time from process start,
time a model, the peak of resident memory over all its processes, and wall time where only the last
model, an ensemble, is asked for. Best of three runs.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.validate.modelfiles_made import make  # noqa: E402  # the repository's own makers

MAIN = "from trtbuild.cli.app import main; main()"
ONNX = make("image:fp32[N,3,224,224] -> probabilities:fp32[N,1000]")
PLAN = make("tensorrt plan 10.9.0.34")
TORCH = make("forward(image)")
PYTHON = b"""import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.scale = 2.0

    def execute(self, requests):
        answers = []
        for request in requests:
            image = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
            out = pb_utils.Tensor("probabilities", image * self.scale)
            answers.append(pb_utils.InferenceResponse([out]))
        return answers
"""
CONFIG = """# made for a benchmark
name: "{name}"
{runs}
max_batch_size: 8
input [
  {{
    name: "image"
    data_type: TYPE_FP32
    dims: [ 3, 224, 224 ]
  }}
]
output [
  {{
    name: "probabilities"
    data_type: TYPE_FP32
    dims: [ 1000 ]
  }}
]
instance_group [ {{ count: 2 kind: KIND_GPU }} ]
dynamic_batching {{
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 100
}}
version_policy: {{ latest {{ num_versions: 2 }} }}
parameters {{ key: "team" value {{ string_value: "vision" }} }}
"""
STEP = """  step {{
    model_name: "{member}"
    model_version: -1
    input_map {{ key: "image" value: "image" }}
    output_map {{ key: "probabilities" value: "p{number}" }}
  }}
"""
KINDS = (
    ('platform: "onnxruntime_onnx"', "model.onnx", ONNX),
    ('platform: "tensorrt_plan"', "model.plan", PLAN),
    ('platform: "pytorch_libtorch"', "model.pt", TORCH),
    ('backend: "python"', "model.py", PYTHON),
)


def make_repository(root: Path, size: int) -> None:
    """`size` models below `root`, all of them sound."""
    for number in range(size):
        name = f"model_{number:05}"
        version = root / name / "1"
        version.mkdir(parents=True)
        if number % 20 == 19:
            text = _ensemble(name, number)
        else:
            runs, file, content = KINDS[number % len(KINDS)]
            (version / file).write_bytes(content)
            text = CONFIG.format(name=name, runs=runs)
            if file == "model.pt":
                text = text.replace('"probabilities"', '"probabilities__0"')
        (root / name / "config.pbtxt").write_text(text)


def _ensemble(name: str, number: int) -> str:
    """Three steps side by side over the models before it that are no PyTorch ones."""
    members = [f"model_{number - back:05}" for back in (2, 3, 4)]
    members = [m for m in members if int(m[-5:]) % 4 != 2]
    steps = "".join(STEP.format(member=m, number=i) for i, m in enumerate(members))
    port = "{{ name: {} data_type: TYPE_FP32 dims: [ {} ] }}"
    outputs = "\n".join(
        f"output {port.format(chr(34) + f'p{i}' + chr(34), 1000)}" for i in range(len(members))
    )
    head = f'name: "{name}"\nplatform: "ensemble"\nmax_batch_size: 8\n'
    image = port.format('"image"', "3, 224, 224")
    return f"{head}input {image}\n{outputs}\nensemble_scheduling {{\n{steps}}}\n"


def measure(root: Path) -> tuple[float, float, str]:
    """Seconds from process start, MB of the largest process, and the last line printed."""
    command = [sys.executable, "-c", MAIN, "repo", "validate", str(root)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    printed = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    return seconds, usage.ru_maxrss / 1024, printed.strip().rpartition("\n")[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 100, 1000, 10000])
    sizes = parser.parse_args().sizes
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(f"{os.cpu_count()} cores, python {sys.version.split()[0]}")
    print(f"{'models':>7} {'seconds':>8} {'ms a model':>11} {'peak MB':>8} {'of one':>7}  result")
    for size in sizes:
        with tempfile.TemporaryDirectory() as directory:
            make_repository(Path(directory), size)
            runs = [measure(Path(directory)) for _ in range(3)]
            last = Path(directory) / f"model_{size - 1:05}"
            one = min(measure(last)[0] for _ in range(3))
        seconds = min(run[0] for run in runs)
        memory = max(run[1] for run in runs)
        each = 1000 * seconds / size
        print(f"{size:>7} {seconds:>8.2f} {each:>11.2f} {memory:>8.0f} {one:>7.2f}  {runs[0][2]}")


if __name__ == "__main__":
    main()
