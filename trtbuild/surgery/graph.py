"""The graph that passes change: onnx-graphsurgeon's, with its weights left in their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx_graphsurgeon.ir.tensor import LazyValues
from onnx_graphsurgeon.logger import G_LOGGER

from trtbuild import onnx_session, onnx_weights, onnx_write
from trtbuild.errors import SurgeryError
from trtbuild.surgery.functions import without_functions
from trtbuild.tensor import DTYPES, dtype_from_onnx

Array = np.ndarray[Any, np.dtype[Any]]
Shape = list[int | str | None]

G_LOGGER.severity = G_LOGGER.ERROR  # its warnings are about types that we handle ourselves

_NEWEST_IR = 10  # what every ONNX Runtime since 1.18 takes
_OLDEST_IR = 8  # what passes write (initializers that are no inputs) needs 4; 8 is what others test
# The largest number of each float type that weights are converted to.
LARGEST = {
    DTYPES["fp32"].onnx: 3.4028234663852886e38,
    DTYPES["fp16"].onnx: 65504.0,
    DTYPES["bf16"].onnx: 3.3895313892515355e38,
}
_OPSET_OF_PASSES = 17  # of the ops that passes add to a model that had none of ONNX's own
# Attribute kinds that onnx-graphsurgeon carries; of the others it would drop the value.
_CARRIED = {"FLOAT", "INT", "STRING", "TENSOR", "GRAPH", "FLOATS", "INTS", "STRINGS"}


class StoredValues(LazyValues):  # type: ignore[misc] # onnx-graphsurgeon ships no types
    """A weight that lies in a file; `load` gives a view of it."""

    def load(self) -> Array:
        """The values, mapped from their file."""
        return onnx_weights.array_of(self.tensor)


class ConvertedValues(LazyValues):  # type: ignore[misc] # onnx-graphsurgeon ships no types
    """A weight in another data type than it is stored in, converted each time it is loaded."""

    def __init__(self, source: gs.Constant, elem_type: int, name: str) -> None:
        placeholder = onnx.TensorProto(name=name, data_type=elem_type, dims=source.shape)
        placeholder.data_location = onnx.TensorProto.EXTERNAL
        placeholder.external_data.add(key="location", value="/")  # never read: `load` is
        super().__init__(placeholder)
        self._source = source
        self._elem_type = elem_type
        self._numpy_type = onnx.helper.tensor_dtype_to_np_dtype(elem_type)

    def load(self) -> Array:
        """The values in the new type; a finite one beyond its range becomes its largest."""
        source = values_of(self._source)
        with np.errstate(over="ignore"):
            converted = source.astype(self._numpy_type)
        beyond = np.isinf(converted) & np.isfinite(source)
        if beyond.any():
            largest = float(LARGEST[self._elem_type])
            converted[beyond] = np.copysign(largest, source[beyond])
        return converted


def values_of(constant: gs.Constant) -> Array:
    """The values of `constant`, without keeping them in memory."""
    held = constant._values
    if isinstance(held, StoredValues | ConvertedValues):
        return held.load()
    if isinstance(held, LazyValues):
        return onnx_weights.array_of(held.tensor)
    return np.asarray(held)


def graph_from_model(model: onnx.ModelProto) -> gs.Graph:
    """Import a skeleton, without functions that no parser knows.

    Raises `SurgeryError` for attributes that would be lost.
    """
    model = without_functions(model)
    for node in model.graph.node:
        _refuse_lossy(node)
    if not any(entry.domain in ("", "ai.onnx") for entry in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("", _OPSET_OF_PASSES))
    graph = gs.import_onnx(model)
    for tensor in graph.tensors().values():
        if isinstance(tensor, gs.Constant) and onnx_weights.is_stored(_message(tensor)):
            tensor._values = StoredValues(_message(tensor))
            tensor.data_location = None
    graph.ir_version = max(graph.ir_version or 0, _OLDEST_IR)
    return graph


def _message(constant: gs.Constant) -> onnx.TensorProto:
    message: onnx.TensorProto = constant._values.tensor
    return message if isinstance(message, onnx.TensorProto) else onnx.TensorProto()  # sparse


def _refuse_lossy(node: onnx.NodeProto) -> None:
    for attribute in node.attribute:
        kind = onnx.AttributeProto.AttributeType.Name(attribute.type)
        if kind not in _CARRIED:
            raise SurgeryError(
                f"node '{node.name}' ({node.op_type}) holds a {kind.lower().replace('_', ' ')} "
                f"in its attribute '{attribute.name}', which TensorRT has nothing for",
                "cut the model before that node: --outputs",
            )


def model_from_graph(graph: gs.Graph) -> onnx.ModelProto:
    """Export `graph` as a skeleton; weights that are still to be converted have no data either."""
    needed = onnx.helper.find_min_ir_version_for(opsets(graph), ignore_unknown=True)
    # A newer one than needed keeps servers with an older ONNX Runtime from loading the model.
    graph.ir_version = max(min(graph.ir_version, _NEWEST_IR), needed)
    model: onnx.ModelProto = gs.export_onnx(graph)
    outer = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _settle_subgraph(attribute.g, outer, graph)
    return model


def _settle_subgraph(inner: onnx.GraphProto, outer: set[str], graph: gs.Graph) -> None:
    """Drop the copies of outer weights that the export puts in; load those used here alone."""
    own = [tensor for tensor in inner.initializer if tensor.name not in outer]
    del inner.initializer[:]
    for tensor in own:
        if onnx_weights.is_stored(tensor):
            array = values_of(constants_of(graph)[tensor.name])
            inner.initializer.append(onnx.numpy_helper.from_array(array, tensor.name))
        else:
            inner.initializer.append(tensor)
    scope = outer | {tensor.name for tensor in own}
    for node in inner.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _settle_subgraph(attribute.g, scope, graph)


def all_graphs(graph: gs.Graph) -> Iterator[gs.Graph]:
    """`graph` and every graph inside it."""
    yield graph
    yield from graph.subgraphs(recursive=True)


def constants_of(graph: gs.Graph) -> dict[str, gs.Constant]:
    """Every constant of `graph` and of the graphs inside it, by name."""
    return {
        tensor.name: tensor
        for scope in all_graphs(graph)
        for tensor in scope.tensors().values()
        if isinstance(tensor, gs.Constant)
    }


def opsets(graph: gs.Graph) -> list[onnx.OperatorSetIdProto]:
    """The operator sets that `graph` imports, ONNX's own among them."""
    return list(graph.import_domains or [onnx.helper.make_opsetid("", graph.opset)])


def session(graph: gs.Graph) -> Any:
    """An ONNX Runtime session for `graph` as it is. Raises what ONNX Runtime raises."""
    return onnx_session.open_session(model_from_graph(graph), weights_of(graph))


def weights_of(graph: gs.Graph) -> Callable[[onnx.TensorProto], Array]:
    """What gives the values of an initializer of the exported `graph`, also a converted one."""
    constants = constants_of(graph)
    return lambda tensor: values_of(constants[tensor.name])


def save(graph: gs.Graph, path: Path, external: bool) -> None:
    """Write `graph` to `path`, weights one at a time; `external`: into `<path>.data`."""
    constants = constants_of(graph)

    def content(tensor: onnx.TensorProto) -> memoryview:
        held = constants[tensor.name]._values
        if isinstance(held, ConvertedValues):
            return np.ascontiguousarray(held.load()).view(np.uint8).reshape(-1).data
        return onnx_weights.bytes_of(tensor)

    onnx_write.write(model_from_graph(graph), path, content, external)


def infer(graph: gs.Graph) -> None:
    """Fill in the data type and shape of every tensor that ONNX can tell them of."""
    _infer(graph)
    while _rank_by_target(graph):
        _infer(graph)


def _infer(graph: gs.Graph) -> None:
    model = onnx.shape_inference.infer_shapes(model_from_graph(graph), data_prop=True)
    tensors = graph.tensors()
    for value in (*model.graph.value_info, *model.graph.output):
        tensor = tensors.get(value.name)
        if isinstance(tensor, gs.Variable) and value.type.HasField("tensor_type"):
            known = gs.importers.onnx_importer.OnnxImporter.import_tensor(value)
            if known.shape is None:  # what is known of it stays
                known.shape = tensor.shape
            tensor.dtype, tensor.shape = known.dtype, _without_made_up(known.shape)


def _rank_by_target(graph: gs.Graph) -> int:
    """Give results of Reshape as many dims as its target has numbers; how many got theirs so.

    ONNX's inference leaves the rank open where the numbers are computed.
    """
    found = 0
    for node in graph.nodes:
        if node.op != "Reshape" or node.outputs[0].shape is not None:
            continue
        target = node.inputs[1].shape
        if target is not None and len(target) == 1 and isinstance(target[0], int):
            node.outputs[0].shape = [None] * target[0]
            found += 1
    return found


def infer_inside(graph: gs.Graph) -> None:
    """Fill in what is known of the tensors of branches and bodies; `infer` looks at `graph`."""
    model = onnx.shape_inference.infer_shapes(model_from_graph(graph))
    _take_types(graph, model.graph)


def _take_types(graph: gs.Graph, proto: onnx.GraphProto) -> None:
    """From `proto`, which was exported from `graph`, for everything inside its nodes."""
    for node, message in zip(graph.nodes, proto.node, strict=True):
        for attribute in message.attribute:
            if not attribute.HasField("g"):
                continue
            inner = node.attrs[attribute.name]
            known = {
                value.name: value
                for value in (*attribute.g.value_info, *attribute.g.input, *attribute.g.output)
                if value.type.tensor_type.elem_type
            }
            for tensor in [*inner.tensors().values(), *inner.inputs, *inner.outputs]:
                if isinstance(tensor, gs.Variable) and tensor.name in known:
                    _take_type(tensor, known[tensor.name])
            _take_types(inner, attribute.g)


def _take_type(tensor: gs.Variable, value: onnx.ValueInfoProto) -> None:
    found = gs.importers.onnx_importer.OnnxImporter.import_tensor(value)
    tensor.dtype = found.dtype
    if found.shape is not None:
        tensor.shape = _without_made_up(found.shape)


def _without_made_up(shape: Shape | None) -> Shape | None:
    """`shape` without the names that shape inference gives to dims it cannot tell: unk__0."""
    if shape is None:
        return None
    return [None if isinstance(dim, str) and dim.startswith("unk__") else dim for dim in shape]


def forget_shapes(graph: gs.Graph) -> None:
    """Drop what is known of shapes past the inputs.

    Outputs keep their number of dims, and the names of dims that inputs have as well.
    """
    inputs = {tensor.name for tensor in graph.inputs}
    outputs = {tensor.name for tensor in graph.outputs}
    names = {dim for tensor in graph.inputs for dim in tensor.shape if isinstance(dim, str)}
    for tensor in graph.tensors().values():
        if isinstance(tensor, gs.Variable) and tensor.name not in inputs:
            keep = tensor.name in outputs and tensor.shape is not None
            tensor.shape = [d if d in names else None for d in tensor.shape] if keep else None


def elem_type(tensor: gs.Tensor) -> int:
    """The `TensorProto.DataType` of `tensor`; 0: not known."""
    dtype = tensor.dtype
    if dtype is None or isinstance(dtype, int):
        return dtype or 0
    return int(onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def set_elem_type(tensor: gs.Variable, number: int) -> None:
    """Give `tensor` the `TensorProto.DataType` `number`."""
    tensor.dtype = number


def text(tensor: gs.Tensor) -> str:
    """`tensor` as an error shows it: `image fp32 [batch, 3, 224, 224]`."""
    dtype = dtype_from_onnx(elem_type(tensor))
    dims = "?" if tensor.shape is None else ", ".join(str(d) for d in tensor.shape)
    return f"{tensor.name} {dtype.name if dtype else '?'} [{dims}]"


def label(node: gs.Node) -> str:
    """How a note or an error calls `node`: its name, or else what it computes."""
    return str(node.name or (node.outputs[0].name if node.outputs else node.op))


def nodes_below(node: gs.Node) -> Iterator[gs.Node]:
    """The nodes of every graph inside `node` (If, Loop, Scan), however deep."""
    for graph in node.subgraphs():
        for inner in graph.nodes:
            yield inner
            yield from nodes_below(inner)


def fresh_name(graph: gs.Graph, wanted: str) -> str:
    """`wanted`, changed as little as needed to be no tensor's name yet."""
    taken = graph.tensors()
    name, count = wanted, 1
    while name in taken:
        count += 1
        name = f"{wanted}_{count}"
    return name


def is_standard(node: gs.Node) -> bool:
    """Whether `node` is one of ONNX's own ops."""
    return node.domain in (None, "", "ai.onnx")
