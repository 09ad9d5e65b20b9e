"""A config's tensors beside the model's: fill what is absent, refuse what does not fit.

Auto-complete follows Triton's ONNX Runtime backend (onnxruntime.cc, AutoCompleteConfig): a model
is batchable if every input and output has an open first dim.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import onnxruntime

from trtbuild.errors import UsageError
from trtbuild.tensor import DType, dtype_from_text
from trtserve.errors import invalid

_DEFAULT_MAX_BATCH = 4  # Triton's --backend-config=default-max-batch-size
_TENSOR = re.compile(r"tensor\((\w+)\)")


def dtype_of(argument: Any) -> DType:
    """The data type of an input or output of a session. Raises `ServeError`."""
    row = _row(argument)
    if row is None:
        raise invalid(f"'{argument.name}' is a {argument.type}, which cannot be served")
    return row


def dtypes_of(arguments: Iterable[Any]) -> dict[str, DType]:
    """Data types by name; without those that cannot be served (sequences, maps)."""
    return {each.name: row for each in arguments if (row := _row(each)) is not None}


def _row(argument: Any) -> DType | None:
    found = _TENSOR.fullmatch(argument.type)
    try:
        row = dtype_from_text(found[1]) if found else None
    except UsageError:
        return None
    return row if row is not None and row.triton else None


def complete(config: Any, session: onnxruntime.InferenceSession) -> None:
    """Fill inputs, outputs and batching from the model, where the config lists none."""
    if config.input and config.output:
        return
    batchable = has_batch_dim(session)
    if config.max_batch_size > 0 and not batchable:
        raise invalid(
            f"autofill failed for model '{config.name}': model does not support batching while "
            "non-zero max_batch_size is specified"
        )
    if batchable and config.max_batch_size == 0:
        config.max_batch_size = _DEFAULT_MAX_BATCH
    if config.max_batch_size > 1 and config.WhichOneof("scheduling_choice") is None:
        config.dynamic_batching.SetInParent()
    batching = config.max_batch_size > 0
    if not config.input:
        for each in session.get_inputs():
            _describe(config.input.add(), each, batching=batching)
    if not config.output:
        for each in session.get_outputs():
            _describe(config.output.add(), each, batching=batching)


def has_batch_dim(session: onnxruntime.InferenceSession) -> bool:
    """Every input and output has an open first dim."""
    tensors = [*session.get_inputs(), *session.get_outputs()]
    return all(each.shape and not _fixed(each.shape[0]) for each in tensors)


def _fixed(dim: Any) -> bool:
    return isinstance(dim, int) and dim >= 0


def _describe(tensor: Any, argument: Any, *, batching: bool) -> None:
    tensor.name = argument.name
    numbers = tensor.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_name
    tensor.data_type = numbers[dtype_of(argument).triton].number
    dims = [dim if _fixed(dim) else -1 for dim in argument.shape][1 if batching else 0 :]
    tensor.dims.extend(dims or [1])
    if not dims and batching:
        tensor.reshape.SetInParent()


def check(config: Any, session: onnxruntime.InferenceSession) -> None:
    """The config's tensors are the model's, in type and rank. Raises `ServeError`."""
    for kind, stated, found in (
        ("input", config.input, session.get_inputs()),
        ("output", config.output, session.get_outputs()),
    ):
        by_name = {each.name: each for each in found}
        for tensor in stated:
            argument = by_name.get(tensor.name)
            if argument is None:
                raise invalid(
                    f"unexpected inference {kind} '{tensor.name}', allowed {kind}s are: "
                    + ", ".join(by_name)
                )
            _check_tensor(kind, tensor, argument, batching=config.max_batch_size > 0)
        if kind == "input" and (missing := set(by_name) - {each.name for each in stated}):
            raise invalid(f"the model's input '{min(missing)}' is not in the config")


def _check_tensor(kind: str, tensor: Any, argument: Any, *, batching: bool) -> None:
    names = tensor.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    stated = names[tensor.data_type].name
    if stated != dtype_of(argument).triton:
        raise invalid(
            f"{kind} '{tensor.name}' is {stated} in the config, the model says "
            f"{dtype_of(argument).triton}"
        )
    dims = list(tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims)
    full = [-1, *dims] if batching else dims
    scalar = not argument.shape and dims == [1]
    fits = len(full) == len(argument.shape) and all(
        dim < 0 or not _fixed(found) or dim == found
        for dim, found in zip(full, argument.shape, strict=True)
    )
    if not fits and not scalar:
        raise invalid(
            f"{kind} '{tensor.name}' has the shape {full} by the config (max_batch_size adds the "
            f"first dim), the model says {argument.shape}"
        )
