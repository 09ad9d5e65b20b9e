"""Change inputs as --input says: their names, data types and dims.

1. All names known: by name. As many --input as inputs, none at a wrong place: by position,
   which renames. Anything else names the inputs there are.
2. A data type: the input takes it and a Cast gives the graph what it was made for.
3. A dim that varies, given as a number: fixed, wherever that dim's name occurs.
4. A dim that varies, given another name: renamed, wherever it occurs.
5. A fixed dim, given a name: freed, if the graph stays right (see `free_dims`).
6. A fixed dim, given another number: refused.
"""

from __future__ import annotations

import onnx_graphsurgeon as gs

from trtbuild.errors import SurgeryError
from trtbuild.surgery.contract import ContractError, Done, Job, Pass, skipped
from trtbuild.surgery.free_dims import FreeDim, free_dims
from trtbuild.surgery.graph import elem_type, forget_shapes, fresh_name, infer, set_elem_type, text
from trtbuild.tensor import DTYPES, Dim, InputOverride, dtype_from_onnx, shape_text

_FLOATS = {"fp16", "bf16", "fp32", "fp64"}


class OverrideInputs(Pass):
    """See the file's docstring."""

    def apply(self, job: Job) -> Done:
        """Apply every override of the options."""
        if not job.options.overrides:
            return skipped("no --input was given")
        before = [text(tensor) for tensor in job.graph.inputs]
        pairs = _paired(job.graph.inputs, job.options.overrides)
        for tensor, override in pairs:
            _rename(job, tensor, override)
        _set_dims(job, pairs)
        for tensor, override in pairs:
            _set_dtype(job.graph, tensor, override)
        changes = [
            f"{old} -> {new}"
            for old, new in zip(before, map(text, job.graph.inputs), strict=True)
            if old != new
        ]
        return Done(True, "; ".join(changes)) if changes else skipped("the inputs are as asked")

    def ensures(self, job: Job) -> None:
        """Each input is what was asked for."""
        inputs = {tensor.name: tensor for tensor in job.graph.inputs}
        for override in job.options.overrides:
            tensor = inputs[override.name]
            if override.shape is not None and tuple(tensor.shape) != override.shape:
                raise ContractError(f"{text(tensor)} should be {shape_text(override.shape)}")
            if override.dtype and DTYPES[override.dtype].onnx != elem_type(tensor):
                raise ContractError(f"{text(tensor)} should be {override.dtype}")


def _paired(
    inputs: list[gs.Tensor], overrides: tuple[InputOverride, ...]
) -> list[tuple[gs.Tensor, InputOverride]]:
    known = {tensor.name: tensor for tensor in inputs}
    names = [override.name for override in overrides]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SurgeryError(f"--input names '{twice[0]}' twice", "say all of one input at once")
    unknown = [name for name in names if name not in known]
    if not unknown:
        return [(known[override.name], override) for override in overrides]
    if len(overrides) != len(inputs):
        raise SurgeryError(
            f"--input names {', '.join(unknown)}, which the model does not have; "
            f"{_there_are(inputs)}",
            "use the model's names, or give one --input for each, in order, to rename them",
        )
    for tensor, override in zip(inputs, overrides, strict=True):
        if override.name in known and override.name != tensor.name:
            raise SurgeryError(
                f"--input names {', '.join(unknown)}, which the model does not have, and "
                f"'{override.name}' out of its place; {_there_are(inputs)}",
                "to rename inputs, give one --input for each in the model's order",
            )
    return list(zip(inputs, overrides, strict=True))


def _there_are(inputs: list[gs.Tensor]) -> str:
    return f"there are: {'; '.join(text(tensor) for tensor in inputs)}"


def _rename(job: Job, tensor: gs.Tensor, override: InputOverride) -> None:
    if tensor.name == override.name:
        return
    if override.name in job.graph.tensors():
        raise SurgeryError(
            f"the input '{tensor.name}' cannot be called '{override.name}': another tensor has "
            "that name",
            "choose a name that the model does not use",
        )
    job.rename(tensor, override.name)


def _set_dims(job: Job, pairs: list[tuple[gs.Tensor, InputOverride]]) -> None:
    """Cases 3 to 6."""
    meanings: dict[str, Dim] = {}  # a dim's name -> what it is now
    free: list[FreeDim] = []
    for tensor, override in pairs:
        for axis, (old, new) in enumerate(_dims(tensor, override)):
            if isinstance(old, str):
                if meanings.setdefault(old, new) != new:
                    raise SurgeryError(
                        f"--input gives the dim '{old}' as {meanings[old]} and as {new}",
                        "a dim's name means the same size wherever it occurs",
                    )
            elif isinstance(new, str):
                free.append(FreeDim(tensor, axis, new))
            elif old != new:
                raise SurgeryError(
                    f"--input gives dim {axis} of '{tensor.name}' as {new}; in the model it is "
                    f"fixed at {old}: {text(tensor)}",
                    "export the model anew with that size, or leave the dim as it is",
                )
            else:
                job.kept_dims.add((tensor.name, axis))
    _replace_dims(job, {old: new for old, new in meanings.items() if old != new})
    if free and (problem := free_dims(job, free)):
        names = ", ".join(f"dim {dim.axis} of '{dim.tensor.name}'" for dim in free)
        raise SurgeryError(
            f"{names} cannot vary: {problem}", "export the model anew with that dim dynamic"
        )


def _dims(tensor: gs.Tensor, override: InputOverride) -> list[tuple[Dim, Dim]]:
    """Old and new of each dim; nothing where --input says nothing of dims."""
    if override.shape is None:
        return []
    if len(override.shape) != len(tensor.shape):
        raise SurgeryError(
            f"--input gives '{tensor.name}' the shape {shape_text(override.shape)}; the model has "
            f"{text(tensor)}",
            f"give {len(tensor.shape)} dims",
        )
    return list(zip(tensor.shape, override.shape, strict=True))


def _replace_dims(job: Job, meanings: dict[str, Dim]) -> None:
    if not meanings:
        return
    for tensor in job.graph.inputs + job.graph.outputs:
        for axis, dim in enumerate(tensor.shape):
            if dim in meanings:
                tensor.shape[axis] = meanings[dim]
                if isinstance(meanings[dim], int):
                    job.kept_dims.add((tensor.name, axis))
    forget_shapes(job.graph)
    infer(job.graph)


def _set_dtype(graph: gs.Graph, tensor: gs.Tensor, override: InputOverride) -> None:
    """Case 2."""
    old = dtype_from_onnx(elem_type(tensor))
    if override.dtype is None or old is None or override.dtype == old.name:
        return
    if not _can_cast(override.dtype, old.name):
        raise SurgeryError(
            f"--input gives '{tensor.name}' as {override.dtype}; the model takes {old.name}, which "
            f"{override.dtype} values cannot stand for",
            "floats may become other floats or integers, integers other integers",
        )
    inner = gs.Variable(fresh_name(graph, f"{tensor.name}__{old.name}"), old.onnx, tensor.shape)
    for node in list(tensor.outputs):
        node.inputs = [inner if read is tensor else read for read in node.inputs]
    graph.outputs = [inner if output is tensor else output for output in graph.outputs]
    cast = gs.Node("Cast", f"{tensor.name}__cast", {"to": old.onnx}, [tensor], [inner])
    graph.nodes.insert(0, cast)
    set_elem_type(tensor, DTYPES[override.dtype].onnx)


def _can_cast(new: str, old: str) -> bool:
    """Whether values of `new` mean something where the model takes `old`.

    fp64 and the types that TensorRT lacks are no types for an input.
    """
    if new == "fp64" or not DTYPES[new].tensorrt:
        return False
    integers = {name for name in DTYPES if name.startswith(("int", "uint"))}
    return (old in _FLOATS and new in _FLOATS | integers) or (old in integers and new in integers)
