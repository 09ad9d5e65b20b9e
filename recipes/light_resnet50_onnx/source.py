"""ResNet-50 as the onnx package ships it for its tests, with constant weights.

python source.py OUTPUT_DIR
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def main(output: Path) -> Path:
    """Copy it into `output`: `gpu_0/data_0` [1, 3, 224, 224] -> `gpu_0/softmax_1` [1, 1000]."""
    import onnx.backend.test

    data = Path(onnx.backend.test.__file__).parent / "data"
    output.mkdir(parents=True, exist_ok=True)
    path = output / "light_resnet50.onnx"
    shutil.copyfile(data / "light" / path.name, path)
    return path


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
