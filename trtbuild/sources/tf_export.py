"""What every TensorFlow source shares: a frozen graph becomes ONNX with tf2onnx."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from trtbuild.errors import SourceError, first_line
from trtbuild.sources.opset import at_opset
from trtbuild.sources.options import SourceOptions
from trtbuild.sources.shapes import infer_outputs

if TYPE_CHECKING:
    import onnx

_OPSET = 17  # where nothing is asked: LayerNormalization is one op from here on
_NEWEST_TF2ONNX_OPSET = 18  # tf2onnx 1.17: higher ones are reached with onnx's converter
_GRAPH_LIMIT_BYTES = 2**31 - 2**24  # protobuf's 2 GB, less some room for the nodes


class Frozen(NamedTuple):
    """A graph without variables, and the names that its inputs and outputs shall have."""

    graph: Any  # GraphDef
    inputs: dict[str, str]  # name in ONNX -> tensor in the graph ("x:0")
    outputs: dict[str, str]


def tensorflow() -> Any:
    """The package, on the CPU: the GPU's memory belongs to TensorRT."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import tensorflow as tf
    import tf2onnx  # noqa: F401 - said to be missing before the model is loaded, not after

    tf.config.set_visible_devices([], "GPU")
    return tf


def freeze(function: Any, what: str) -> Any:
    """The GraphDef of a ConcreteFunction with its variables as constants.

    Its placeholders and outputs keep the names they have in `function`.
    """
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    size = sum(v.shape.num_elements() * v.dtype.size for v in function.graph.variables)
    if size > _GRAPH_LIMIT_BYTES:
        raise SourceError(
            f"{what} has {size / 2**30:.1f} GB of variables, and a TensorFlow graph takes "
            "2 GB at most when they become constants",
            "export it with `python -m tf2onnx.convert --large_model --saved-model DIR "
            "--output model.zip`, unpack that, and convert the ONNX file",
        )
    frozen = convert_variables_to_constants_v2(
        function, lower_control_flow=False, aggressive_inlining=True
    )
    return frozen.graph.as_graph_def(add_shapes=True)


def export_frozen(frozen: Frozen, path: Path, what: str, options: SourceOptions) -> tuple[str, ...]:
    """Write `frozen` to `path` as ONNX; raises `SourceError` with the ops tf2onnx has not."""
    import onnx

    _give_ranks(frozen, options, what)
    graph, tensors, rankless = _with_named_outputs(frozen)
    _spell_out_erfc(graph)
    first_opset = min(options.opset or _OPSET, _NEWEST_TF2ONNX_OPSET)
    model = _converted(graph, frozen.inputs, tensors, what, first_opset)
    _refuse_unsupported(model, what)
    _repair_resize(model)
    _name_dims(model, rankless)
    model, note = at_opset(model, options.opset)
    _, contradiction = infer_outputs(model)
    onnx.save(model, path)
    return tuple(text for text in (note, contradiction) if text)


def export_function(
    function: Any, inputs: Iterable[str], outputs: Iterable[str], path: Path, *, what: str,
    options: SourceOptions,
) -> tuple[str, ...]:  # fmt: skip
    """As `export_frozen`, of a ConcreteFunction whose inputs and outputs get these names."""
    names = tuple(inputs)
    tensors = [tensor.name for tensor in function.inputs[: len(names)]]
    results = [tensor.name for tensor in function.outputs]
    frozen = Frozen(
        freeze(function, what),
        dict(zip(names, tensors, strict=True)),
        dict(zip(outputs, results, strict=True)),
    )
    return export_frozen(frozen, path, what, options)


def distinct_outputs(inputs: Iterable[str], outputs: Iterable[str]) -> dict[str, str]:
    """Name in ONNX -> name in the framework. ONNX wants them distinct from those of inputs."""
    names: dict[str, str] = {}
    taken = set(inputs)
    for name in outputs:
        new = name
        while new in taken:
            new += "_output"
        taken.add(new)
        names[new] = name
    return names


@contextlib.contextmanager
def running(what: str) -> Iterator[None]:
    """TensorFlow's errors in a reference run, as `SourceError`."""
    try:
        yield
    except Exception as error:
        raise SourceError(
            f"TensorFlow cannot run {what} on these inputs: {first_line(error)}"
        ) from error


def _give_ranks(frozen: Frozen, options: SourceOptions, what: str) -> None:
    """Write what `--input` says into placeholders that take any rank: ONNX has no such input."""
    said = {override.name: override.shape for override in options.overrides}
    nodes = {node.name: node for node in frozen.graph.node}
    for name, tensor in frozen.inputs.items():
        node = nodes[tensor.rpartition(":")[0]]
        if not node.attr["shape"].shape.unknown_rank:
            continue
        shape = said.get(name)
        if shape is None:
            raise SourceError(
                f"input '{name}' of {what} does not say how many dims it has",
                f"say so: --input '{name}=[batch,3,224,224]'",
            )
        node.attr["shape"].shape.Clear()
        for dim in shape:
            node.attr["shape"].shape.dim.add(size=dim if isinstance(dim, int) else -1)
    for node in frozen.graph.node:
        node.attr.pop("_output_shapes", None)  # they may say less than what is known now


def _with_named_outputs(frozen: Frozen) -> tuple[Any, dict[str, str], set[str]]:
    """The graph with a tensor of its own for each output: two outputs may be the same tensor.

    Also these tensors by output, and the outputs of which TensorFlow knows no rank.
    """
    import tensorflow as tf

    with tf.Graph().as_default() as named:
        tf.import_graph_def(frozen.graph, name="")
        tensors = {
            name: tf.identity(named.get_tensor_by_name(tensor), name=f"trtbuild_output_{index}")
            for index, (name, tensor) in enumerate(frozen.outputs.items())
        }
        rankless = {name for name, tensor in tensors.items() if tensor.shape.rank is None}
        names = {name: tensor.name for name, tensor in tensors.items()}
        return named.as_graph_def(add_shapes=True), names, rankless


def _spell_out_erfc(graph: Any) -> None:
    """Erfc(x) as 1 - Erf(x), in place: Keras' gelu is made of it, and tf2onnx has only Erf."""
    import tensorflow as tf

    for node in [node for node in graph.node if node.op == "Erfc"]:
        dtype = node.attr["T"].type
        one = graph.node.add(name=f"{node.name}/one", op="Const")
        one.attr["dtype"].type = dtype
        one.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(1, dtype=dtype))
        erf = graph.node.add(name=f"{node.name}/erf", op="Erf", input=list(node.input))
        erf.attr["T"].type = dtype
        node.op = "Sub"
        node.input[:] = [one.name, erf.name]


def _converted(
    graph: Any, inputs: dict[str, str], outputs: dict[str, str], what: str, opset: int
) -> onnx.ModelProto:
    import tf2onnx

    renames = {tensor: name for name, tensor in (*inputs.items(), *outputs.items())}
    try:
        model, _ = tf2onnx.convert.from_graph_def(
            graph,
            name=what,
            input_names=list(inputs.values()),
            output_names=list(outputs.values()),
            opset=opset,
            tensors_to_rename=renames,
        )
    except Exception as error:
        raise SourceError(f"tf2onnx cannot export {what}: {first_line(error)}") from error
    converted: onnx.ModelProto = model
    converted.producer_version = tf2onnx.__version__  # it appends its git revision, or "None"
    return converted


def _refuse_unsupported(model: onnx.ModelProto, what: str) -> None:
    """tf2onnx leaves the TensorFlow ops that it has no translation for in the graph."""
    from onnx import defs

    unknown = {
        node.op_type: node.name
        for node in _nodes(model.graph)
        if node.domain in ("", "ai.onnx") and not defs.has(node.op_type)
    }
    if unknown:
        listed = ", ".join(f"{op} (node '{name}')" for op, name in unknown.items())
        raise SourceError(
            f"{what} has TensorFlow ops that no ONNX op stands for: {listed}",
            "leave them out of the model: export a signature that ends before them, or cut a "
            "frozen graph with --inputs and --outputs",
        )


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _repair_resize(model: onnx.ModelProto) -> None:
    """Nearest neighbours with half pixel centres, in a form that ONNX still has.

    tf2onnx writes `tf_half_pixel_for_nn`, which opset 13 dropped and TensorRT lacks. TensorFlow
    takes pixel floor((i + 0.5) * scale); that is rounding (i + 0.5) * scale - 0.5, which is
    `half_pixel`, with ties up.
    """
    for node in _nodes(model.graph):
        attributes = {attribute.name: attribute for attribute in node.attribute}
        mode = attributes.get("coordinate_transformation_mode")
        if node.op_type == "Resize" and mode is not None and mode.s == b"tf_half_pixel_for_nn":
            mode.s = b"half_pixel"
            attributes["nearest_mode"].s = b"round_prefer_ceil"


def _name_dims(model: onnx.ModelProto, rankless: set[str]) -> None:
    """TensorFlow has no names for dims: the first unknown one of inputs is the batch.

    tf2onnx's own (unk__123) differ for equal dims. What they are in outputs, shape inference says;
    also of outputs that are `rankless`, which tf2onnx takes for scalars.
    """
    for value in model.graph.output:
        if value.name in rankless:
            value.type.tensor_type.ClearField("shape")
    for value in (*model.graph.input, *model.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.HasField("dim_param") or dim.dim_value < 0:
                dim.Clear()
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        if dims and dims[0].WhichOneof("value") is None:
            dims[0].dim_param = "batch"
    del model.graph.value_info[:]  # the same there; nothing needs them
