"""External data of an ONNX model, brought beside the exported file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from trtbuild.workers.child import report

if TYPE_CHECKING:
    import onnx


def flat_names(files: tuple[Path, ...], folder: Path, reserved: str) -> dict[str, str]:
    """File names by location as written: an artifact's files lie in one folder, without folders.

    `reserved` is the name of the ONNX file itself.
    """
    names: dict[str, str] = {}
    taken = {reserved}
    for index, file in enumerate(files):
        name = file.name
        while name in taken:
            name = f"{index}_{name}"
        taken.add(name)
        names[file.relative_to(folder).as_posix()] = name
    return names


def rename_locations(model: onnx.ModelProto, names: dict[str, str]) -> bool:
    """Point the model's external tensors to the flat `names`; True: something changed."""
    changed = False
    for tensor in tensors_of(model):
        for entry in tensor.external_data:
            name = names.get(Path(entry.value).as_posix()) if entry.key == "location" else None
            if name is not None and name != entry.value:
                entry.value = name
                changed = True
    return changed


def copy_files(files: tuple[Path, ...], names: dict[str, str], folder: Path, target: Path) -> None:
    """Copy `files` to their flat names in `target`.

    A copy by the kernel: a hard link would let the file's owner, who writes it anew in place,
    change what is in the store and in the repository.
    """
    for index, file in enumerate(files):
        report("export", f"copy {file.name}", index, len(files))
        shutil.copyfile(file, target / names[file.relative_to(folder).as_posix()])


def tensors_of(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor in `model`: weights, constants of nodes, those of inner graphs and functions."""
    yield from _tensors_of_graph(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from _tensors_of_node(node)


def _tensors_of_graph(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _tensors_of_node(node)


def _tensors_of_node(node: onnx.NodeProto) -> Iterator[onnx.TensorProto]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        if attribute.HasField("g"):
            yield from _tensors_of_graph(attribute.g)
        for graph in attribute.graphs:
            yield from _tensors_of_graph(graph)
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)
