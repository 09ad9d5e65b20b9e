"""The weights of a LeNet, seeded, in the text form of TensorRT's samples (.wts).

usage: python source.py FOLDER      writes FOLDER/lenet.wts, for net.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

SHAPES = {
    "conv1.weight": (6, 1, 5, 5),
    "conv1.bias": (6,),
    "conv2.weight": (16, 6, 5, 5),
    "conv2.bias": (16,),
    "fc1.weight": (120, 256),
    "fc1.bias": (120,),
    "fc2.weight": (10, 120),
    "fc2.bias": (10,),
}


def weights() -> dict[str, np.ndarray]:
    """Kernels [outputs, inputs, ...] and biases, scaled so that values keep their size."""
    random = np.random.default_rng(0)
    return {
        name: (random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        for name, shape in SHAPES.items()
    }


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """A count, then a line an array: NAME TYPE COUNT HEX..., where type 0 is fp32."""
    lines = [str(len(arrays))]
    for name, array in arrays.items():
        values = " ".join(f"{bits:08x}" for bits in array.ravel().view(np.uint32))
        lines.append(f"{name} 0 {array.size} {values}")
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / "lenet.wts", weights())
