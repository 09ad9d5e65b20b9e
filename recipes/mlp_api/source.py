"""The weights of a perceptron, seeded, as they would come from a training of one's own.

usage: python source.py FOLDER      writes FOLDER/mlp.safetensors, for net.py
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import numpy as np

SIZES = (16, 64, 64, 4)


def weights() -> dict[str, np.ndarray]:
    """Kernels [inputs, outputs] and biases [outputs] of each layer, scaled as He et al. have it."""
    random = np.random.default_rng(0)
    arrays = {}
    for number, (inputs, outputs) in enumerate(itertools.pairwise(SIZES)):
        kernel = random.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)
        arrays[f"layer{number}.weight"] = kernel.astype(np.float32)
        arrays[f"layer{number}.bias"] = random.standard_normal(outputs).astype(np.float32)
    return arrays


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """As safetensors.numpy.save_file does, which need not be installed for six arrays."""
    header, place = {}, 0
    for name, array in arrays.items():
        end = place + array.nbytes
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [place, end]}
        place = end
    text = json.dumps(header).encode()
    data = b"".join(array.tobytes() for array in arrays.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / "mlp.safetensors", weights())
