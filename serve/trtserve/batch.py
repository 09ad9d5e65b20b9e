"""Requests to one tensor an input, and one tensor an output back to requests.

Wire bytes are joined, so a batch costs one copy however many requests it has, and a batch of one
request none. Where the backend has a place for them (memory that a GPU copies from), they are
joined there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from trtserve.contract import Contract, TensorRule, fits
from trtserve.errors import Kind, ServeError
from trtserve.joining import join_into
from trtserve.request import Buffer, Call, Forms, InferRequest, InferResponse, OutputSpec
from trtserve.schedulers.policy import Batch
from trtserve.tensors import COPY_BYTES, NUMPY, Array, array_from_wire, shape_text, wire_from_array

Room = Callable[[int], Array]  # bytes -> writable uint8 [bytes]


class Wanted(NamedTuple):
    """What a batch runs with: inputs by name, and which outputs anybody asked for."""

    inputs: dict[str, Array]
    outputs: Sequence[str]


def gather(batch: Batch, contract: Contract, room: Room | None = None) -> Wanted:
    """The batch's inputs, [rows, ...] each; without a batch dim where the model has none.

    room: where the bytes of several requests are to be joined; BYTES never are.
    """
    requests = batch.requests
    first = requests[0].call
    inputs = {}
    for index, each in enumerate(first.inputs):
        if batch.call is None:
            parts = [_data(request, index, each.name) for request in requests]
        else:
            parts = [request.data[index] for request in requests]
        shape = each.shape if len(parts) == 1 else (batch.rows, *each.shape[1:])
        data = _joined(parts, None if each.dtype == "BYTES" else room)
        rule = contract.inputs[each.name]
        array = array_from_wire(data, each.dtype, shape)
        inputs[each.name] = array if rule.reshape is None else _reshaped(array, rule, contract)
    return Wanted(inputs, first.wanted if batch.call is not None else _outputs(requests))


def _outputs(requests: Sequence[InferRequest]) -> Sequence[str]:
    """The outputs that any of the requests asks for; nearly always all ask for the same."""
    first = requests[0].call.wanted
    if len({request.call.wanted for request in requests}) == 1:
        return first
    return list(dict.fromkeys(name for request in requests for name in request.call.wanted))


def _joined(parts: Sequence[Buffer], room: Room | None) -> Buffer:
    if len(parts) == 1:
        return parts[0]  # for a GPU too: its driver fetches it faster than it could be copied
    if room is None:
        return b"".join(parts)
    whole = room(sum(map(len, parts)))
    join_into(whole, parts)
    return whole.data


def _data(request: InferRequest, index: int, name: str) -> Buffer:
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
    batch: Batch, outputs: Mapping[str, Array], contract: Contract, forms: Forms
) -> list[InferResponse | ServeError]:
    """Each request's share of the outputs. Raises `ServeError` where outputs are not as stated."""
    checked = {
        name: _checked(array, contract.outputs[name], contract, batch.rows)
        for name, array in outputs.items()
    }
    if len(batch.requests) == 1:
        return [_response(batch.requests[0].call, checked, contract, forms)]
    wires = {name: _Rows(array, contract.outputs[name]) for name, array in checked.items()}
    answers: list[InferResponse | ServeError] = []
    start = 0
    for request in batch.requests:
        call = request.call
        form = forms.of(tuple([wires[name].spec(call.rows) for name in call.wanted]))
        data = [wires[name].part(start, call.rows) for name in call.wanted]
        answers.append(InferResponse(form, data))
        start += call.rows
    return answers


def _checked(array: Array, rule: TensorRule, contract: Contract, rows: int) -> Array:
    """An output in the shape that clients see."""
    if rule.reshape is not None:
        batch = array.shape[:1] if contract.max_batch_size else ()
        inner = array.shape[len(batch) :]
        array = array.reshape((*batch, *_filled(rule.dims, rule.reshape, inner)))
    if rule.dtype != "BYTES" and array.dtype != NUMPY[rule.dtype]:
        raise ServeError(
            Kind.INTERNAL,
            f"unexpected data type for output '{rule.name}' of model '{contract.name}': the config "
            f"says {rule.dtype}, the model made {array.dtype}",
        )
    dims = (rows, *rule.dims) if contract.max_batch_size else rule.dims
    if array.shape != dims and not fits(array.shape, dims):
        raise ServeError(
            Kind.INTERNAL,
            f"unexpected shape for output '{rule.name}' of model '{contract.name}': the config "
            f"says {shape_text(dims)}, the model made {shape_text(array.shape)}",
        )
    return array


def _response(
    call: Call, outputs: Mapping[str, Array], contract: Contract, forms: Forms
) -> InferResponse:
    specs, data = [], []
    for name in call.wanted:
        array, dtype = outputs[name], contract.outputs[name].dtype
        specs.append(OutputSpec(name, dtype, array.shape))
        data.append(wire_from_array(array, dtype))
    return InferResponse(forms.of(tuple(specs)), data)


class _Rows:
    """One output of a batch, cut by rows. BYTES have no fixed row size: encoded row by row."""

    def __init__(self, array: Array, rule: TensorRule) -> None:
        self._array = array
        self._rule = rule
        if rule.dtype != "BYTES":
            data = wire_from_array(array, rule.dtype)
            self._row_bytes = len(data) // array.shape[0]
            # Where rows are small, copies of them cost less than views do.
            self._data = bytes(data) if self._row_bytes <= COPY_BYTES else memoryview(data)

    def spec(self, rows: int) -> OutputSpec:
        """The output of a request of so many rows."""
        return OutputSpec(self._rule.name, self._rule.dtype, (rows, *self._array.shape[1:]))

    def part(self, start: int, rows: int) -> Buffer:
        """Rows `start` to `start + rows`."""
        if self._rule.dtype == "BYTES":
            return wire_from_array(self._array[start : start + rows], "BYTES")
        size = self._row_bytes
        return self._data[start * size : (start + rows) * size]
