"""Single ops cut out of an ONNX model, each as a small model of its own. Runs in workers.

Shapes are those of the profile's usual sizes, so every cut-out has fixed shapes. Large weights
are replaced by as many bytes of a fixed pattern: whether an op builds does not depend on them,
and they need not be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import onnx

from trtbuild.artifacts import OnnxModel, Profile
from trtbuild.tensor import DTYPES, dtype_from_onnx

_SMALL_BYTES = 1 << 16  # shapes, axes, scales: values that decide whether an op builds
_LARGEST_BYTES = 1 << 28  # a constant that is larger becomes an input
_PATTERN = b"\x3c"  # 0x3c3c3c3c is fp32 0.0115, 0x3c3c is fp16 1.06 and bf16 0.0115
_CHAIN = 64  # nodes that compute a shape, at most, which are cut out with the op
_INTEGERS = (onnx.TensorProto.INT64, onnx.TensorProto.INT32)
# The data type that makes an op special comes first; an op is named by it.
_PRIORITY = (
    *("string", "fp4e2m1", "fp8e8m0", "fp8e4m3fn", "fp8e5m2", "fp8e4m3fnuz", "fp8e5m2fnuz"),
    *("int4", "uint4", "int2", "uint2", "int8", "uint8", "bf16", "fp16", "fp32", "fp64"),
    *("complex64", "complex128", "int32", "int64", "int16", "uint16", "uint32", "uint64", "bool"),
)
_TYPE_ATTRIBUTES = ("to", "dtype", "output_dtype")


class Kind(NamedTuple):
    """Nodes that differ in names only, for TensorRT the same."""

    op: str  # "com.acme::Foo", "MatMul"
    dtype: str
    indexes: list[int]  # of the nodes


class Graph:
    """An ONNX graph with the type of every tensor."""

    def __init__(self, model: OnnxModel, profile: Profile) -> None:
        self.proto = onnx.load(model.path, load_external_data=False)
        self._directory = str(model.directory)
        self._constants = {tensor.name: tensor for tensor in self.proto.graph.initializer}
        self._types = self._infer(profile)
        self.nodes = list(self.proto.graph.node)
        for node in self.nodes:
            if node.op_type == "Constant" and node.attribute[0].HasField("t"):
                self._constants[node.output[0]] = node.attribute[0].t
        self._producers = {
            name: index for index, node in enumerate(self.nodes) for name in node.output if name
        }

    def _infer(self, profile: Profile) -> dict[str, onnx.TypeProto]:
        """The type of every tensor, from an inference over the model without large constants."""
        light = _without_large_constants(self.proto)
        for value in light.graph.input:
            if sizes := profile.get(value.name):
                for dim, size in zip(value.type.tensor_type.shape.dim, sizes.opt, strict=True):
                    dim.dim_value = size
        for value in [*light.graph.output, *light.graph.value_info]:
            value.type.tensor_type.ClearField("shape")  # names of dims that have a size now
        inferred = onnx.shape_inference.infer_shapes(light, data_prop=True)
        types = {name: _tensor_type(tensor) for name, tensor in self._constants.items()}
        for value in [
            *inferred.graph.value_info,
            *inferred.graph.output,
            *inferred.graph.input,
        ]:
            types.setdefault(value.name, value.type)
        return types

    def kinds(self) -> list[Kind]:
        """The kinds of node, in the order in which they first occur."""
        kinds: dict[bytes, Kind] = {}
        for index, node in enumerate(self.nodes):
            if node.op_type == "Constant":
                continue
            kind = Kind(_op(node), self._dtype(node), [])
            kinds.setdefault(self._signature(node), kind).indexes.append(index)
        return list(kinds.values())

    def _signature(self, node: onnx.NodeProto) -> bytes:
        anonymous = onnx.NodeProto()
        anonymous.CopyFrom(node)
        del anonymous.input[:], anonymous.output[:]
        anonymous.name = anonymous.doc_string = ""
        parts = [anonymous.SerializeToString(deterministic=True)]
        for name in [*node.input, "|", *node.output]:
            tensor = self._types.get(name, onnx.TypeProto()).tensor_type
            rank = len(tensor.shape.dim)
            parts.append(f"{tensor.elem_type}/{rank}/{name in self._constants}".encode())
        return b";".join(parts)

    def _dtype(self, node: onnx.NodeProto) -> str:
        numbers = [
            self._types[name].tensor_type.elem_type
            for name in (*node.input, *node.output)
            if name in self._types
        ]
        names = {row.name for row in map(dtype_from_onnx, numbers) if row is not None}
        return min(names, key=_PRIORITY.index, default="")

    def is_made(self, name: str) -> bool:
        """The tensor is put out by a node."""
        return name in self._producers and name not in self._constants

    @property
    def opset(self) -> int:
        """Of ONNX's own ops."""
        own = (entry for entry in self.proto.opset_import if entry.domain in ("", "ai.onnx"))
        return next((int(entry.version) for entry in own), 1)

    def before_cast(self, name: str) -> str:
        """The tensor that `name` is a copy of in another float type, as --precision makes them.

        It has the name that the model calls it by, which --outputs takes.
        """
        maker = self.nodes[self._producers[name]] if name in self._producers else None
        copied = maker is not None and maker.op_type == "Cast" and "__cast_" in maker.name
        return str(maker.input[0]) if maker is not None and copied else name

    def holds(self, elem_type: int) -> bool:
        """Some tensor of the model has that type (TensorProto.DataType)."""
        return any(kind.tensor_type.elem_type == elem_type for kind in self._types.values())

    def cut_out(self, index: int) -> onnx.ModelProto | None:
        """Node `index` as a model; with it the nodes that compute shapes from other tensors.

        None where the type of what it reads is not known: behind an op that onnx does not know.
        """
        chosen = sorted({index} | self.shape_chain(index))
        nodes = [self.nodes[i] for i in chosen]
        made = {name for node in nodes for name in node.output}
        if any(name not in made and not self._is_known(name) for n in nodes for name in _reads(n)):
            return None
        outputs = [name for name in self.nodes[index].output if name]
        return self._model(nodes, map(self._value, outputs))

    def prefix(self, count: int) -> onnx.ModelProto:
        """The first `count` nodes as a model that puts out all that the rest would use.

        Its inputs are the model's own, with the dims that vary.
        """
        nodes, rest = self.nodes[:count], self.nodes[count:]
        made = {name for node in nodes for name in node.output if name}
        used = {name for node in rest for name in _reads(node)}
        used |= {value.name for value in self.proto.graph.output}
        outputs = [onnx.ValueInfoProto(name=name) for name in sorted(made & used)]
        for output in outputs:
            output.type.tensor_type.elem_type = self._types[output.name].tensor_type.elem_type
        return self._model(nodes, outputs, {value.name: value for value in self.proto.graph.input})

    def shape_chain(self, index: int) -> set[int]:
        """The nodes that compute shapes for node `index`, which `cut_out` takes along."""
        chosen, todo = set[int](), [index]
        while todo and len(chosen) < _CHAIN:
            for name in _reads(self.nodes[todo.pop()]):
                producer = self._producers.get(name)
                if producer is not None and producer not in chosen and self._is_shape(name):
                    chosen.add(producer)
                    todo.append(producer)
        return chosen

    def _is_known(self, name: str) -> bool:
        if name not in self._types:
            return False
        kind = self._types[name]
        if not kind.HasField("tensor_type"):
            return True  # sequences and the like, which the parser refuses by themselves
        tensor = kind.tensor_type
        sized = all(dim.HasField("dim_value") for dim in tensor.shape.dim)
        return tensor.elem_type != 0 and tensor.HasField("shape") and sized

    def _is_shape(self, name: str) -> bool:
        tensor = self._types.get(name, onnx.TypeProto()).tensor_type
        return tensor.elem_type in _INTEGERS and len(tensor.shape.dim) <= 1

    def _model(
        self,
        nodes: list[onnx.NodeProto],
        outputs: Iterable[onnx.ValueInfoProto],
        known: Mapping[str, onnx.ValueInfoProto] = MappingProxyType({}),
    ) -> onnx.ModelProto:
        made = {name for node in nodes for name in node.output}
        read = dict.fromkeys(name for node in nodes for name in _reads(node))
        inputs, constants = [], []
        for name in read:
            if name in made:
                continue
            constant = self._constant(name)
            if constant is None:
                inputs.append(known.get(name) or self._value(name))
            else:
                constants.append(constant)
        graph = onnx.helper.make_graph(nodes, "cut", inputs, list(outputs), constants)
        model = onnx.helper.make_model(graph, opset_imports=list(self.proto.opset_import))
        model.ir_version = self.proto.ir_version
        model.functions.extend(self.proto.functions)
        return model

    def _value(self, name: str) -> onnx.ValueInfoProto:
        value = onnx.ValueInfoProto(name=name)
        if name in self._types:
            value.type.CopyFrom(self._types[name])
        return value

    def _constant(self, name: str) -> onnx.TensorProto | None:
        tensor = self._constants.get(name)
        if tensor is None:
            return None
        size = _size_bytes(tensor)
        if size > _LARGEST_BYTES:
            return None
        small = onnx.TensorProto()
        if size <= _SMALL_BYTES:
            small.CopyFrom(tensor)
            if small.data_location == onnx.TensorProto.EXTERNAL:
                onnx.external_data_helper.load_external_data_for_tensor(small, self._directory)
                small.ClearField("data_location")
                small.ClearField("external_data")
        else:
            small.dims.extend(tensor.dims)
            small.data_type = tensor.data_type
            fill = b"\0" if tensor.data_type in _INTEGERS else _PATTERN
            small.raw_data = fill * size
        small.name = name
        return small


def node_name(node: onnx.NodeProto) -> str:
    """The name TensorRT gives a node: its own, else one made from its first output."""
    return node.name or f"node_of_{node.output[0]}"


def retyped(model: onnx.ModelProto, old: str, new: str) -> onnx.ModelProto:
    """`model` with every tensor of data type `old` made one of `new` (keys of DTYPES)."""
    before, after = DTYPES[old].onnx, DTYPES[new].onnx
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for value in [*changed.graph.input, *changed.graph.output]:
        if value.type.tensor_type.elem_type == before:
            value.type.tensor_type.elem_type = after
    for tensor in changed.graph.initializer:
        _retype_tensor(tensor, before, after)
    for node in changed.graph.node:
        for attribute in node.attribute:
            if attribute.name in _TYPE_ATTRIBUTES and attribute.i == before:
                attribute.i = after
            if attribute.HasField("t"):
                _retype_tensor(attribute.t, before, after)
    return changed


def _retype_tensor(tensor: onnx.TensorProto, before: int, after: int) -> None:
    if tensor.data_type == before:
        array = onnx.numpy_helper.to_array(tensor)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(after)
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(array.astype("float32").astype(dtype), name))


def _op(node: onnx.NodeProto) -> str:
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}::{node.op_type}"


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """The tensors that `node` reads, also those that its subgraphs take from outside."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            inner = {name for other in graph.node for name in other.output}
            inner |= {value.name for value in graph.input}
            inner |= {tensor.name for tensor in graph.initializer}
            for other in graph.node:
                yield from (name for name in _reads(other) if name not in inner)
            yield from (value.name for value in graph.output if value.name not in inner)


def _without_large_constants(proto: onnx.ModelProto) -> onnx.ModelProto:
    """`proto` with the constants over 64 KiB as inputs, whose types are all inference needs."""
    light = onnx.ModelProto(ir_version=max(proto.ir_version, 4))
    light.opset_import.extend(proto.opset_import)
    light.functions.extend(proto.functions)
    graph = light.graph
    graph.name = proto.graph.name
    graph.node.extend(proto.graph.node)
    graph.input.extend(proto.graph.input)
    graph.output.extend(proto.graph.output)
    graph.value_info.extend(proto.graph.value_info)
    declared = {value.name for value in proto.graph.input}
    for tensor in proto.graph.initializer:
        external = tensor.data_location == onnx.TensorProto.EXTERNAL
        if _size_bytes(tensor) <= _SMALL_BYTES and not external:
            graph.initializer.append(tensor)
        elif tensor.name not in declared:
            value = graph.input.add(name=tensor.name)
            value.type.CopyFrom(_tensor_type(tensor))
    return light


def _tensor_type(tensor: onnx.TensorProto) -> onnx.TypeProto:
    return onnx.helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))


def _size_bytes(tensor: onnx.TensorProto) -> int:
    row = dtype_from_onnx(tensor.data_type)
    count = 1
    for dim in tensor.dims:
        count *= dim
    return (count * (row.bits if row else 32) + 7) // 8
