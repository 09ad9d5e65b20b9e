"""TensorFlow models that tests convert; made in a worker process, each as small as it can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trtbuild.sources.tf_export import tensorflow


def two_signatures(path: Path) -> str:
    """A TensorFlow 2 SavedModel: inputs and outputs not in order, one name on both sides."""
    tf = tensorflow()

    class Model(tf.Module):  # type: ignore[misc, name-defined] # tensorflow has no types
        def __init__(self) -> None:
            super().__init__()
            self.weight = tf.Variable(tf.random.stateless_normal([4, 3], seed=[1, 2]))

        def serve(self, zeta: Any, alpha: Any) -> dict[str, Any]:
            scores = tf.nn.softmax(tf.matmul(zeta, self.weight))
            return {"scores": scores, "alpha": alpha * 2.0, "first": alpha}

        def twice(self, zeta: Any) -> dict[str, Any]:
            return {"doubled": zeta * 2.0}

    model = Model()
    zeta = tf.TensorSpec([None, 4], tf.float32, name="zeta")
    alpha = tf.TensorSpec([None, None], tf.float32, name="alpha")
    signatures = {
        "serving_default": tf.function(model.serve, input_signature=[zeta, alpha]),
        "twice": tf.function(model.twice, input_signature=[zeta]),
    }
    model.kept = signatures
    tf.saved_model.save(model, str(path), signatures=signatures)
    return str(path)


def tf1_saved_model(path: Path, resource: bool, tags: list[str]) -> str:
    """A SavedModel as TensorFlow 1 writes it, with reference or resource variables."""
    tf = tensorflow()
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], name="x_in")
        with v1.variable_scope("layer", use_resource=resource):
            weight = v1.get_variable("w", [4, 3], initializer=v1.random_normal_initializer(seed=1))
        y = tf.nn.softmax(tf.matmul(x, weight), name="y_out")
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(path))
        signature = v1.saved_model.predict_signature_def({"features": x}, {"scores": y})
        builder.add_meta_graph_and_variables(session, tags, {"predict": signature})
        builder.save()
    return str(path)


def tf1_with_table(path: Path, classes: bool) -> str:
    """As estimators export: scores, and class names out of a lookup table."""
    import tensorflow as tf

    v1 = tf.compat.v1
    info = v1.saved_model.utils.build_tensor_info
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        w = v1.get_variable("w", [4, 3], initializer=v1.random_normal_initializer(seed=1))
        scores = tf.nn.softmax(tf.matmul(x, w))
        keys = tf.range(3, dtype=tf.int64)
        rows = tf.lookup.KeyValueTensorInitializer(keys, ["a", "b", "c"], tf.int64, tf.string)
        names = tf.lookup.StaticHashTable(rows, "?").lookup(tf.argmax(scores, 1))
        outputs = {"scores": info(scores)} | ({"classes": info(names)} if classes else {})
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        builder = v1.saved_model.builder.SavedModelBuilder(str(path))
        signature = v1.saved_model.build_signature_def(
            {"x": info(x)}, outputs, "tensorflow/serving/predict"
        )
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature}, main_op=v1.tables_initializer()
        )
        builder.save()
    return str(path)


def with_optimizer_slots(path: Path) -> str:
    """As `model.save(DIR)` of a compiled model, by the Keras of TensorFlow 2.0 to 2.10."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.python.keras.optimizer_v2 import adam

    class Model(tf.Module):  # type: ignore[misc] # TensorFlow ships no types
        def __init__(self) -> None:
            self.w = tf.Variable(tf.random.stateless_normal([4, 3], [1, 2]))
            self.optimizer = adam.Adam(0.1)
            self.optimizer.apply_gradients([(tf.ones_like(self.w), self.w)])

        @tf.function(input_signature=[tf.TensorSpec([None, 4], name="x")])  # type: ignore[untyped-decorator] # TensorFlow's own
        def serve(self, x: Any) -> dict[str, Any]:
            return {"y": tf.nn.softmax(x @ self.w), "x2": x * 2.0}

    model = Model()
    tf.saved_model.save(model, str(path), signatures={"serving_default": model.serve})
    file, saved = path / "saved_model.pb", saved_model_pb2.SavedModel()
    saved.ParseFromString(file.read_bytes())
    for node in saved.meta_graphs[0].object_graph_def.nodes:
        if node.slot_variables:  # what that Keras called it; today's copy has another name
            node.user_object.identifier = "optimizer"
    file.write_bytes(saved.SerializeToString())
    return str(path)


def with_slots_and_a_writing_init_op(path: Path, written: Path) -> str:
    """Its objects do nothing else; what TensorFlow 1's loader would run writes a file."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    with_optimizer_slots(path)
    file, saved = path / "saved_model.pb", saved_model_pb2.SavedModel()
    saved.ParseFromString(file.read_bytes())
    meta = saved.meta_graphs[0]
    for name, text in (("where", str(written)), ("what", "was here")):
        constant = meta.graph_def.node.add(name=name, op="Const")
        constant.attr["dtype"].type = tf.string.as_datatype_enum
        constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(text))
    meta.graph_def.node.add(name="writes", op="WriteFile", input=["where", "what"])
    meta.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "writes"
    meta.collection_def["saved_model_main_op"].node_list.value[:] = ["writes"]
    file.write_bytes(saved.SerializeToString())
    return str(path)


def without_signatures(path: Path) -> str:
    """A SavedModel of nothing but a variable."""
    tf = tensorflow()
    module = tf.Module()
    module.variable = tf.Variable(1.0)
    tf.saved_model.save(module, str(path))
    return str(path)


def saved_function(path: Path, name: str) -> str:
    """A SavedModel of one of the functions of `_functions`."""
    tf = tensorflow()
    module = tf.Module()
    function, *specs = _functions(tf)[name]
    serve = tf.function(lambda *inputs: {"y": function(*inputs)}, input_signature=specs)
    tf.saved_model.save(module, str(path), signatures=serve)
    return str(path)


def _functions(tf: Any) -> dict[str, Any]:
    image = tf.TensorSpec([None, 4, 4, 2], tf.float32, name="x")
    row = tf.TensorSpec([None, 6], tf.float32, name="x")
    return {
        "resize_nearest": (
            lambda x: tf.compat.v1.image.resize_nearest_neighbor(
                x, [10, 8], half_pixel_centers=True
            ),
            image,
        ),
        "gelu": (tf.nn.gelu, row),
        "erfc": (tf.math.erfc, row),
        "unsupported": (lambda x: tf.math.lgamma(x) + tf.math.bessel_i0(x), row),
        "half": (lambda x: x * 2, tf.TensorSpec([None, 6], tf.float16, name="x")),
        "integers": (lambda x: x + 1, tf.TensorSpec([None, 6], tf.int64, name="x")),
        "scalar": (lambda x: x + 1, tf.TensorSpec([], tf.float32, name="x")),
        "any_rank": (lambda x: x + 1, tf.TensorSpec(None, tf.float32, name="x")),
    }


def graph_def(path: Path, frozen: bool) -> str:
    """A network with two ends, a dropout rate with a default and a node that ends nowhere."""
    tf = tensorflow()
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], name="x_in")
        keep = v1.placeholder_with_default(tf.constant(0.5), [], name="keep_prob")
        weight = v1.get_variable(
            "w", [4, 3], initializer=v1.random_normal_initializer(seed=1), use_resource=False
        )
        hidden = tf.identity(tf.matmul(x, weight) * keep, name="hidden")
        tf.nn.softmax(hidden, name="scores")
        tf.reduce_max(hidden, axis=1, name="best")
        v1.placeholder(tf.float32, [2], name="nobody_reads_it")
        tf.constant(1.0, name="nobody_reads_this_either")
        session.run(v1.global_variables_initializer())
        graph = session.graph_def
        if frozen:
            graph = v1.graph_util.convert_variables_to_constants(
                session, graph, ["scores", "best", "nobody_reads_it", "nobody_reads_this_either"]
            )
    path.write_bytes(graph.SerializeToString())
    return str(path)


def endless_graph(path: Path) -> str:
    """A GraphDef in which nothing depends on a placeholder."""
    tf = tensorflow()
    with tf.Graph().as_default() as graph:
        tf.compat.v1.placeholder(tf.float32, [2], name="x")
        tf.add(tf.constant(1.0), 2.0, name="three")
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return str(path)


def keras_model(path: Path, name: str) -> str:
    """A Keras model as `.keras` or `.h5`, by the suffix of `path`."""
    tensorflow()
    import keras

    keras.utils.set_random_seed(1)
    _keras_models(keras)[name]().save(path)
    return str(path)


def keras_weights(path: Path) -> str:
    """The weights of a model alone."""
    tensorflow()
    import keras

    keras.utils.set_random_seed(1)
    _keras_models(keras)["sequential"]().save_weights(path)
    return str(path)


def _keras_models(keras: Any) -> dict[str, Any]:
    layers = keras.layers

    def sequential() -> Any:
        return keras.Sequential(
            [keras.Input((8,), name="features"), layers.Dense(4, name="scores")]
        )

    def by_name() -> Any:
        image = keras.Input((8, 8, 3), name="image")
        extra = keras.Input((5,), name="extra")
        x = layers.UpSampling2D(2)(image)
        x = layers.Conv2D(4, 3, activation="gelu")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), extra])
        x = layers.Dropout(0.5)(x)
        outputs = {"zoo": layers.Dense(3)(x), "ant": layers.Dense(2)(x)}
        return keras.Model({"image": image, "extra": extra}, outputs)

    def shared() -> Any:
        tokens = keras.Input((12,), name="tokens", dtype="int32")
        x = layers.Embedding(20, 6)(tokens)
        x = layers.LSTM(5)(x)
        head = layers.Dense(2, name="head")
        return keras.Model(tokens, [head(x), head(layers.Rescaling(2.0)(x))])

    def code() -> Any:
        return keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x * 2, name="twice")])

    def custom() -> Any:
        class Mine(keras.layers.Layer):  # type: ignore[misc] # keras has no types
            def call(self, x: Any) -> Any:
                return x * 2

        return keras.Sequential([keras.Input((4,)), Mine()])

    return {
        "sequential": sequential,
        "by_name": by_name,
        "shared": shared,
        "code": code,
        "custom": custom,
    }
