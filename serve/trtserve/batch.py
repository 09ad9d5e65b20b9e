"""Requests to one tensor an input, and one tensor an output back to requests.

Wire bytes are joined, so a batch costs one copy however many requests it has, and a batch of one
request none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from trtserve.contract import Contract, TensorRule, fits
from trtserve.errors import Kind, ServeError
from trtserve.request import InferRequest, InferResponse, OutputTensor
from trtserve.schedulers.policy import Batch
from trtserve.tensors import Array, array_from_wire, shape_text, wire_from_array


class Wanted(NamedTuple):
    """What a batch runs with: inputs by name, and which outputs anybody asked for."""

    inputs: dict[str, Array]
    outputs: Sequence[str]


def gather(batch: Batch, contract: Contract) -> Wanted:
    """The batch's inputs, [rows, ...] each; without a batch dim where the model has none."""
    requests = batch.requests
    first = requests[0].call
    inputs = {}
    for index, each in enumerate(first.inputs):
        if len(requests) == 1:
            data, shape = requests[0].data[index], each.shape
        else:
            data = b"".join(_data(request, index, each.name) for request in requests)
            shape = (batch.rows, *each.shape[1:])
        rule = contract.inputs[each.name]
        array = array_from_wire(data, each.dtype, shape)
        inputs[each.name] = array if rule.reshape is None else _reshaped(array, rule, contract)
    names = dict.fromkeys(
        output.name for call in {id(r.call): r.call for r in requests}.values()
        for output in call.outputs
    )  # fmt: skip
    return Wanted(inputs, list(names))


def _data(request: InferRequest, index: int, name: str):  # type: ignore[no-untyped-def]
    inputs = request.call.inputs
    if inputs[index].name != name:
        index = next(i for i, each in enumerate(inputs) if each.name == name)
    return request.data[index]


def _reshaped(array: Array, rule: TensorRule, contract: Contract) -> Array:
    """An input in the shape the backend sees; -1 takes the variable dims in their order."""
    batch = array.shape[:1] if contract.max_batch_size else ()
    return array.reshape(
        (*batch, *_filled(rule.reshape or (), rule.dims, array.shape[len(batch) :]))
    )


def _filled(target: Sequence[int], dims: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """`target` with each -1 replaced by what `shape` has where `dims` says -1."""
    sizes = iter([size for size, dim in zip(shape, dims, strict=True) if dim < 0])
    return tuple(dim if dim >= 0 else next(sizes) for dim in target)


def scatter(
    batch: Batch, outputs: Mapping[str, Array], contract: Contract, version: str
) -> list[InferResponse | ServeError]:
    """Each request's share of the outputs. Raises `ServeError` where outputs are not as stated."""
    checked = {
        name: _checked(array, contract.outputs[name], contract, batch.rows)
        for name, array in outputs.items()
    }
    if len(batch.requests) == 1:
        return [_response(batch.requests[0], checked, contract, version)]
    wires = {name: _Rows(array, contract.outputs[name].dtype) for name, array in checked.items()}
    answers: list[InferResponse | ServeError] = []
    start = 0
    for request in batch.requests:
        rows = request.call.rows
        answers.append(
            InferResponse(
                contract.name, version,
                [wires[wanted.name].part(wanted.name, start, rows)
                 for wanted in request.call.outputs],
            )
        )  # fmt: skip
        start += rows
    return answers


def _checked(array: Array, rule: TensorRule, contract: Contract, rows: int) -> Array:
    """An output in the shape that clients see."""
    if rule.reshape is not None:
        batch = array.shape[:1] if contract.max_batch_size else ()
        inner = array.shape[len(batch) :]
        array = array.reshape((*batch, *_filled(rule.dims, rule.reshape, inner)))
    dims = (rows, *rule.dims) if contract.max_batch_size else rule.dims
    if not fits(array.shape, dims):
        raise ServeError(
            Kind.INTERNAL,
            f"unexpected shape for output '{rule.name}' of model '{contract.name}': the config "
            f"says {shape_text(dims)}, the model made {shape_text(array.shape)}",
        )
    return array


def _response(
    request: InferRequest, outputs: Mapping[str, Array], contract: Contract, version: str
) -> InferResponse:
    tensors = []
    for wanted in request.call.outputs:
        array, dtype = outputs[wanted.name], contract.outputs[wanted.name].dtype
        data = wire_from_array(array, dtype)
        tensors.append(OutputTensor(wanted.name, dtype, array.shape, data))
    return InferResponse(contract.name, version, tensors)


class _Rows:
    """One output of a batch, cut by rows. BYTES have no fixed row size: encoded row by row."""

    def __init__(self, array: Array, dtype: str) -> None:
        self._array = array
        self._dtype = dtype
        self._inner = array.shape[1:]
        self._row_bytes = 0
        if dtype != "BYTES":
            self._data = memoryview(wire_from_array(array, dtype))
            self._row_bytes = len(self._data) // array.shape[0]

    def part(self, name: str, start: int, rows: int) -> OutputTensor:
        """Rows `start` to `start + rows` as an output tensor."""
        shape = (rows, *self._inner)
        if self._dtype == "BYTES":
            data = wire_from_array(self._array[start : start + rows], self._dtype)
            return OutputTensor(name, self._dtype, shape, data)
        size = self._row_bytes
        return OutputTensor(
            name, self._dtype, shape, self._data[start * size : (start + rows) * size]
        )
