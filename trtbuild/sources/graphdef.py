"""A frozen TensorFlow GraphDef. It has no signature: inputs and outputs are found in the graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trtbuild.artifacts import SourceRef
from trtbuild.errors import SourceError, first_line
from trtbuild.sources.graph_ends import (
    ends_of,
    find_inputs,
    find_outputs,
    refuse_variables,
)
from trtbuild.sources.options import SourceOptions
from trtbuild.sources.tf_export import (
    Frozen,
    distinct_outputs,
    export_frozen,
    running,
    tensorflow,
)
from trtbuild.sources.tf_reach import Library, reached_in_graph, refuse_ops

if TYPE_CHECKING:
    import numpy as np


class GraphDef:
    """The part of the graph between the inputs and the outputs, as a graph of its own."""

    def __init__(self, ref: SourceRef, options: SourceOptions) -> None:
        self.what = f"the GraphDef '{ref.location}'"
        self.options = options
        tf = tensorflow()
        graph = tf.compat.v1.GraphDef()
        try:
            graph.ParseFromString(Path(ref.location).read_bytes())
            if not options.trust_source:
                refuse_graph(graph, options.outputs, self.what)
            with tf.Graph().as_default() as whole:
                tf.import_graph_def(graph, name="")
            outputs = find_outputs(whole, options.outputs, self.what)
            inputs = find_inputs(whole, options.inputs, outputs, self.what)
            refuse_variables(whole, inputs, outputs, self.what)
            names = distinct_outputs(inputs, outputs)
            self.frozen = between(whole, inputs, {new: outputs[old] for new, old in names.items()})
        except SourceError:
            raise
        except Exception as error:
            raise SourceError(
                f"TensorFlow {tf.__version__} cannot load {self.what}: {first_line(error)}"
            ) from error
        self._function: Any = None

    def export(self, path: Path) -> tuple[str, ...]:
        """As `session.Source`."""
        return export_frozen(self.frozen, path, self.what, self.options)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As `session.Source`."""
        import tensorflow as tf

        with running(self.what):
            if self._function is None:
                self._function = function_of(self.frozen)
            results = self._function(*(tf.constant(inputs[name]) for name in self.frozen.inputs))
            return {
                name: result.numpy()
                for name, result in zip(self.frozen.outputs, results, strict=True)
            }


def refuse_graph(graph: Any, asked: tuple[str, ...], what: str) -> None:
    """Raise `SourceError` where the outputs `asked` for, or those that `find_outputs` may find,
    need ops that do more than compute. `graph` is the message; nothing of it is imported.
    """
    ends = [text.rpartition("=")[2] for text in asked] or ends_of(graph)
    refuse_ops(reached_in_graph(graph, Library(graph.library), ends), what)


def between(whole: Any, inputs: dict[str, str], outputs: dict[str, str]) -> Frozen:
    """The nodes between `inputs` and `outputs`, with a placeholder for each of `inputs`."""
    import tensorflow as tf

    with tf.Graph().as_default() as cut:
        placeholders = {}
        for index, tensor in enumerate(inputs.values()):
            original = whole.get_tensor_by_name(tensor)
            placeholders[tensor] = tf.compat.v1.placeholder(
                original.dtype, original.shape, name=f"trtbuild_input_{index}"
            )
        results = tf.import_graph_def(
            _with_defaults(whole.as_graph_def(), set(inputs.values())),
            input_map=placeholders,
            return_elements=list(outputs.values()),
            name="",
        )
        ends = [tensor.op.name for tensor in (*results, *placeholders.values())]
        graph = tf.compat.v1.graph_util.extract_sub_graph(cut.as_graph_def(), ends)
        return Frozen(
            graph,
            {name: placeholders[tensor].name for name, tensor in inputs.items()},
            dict(zip(outputs, (result.name for result in results), strict=True)),
        )


def _with_defaults(graph: Any, inputs: set[str]) -> Any:
    """Placeholders that have a default and are not fed become that default (keep_prob = 1)."""
    for node in graph.node:
        if node.op == "PlaceholderWithDefault" and f"{node.name}:0" not in inputs:
            dtype = node.attr["dtype"].type
            node.op = "Identity"
            node.attr.clear()
            node.attr["T"].type = dtype
    return graph


def function_of(frozen: Frozen) -> Any:
    """A function of the tensors in `frozen.inputs`, in order, that gives those of its outputs."""
    import tensorflow as tf

    wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(frozen.graph, name=""), [])
    tensor = wrapped.graph.get_tensor_by_name
    return wrapped.prune(
        [tensor(name) for name in frozen.inputs.values()],
        [tensor(name) for name in frozen.outputs.values()],
    )
