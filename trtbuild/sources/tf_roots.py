"""Where TensorFlow begins to run a SavedModel: what it runs at loading, and a signature.

TensorFlow loads two forms. With an object graph (`saved_model/load.py`) it calls functions of the
objects: resources are created and initialized, saveables restored, and any attribute whose name
begins with "_" may stand in for a method of its own. Without one (`load_v1_in_v2.py`) it imports
the graph and runs the saver's restore op and the init ops.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from trtbuild.sources.tf_reach import Library, Reached, reached_in_graph, refuse_ops

_SIGNATURES = "signatures"
# Objects whose attributes nobody calls because of their names: `revived_types` of TensorFlow.
_PLAIN = ("_generic_user_object", "trackable_dict_wrapper", "trackable_list_wrapper")
_SIGNATURE_MAP = "signature_map"
_TRACE = re.compile(r"trace_\d+")  # a function's own children: what it was traced to
_INIT_SIGNATURE = "__saved_model_init_op"
# Collections that a load runs: its init ops, else what `Scaffold.default_local_init_op` gathers.
_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op", "table_initializer")
_INIT_VARIABLES = "local_variables"
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_TABLE_FROM_FILE = ("InitializeTableFromTextFile", "InitializeTableFromTextFileV2")


def refuse_saved_model(saved_model: Any, meta_graph: Any, signature: str, what: str) -> None:
    """Raise `SourceError` where loading `meta_graph` of `saved_model`, or calling `signature`,
    would run ops that do more than compute.
    """
    library = Library(meta_graph.graph_def.library)
    if len(saved_model.meta_graphs) == 1 and meta_graph.HasField("object_graph_def"):
        objects = Objects(meta_graph)
        reached = library.reached_from(objects.functions_run(signature))
        refuse_ops(reached, what, objects.reads_an_asset)
    else:
        graph = Graph(meta_graph, library)
        refuse_ops(graph.reached(signature), what, graph.reads_its_own)


def refuse_graph_load(saved_model: Any, meta_graph: Any, signature: str, what: str) -> None:
    """As `refuse_saved_model`, for TensorFlow 1's loader: it reads the graph, whatever objects are
    there beside it, and runs the saver's restore op and the init ops.
    """
    for each in saved_model.meta_graphs:  # two may have the same tags
        if set(each.meta_info_def.tags) == set(meta_graph.meta_info_def.tags):
            graph = Graph(each, Library(each.graph_def.library))
            refuse_ops(graph.reached(signature), what, graph.reads_its_own)


class _Reference(NamedTuple):
    owner: int  # the node that has it
    name: str


class Objects:
    """The object graph of a SavedModel of TensorFlow 2."""

    def __init__(self, meta_graph: Any) -> None:
        self._meta_graph = meta_graph
        self._nodes = meta_graph.object_graph_def.nodes
        self._references: defaultdict[int, list[_Reference]] = defaultdict(list)
        self._saveable: set[int] = set()
        for index, node in enumerate(self._nodes):
            for child in (*node.children, *node.dependencies):
                self._references[child.node_id].append(_Reference(index, child.local_name))
            for saveable in node.saveable_objects.values():
                self._saveable |= {saveable.save_function, saveable.restore_function}

    def functions_run(self, signature: str) -> set[str]:
        """The functions that a load may call, and those of `signature`."""
        return {
            name
            for index, node in enumerate(self._nodes)
            if not self._left_alone(index, signature, frozenset())
            for name in _functions_of(node)
        }

    def _left_alone(self, index: int, signature: str, of: frozenset[int]) -> bool:
        """Nothing calls this node unasked, and `signature` does not mean it. `of`: the functions
        that it is a trace of.
        """
        return index not in of | self._saveable and all(
            self._is_other_signature(reference, signature)
            or self._is_plain(reference)
            or (
                self._nodes[reference.owner].WhichOneof("kind") == "function"
                and _TRACE.fullmatch(reference.name) is not None
                and self._left_alone(reference.owner, signature, of | {index})
            )
            for reference in self._references[index]
        )

    def _is_other_signature(self, reference: _Reference, signature: str) -> bool:
        return self._is_signatures(reference.owner) and reference.name != signature

    def _is_signatures(self, index: int) -> bool:
        names = {(each.owner, each.name) for each in self._references[index]}
        return (
            names == {(0, _SIGNATURES)}
            and self._nodes[index].user_object.identifier == _SIGNATURE_MAP
        )

    def _is_plain(self, reference: _Reference) -> bool:
        """A public attribute of an object that has no methods of TensorFlow's."""
        owner = self._nodes[reference.owner]
        return (
            owner.user_object.identifier in _PLAIN
            and not owner.registered_name
            and not reference.name.startswith("_")
            and (0, _SIGNATURES) not in self._references[reference.owner]
        )

    def reads_an_asset(self, each: Reached) -> bool:
        """A table is filled from a file of the SavedModel's own, which its function is given."""
        if each.node.op not in _TABLE_FROM_FILE or len(each.node.input) < 2:
            return False
        bound = self._meta_graph.object_graph_def.concrete_functions.get(each.function)
        for function in self._meta_graph.graph_def.library.function:
            if bound is None or function.signature.name != each.function:
                continue
            names = [argument.name for argument in function.signature.input_arg]
            captured = dict(zip(names[::-1], list(bound.bound_inputs)[::-1], strict=False))
            owner = captured.get(each.node.input[1])
            if owner is None or not self._is_own_asset(self._nodes[owner]):
                return False
        return bound is not None

    def _is_own_asset(self, node: Any) -> bool:
        files = self._meta_graph.asset_file_def
        return (
            node.WhichOneof("kind") == "asset"
            and not node.registered_name
            and 0 <= node.asset.asset_file_def_index < len(files)
            and _is_inside(files[node.asset.asset_file_def_index].filename)
        )


def _functions_of(node: Any) -> list[str]:
    return [
        *node.function.concrete_functions,
        *filter(None, [node.bare_concrete_function.concrete_function_name]),
    ]


class Graph:
    """The graph of a SavedModel of TensorFlow 1."""

    def __init__(self, meta_graph: Any, library: Library) -> None:
        self._meta_graph = meta_graph
        self._library = library
        saver = meta_graph.saver_def
        self._restore = [name for name in [saver.restore_op_name] if name]
        self._prefix = _with_port(saver.filename_tensor_name)
        self._assets = {
            _with_port(asset.tensor_info.name)
            for asset in meta_graph.asset_file_def
            if _is_inside(asset.filename)
        }

    def reached(self, signature: str) -> Iterator[Reached]:
        """What a load runs, and what `signature` needs."""
        asked = self._meta_graph.signature_def[signature]
        roots = [
            (list(_tensors(asked.outputs)), list(_tensors(asked.inputs))),
            (list(self._init_ops()), [name.tensor_info.name for name in self._assets_fed()]),
            (self._restore, [self._prefix] if self._prefix else []),
        ]
        for names, fed in roots:
            yield from reached_in_graph(self._meta_graph.graph_def, self._library, names, fed)

    def _assets_fed(self) -> list[Any]:
        return [asset for asset in self._meta_graph.asset_file_def if asset.tensor_info.name]

    def _init_ops(self) -> Iterator[str]:
        from tensorflow.core.framework.variable_pb2 import VariableDef

        signatures, collections = self._meta_graph.signature_def, self._meta_graph.collection_def
        if _INIT_SIGNATURE in signatures:
            yield from _tensors(signatures[_INIT_SIGNATURE].outputs)
        for key in _INIT_COLLECTIONS:
            if key in collections:
                yield from collections[key].node_list.value
        if _INIT_VARIABLES in collections:
            for data in collections[_INIT_VARIABLES].bytes_list.value:
                yield VariableDef.FromString(data).initializer_name

    def reads_its_own(self, each: Reached) -> bool:
        """It restores from the prefix that a load feeds, or fills a table from a file it feeds."""
        inputs = each.node.input
        if not inputs:
            return False
        if each.function:
            return each.node.op == "RestoreV2" and self._is_handed_prefix(each.function, inputs[0])
        if each.node.op == "RestoreV2":
            return bool(self._prefix) and _with_port(inputs[0]) == self._prefix
        return (
            each.node.op in _TABLE_FROM_FILE
            and len(inputs) > 1
            and _with_port(inputs[1]) in self._assets
        )

    def _is_handed_prefix(self, function: str, argument: str) -> bool:
        """Whether all that calls `function` is nodes of the graph that hand it the fed prefix as
        `argument`: TensorFlow 2 restores in a function.
        """
        library = self._meta_graph.graph_def.library.function
        bodies = [body for body in library if body.signature.name == function]
        names = [[each.name for each in body.signature.input_arg] for body in bodies]
        if not self._prefix or not names or not all(argument in each for each in names):
            return False
        inner = [node for body in library for node in body.node_def]
        if any(function in self._library.named_by(node) for node in inner):
            return False
        callers = [
            n for n in self._meta_graph.graph_def.node if function in self._library.named_by(n)
        ]
        return bool(callers) and all(
            node.op in _CALLS
            and node.attr["f"].func.name == function
            and len(node.input) > each.index(argument)
            and _with_port(node.input[each.index(argument)]) == self._prefix
            for node in callers
            for each in names
        )


def _tensors(infos: Any) -> Iterator[str]:
    """The tensors that a signature's map of `TensorInfo` names, sparse and composite ones too."""
    for info in infos.values():
        yield from filter(None, _names_of(info))


def _names_of(info: Any) -> Iterator[str]:
    yield info.name
    sparse = info.coo_sparse
    yield from (
        sparse.values_tensor_name,
        sparse.indices_tensor_name,
        sparse.dense_shape_tensor_name,
    )
    for component in info.composite_tensor.components:
        yield from _names_of(component)


def _with_port(name: str) -> str:
    return name if not name or ":" in name else f"{name}:0"


def _is_inside(filename: str) -> bool:
    path = PurePosixPath(filename)
    return bool(filename) and not path.is_absolute() and ".." not in path.parts
