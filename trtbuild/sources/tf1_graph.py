"""A SavedModel by TensorFlow 1's loader, which reads the graph and not the objects.

For what TensorFlow 2 does not rebuild: graphs with lookup tables (estimators, text models), models
saved with the slots of an optimizer that is no longer there (Keras up to 2.10), old custom objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trtbuild.sources.graphdef import between, function_of
from trtbuild.sources.tf_export import Frozen, freeze


def frozen_signature(
    location: str, tags: Sequence[str], signature: Any, outputs: dict[str, str], what: str
) -> tuple[Frozen, Any]:
    """The part of the graph that a signature means, variables as constants, and a function of it.

    `signature`: its SignatureDef. `outputs`: name in ONNX -> name in the signature. Raises what
    TensorFlow raises.
    """
    import tensorflow as tf

    v1 = tf.compat.v1
    inputs = {name: info.name for name, info in sorted(signature.inputs.items())}
    results = {new: signature.outputs[name].name for new, name in outputs.items()}
    ends = [tensor.rpartition(":")[0] for tensor in results.values()]
    with tf.Graph().as_default() as graph, v1.Session() as session:
        v1.saved_model.load(session, list(tags), location)
        constants = v1.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), list(dict.fromkeys(ends))
        )
    with tf.Graph().as_default() as whole:
        tf.import_graph_def(constants, name="")
    part = between(whole, inputs, results)
    function = function_of(part)
    # Again, as TensorFlow 2 freezes: it writes out the functions that the graph calls.
    return Frozen(freeze(function, what), part.inputs, part.outputs), function
