"""MobileNetV1 (a quarter of its width, 128x128) as a frozen GraphDef: python source.py OUTPUT_DIR.

The weights are random with a fixed seed. One batch of noise sets the statistics of the batch
normalizations, so that the numbers inside are as large as in a trained network.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main(output: Path) -> Path:
    """Write the GraphDef into `output`: `image` [N, 128, 128, 3] -> `scores` [N, 1000]."""
    import keras
    import numpy as np
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNet((128, 128, 3), alpha=0.25, weights=None)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(np.random.default_rng(0).standard_normal((4, 128, 128, 3), np.float32), training=True)

    serve = tf.function(
        lambda image: tf.identity(model(image, training=False), name="scores"),
        input_signature=[tf.TensorSpec((None, 128, 128, 3), tf.float32, name="image")],
    )
    frozen = convert_variables_to_constants_v2(serve.get_concrete_function())
    graph = tf.compat.v1.graph_util.extract_sub_graph(frozen.graph.as_graph_def(), ["scores"])
    output.mkdir(parents=True, exist_ok=True)
    path = output / "mobilenet_v1.pb"
    path.write_bytes(graph.SerializeToString(deterministic=True))
    return path


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
