"""MobileNetV2 of Keras, exported as a SavedModel: python source.py OUTPUT_DIR.

The weights are random with a fixed seed. One batch of noise sets the statistics of the batch
normalizations, so that the numbers inside are as large as in a trained network.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main(output: Path) -> Path:
    """Write it into `output`: `keras_tensor` [N, 224, 224, 3] -> `output_0` [N, 1000], logits."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(weights=None, classifier_activation=None)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    noise = np.random.default_rng(0).standard_normal((4, *model.input_shape[1:]), np.float32)
    model(noise, training=True)
    path = output / "mobilenet_v2"
    model.export(path, verbose=False)
    return path


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
