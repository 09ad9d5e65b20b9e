"""TensorFlow models whose loading or running writes a file; and honest ones that look like them.

Made in a worker process. Each writes `trap` when TensorFlow is let run it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trtbuild.sources.tf_export import tensorflow


def make(kind: str, path: Path, trap: Path) -> str:
    """The model `kind`, saved at `path`."""
    tf = tensorflow()
    _MAKERS[kind](tf, path, str(trap))
    return str(path)


def _written(tf: Any, trap: str, x: Any) -> Any:
    with tf.control_dependencies([tf.io.write_file(trap, "written by the model")]):
        return tf.identity(x)


def _save(tf: Any, path: Path, function: Any, module: Any = None, **signatures: Any) -> None:
    module = module or tf.Module()
    spec = [tf.TensorSpec([None, 4], tf.float32, name="x")]
    each = {"serving_default": function, **signatures}
    module.kept = {
        name: tf.function(_serving(function), input_signature=spec)
        for name, function in each.items()
    }
    tf.saved_model.save(module, str(path), signatures=module.kept)


def _serving(function: Any) -> Any:
    return lambda x: {"y": function(x)}


def _plainly(tf: Any, path: Path, trap: str) -> None:
    _save(tf, path, lambda x: _written(tf, trap, x))


def _by_printing(tf: Any, path: Path, trap: str) -> None:
    def function(x: Any) -> Any:
        tf.raw_ops.PrintV2(input=tf.constant("x"), output_stream=f"file://{trap}")
        return x * 2.0

    _save(tf, path, function)


def _by_saving(tf: Any, path: Path, trap: str) -> None:
    def function(x: Any) -> Any:
        saved = tf.raw_ops.SaveV2(
            prefix=trap, tensor_names=["a"], shape_and_slices=[""], tensors=[x]
        )
        with tf.control_dependencies([saved]):
            merged = tf.raw_ops.MergeV2Checkpoints(
                checkpoint_prefixes=[trap], destination_prefix=trap
            )
        with tf.control_dependencies([merged]):
            return x * 2.0

    _save(tf, path, function)


def _by_python(tf: Any, path: Path, trap: str) -> None:
    def function(x: Any) -> Any:
        return tf.ensure_shape(
            tf.py_function(lambda y: Path(trap).write_text("") and y, [x], tf.float32), [None, 4]
        )

    _save(tf, path, function)


def _in_a_loop_in_a_branch(tf: Any, path: Path, trap: str) -> None:
    def function(x: Any) -> Any:
        def loop() -> Any:
            return tf.while_loop(
                lambda i, _: i < 2, lambda i, y: (i + 1, _written(tf, trap, y)), (0, x)
            )[1]

        return tf.cond(tf.reduce_sum(x) > -1e30, loop, lambda: x)

    _save(tf, path, function)


def _in_a_function_of_a_function(tf: Any, path: Path, trap: str) -> None:
    @tf.function  # type: ignore[untyped-decorator] # tensorflow has no types
    def inner(x: Any) -> Any:
        return _written(tf, trap, x)

    @tf.function  # type: ignore[untyped-decorator] # tensorflow has no types
    def outer(x: Any) -> Any:
        return inner(x) + 1.0

    _save(tf, path, lambda x: outer(x) * 2.0)


def _as_it_is_loaded(tf: Any, path: Path, trap: str) -> None:
    """A resource whose initializer writes: `tf.saved_model.load` calls it."""
    from tensorflow.python.trackable.resource import TrackableResource

    class Resource(TrackableResource):  # type: ignore[misc] # tensorflow has no types
        def _create_resource(self) -> Any:
            return tf.raw_ops.HashTableV2(
                key_dtype=tf.string, value_dtype=tf.int64, shared_name="x"
            )

        def _initialize(self) -> None:
            tf.io.write_file(trap, "written at loading")

    module = tf.Module()
    module.resource = Resource()
    module.resource.resource_handle  # noqa: B018 - made here
    _save(tf, path, lambda x: x * 2.0, module)


def _as_its_variables_are_restored(tf: Any, path: Path, trap: str) -> None:
    """The load restores an object by a function that comes with it."""

    class Saveable(tf.__internal__.tracking.AutoTrackable):  # type: ignore[misc]
        def _serialize_to_tensors(self) -> dict[str, Any]:
            return {"value": tf.constant(1.0)}

        def _restore_from_tensors(self, tensors: dict[str, Any]) -> Any:
            return _written(tf, trap, tensors["value"])

    module = tf.Module()
    module.saveable = Saveable()
    _save(tf, path, lambda x: x * 2.0, module)


def _tf1(tf: Any, path: Path, trap: str, *, at_loading: bool) -> None:
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        weight = v1.get_variable("w", [4, 3], use_resource=True)
        written = tf.raw_ops.WriteFile(filename=trap, contents="x", name="writes")
        with tf.control_dependencies([] if at_loading else [written]):
            y = tf.matmul(x, weight, name="y")
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(path))
        signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"serving_default": signature},
            main_op=tf.group(written) if at_loading else None,
        )
        builder.save()


def _graph_def(tf: Any, path: Path, trap: str) -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 4], name="x")
        with tf.control_dependencies([tf.raw_ops.WriteFile(filename=trap, contents="x")]):
            tf.multiply(x, 2.0, name="y")
    path.write_bytes(graph.as_graph_def().SerializeToString())


def _graph_def_with_a_function(tf: Any, path: Path, trap: str) -> None:
    @tf.function  # type: ignore[untyped-decorator] # tensorflow has no types
    def inner(x: Any) -> Any:
        return _written(tf, trap, x) * 2.0

    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 4], name="x")
        tf.identity(inner(x), name="y")
    path.write_bytes(graph.as_graph_def().SerializeToString())


def _another_signature_writes(tf: Any, path: Path, trap: str) -> None:
    _save(tf, path, lambda x: x * 2.0, writes=lambda x: _written(tf, trap, x))


def _a_table_from_an_asset(tf: Any, path: Path, trap: str) -> None:
    """A vocabulary of the model's own, in a file of the SavedModel."""
    words = path.with_name("words.txt")
    words.write_text("one\ntwo\n")
    module = tf.Module()
    module.table = tf.lookup.StaticVocabularyTable(
        tf.lookup.TextFileInitializer(
            str(words),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        1,
    )
    _save(
        tf,
        path,
        lambda x: x * 2.0,
        module,
        looks_up=lambda x: module.table.lookup(tf.constant(["one"])),
    )


def _a_dangling_writer(tf: Any, path: Path, trap: str) -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 4], name="x")
        tf.multiply(x, 2.0, name="y")
        tf.raw_ops.WriteFile(filename=trap, contents="x")
    path.write_bytes(graph.as_graph_def().SerializeToString())


_MAKERS = {
    "plainly": _plainly,
    "by printing": _by_printing,
    "by saving": _by_saving,
    "by python": _by_python,
    "in a loop in a branch": _in_a_loop_in_a_branch,
    "in a function of a function": _in_a_function_of_a_function,
    "as it is loaded": _as_it_is_loaded,
    "as its variables are restored": _as_its_variables_are_restored,
    "TensorFlow 1": lambda *all_: _tf1(*all_, at_loading=False),
    "TensorFlow 1, as it is loaded": lambda *all_: _tf1(*all_, at_loading=True),
    "a GraphDef": _graph_def,
    "a GraphDef with a function": _graph_def_with_a_function,
    "another signature writes": _another_signature_writes,
    "a table from an asset": _a_table_from_an_asset,
    "a dangling writer": _a_dangling_writer,
}


def run(path: Path) -> str:
    """Load the SavedModel as anybody would, and call it."""
    tf = tensorflow()
    tf.saved_model.load(str(path)).signatures["serving_default"](x=tf.zeros([1, 4]))
    return ""


def registry() -> dict[str, list[str]]:
    """TensorFlow's ops, each with the names of its inputs and attributes."""
    tensorflow()
    from tensorflow.core.framework.op_def_pb2 import OpList
    from tensorflow.python.client import pywrap_tf_session as session

    ops = OpList.FromString(session.TF_GetBuffer(session.TF_GetAllOpList()))
    return {op.name: [a.name for a in (*op.input_arg, *op.attr)] for op in ops.op}


def reached(nodes: dict[str, list[str]], functions: dict[str, list[str]]) -> list[str]:
    """The ops that are reached from `y` in a graph of these nodes: each an op and its inputs."""
    tensorflow()
    from tensorflow.core.framework.graph_pb2 import GraphDef

    from trtbuild.sources.tf_reach import Library, reached_in_graph

    graph = GraphDef()
    for name, (op, *inputs) in nodes.items():
        _fill(graph.node.add(name=name, input=inputs), op)
    for name, (op, *more) in functions.items():
        function = graph.library.function.add()
        function.signature.name = name
        _fill(function.node_def.add(name="node"), op)
        for key, _, value in (text.partition("=") for text in more):
            if key == "gradient":
                graph.library.gradient.add(function_name=name, gradient_func=value)
            else:
                function.attr[key].s = value.encode()
    return sorted(each.node.op for each in reached_in_graph(graph, Library(graph.library), ["y:0"]))


def _fill(node: Any, op: str) -> None:
    """An op, or a way to name a function: `call:f`, `func:f`, `list:f`, `nested:f`, `text:f`."""
    way, _, function = op.rpartition(":")
    node.op = {"func": "PartitionedCall", "list": "Case", "nested": "While", "text": "NoOp"}.get(
        way, function
    )
    if way == "func":
        node.attr["f"].func.name = function
    elif way == "list":
        node.attr["branches"].list.func.add(name=function)
    elif way == "nested":
        node.attr["body"].func.attr["inner"].func.name = function
    elif way == "text":
        node.attr["_something"].s = function.encode()
