"""Batches like one before: as many rows of the same call, and nothing new but tensors' values.

Small models take less time than what surrounds them: making arrays of bytes, looking up rules,
checking outputs, making forms of answers. All that depends on calls and shapes alone, so it is done
once, and what is left is to join bytes, run and cut bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from trtserve.contract import Contract
from trtserve.errors import ServeError
from trtserve.request import Call, Form, InferRequest, InferResponse
from trtserve.schedulers.policy import Batch
from trtserve.tensors import Array

MAX_BYTES = 64 * 1024  # of a tensor: a copy of more would cost more than it saves
_MAX_SIZES = 128  # clients choose the rows, and each number of them has memory of its own


class Bound(Protocol):
    """A run of an executor in memory of its own; arrays are C-contiguous. All may raise anything.

    Where runs share that memory, nobody begins one before the one before it has ended.
    """

    inputs: Sequence[Array]
    outputs: Sequence[Array]

    def begin(self) -> None:
        """Begin to compute `outputs` of `inputs`."""

    def passed(self) -> bool:
        """Whether outputs are there."""

    def wait(self) -> None:
        """Wait until they are, with the GIL released."""


# Prepares runs with tensors like those given: inputs and outputs, in their order.
Binder = Callable[[Mapping[str, Array], Mapping[str, Array]], Bound]


class KnownBatch(NamedTuple):
    """How to run batches of one call at one size, which have one output."""

    call: Call
    bound: Bound
    inputs: Sequence[memoryview]  # the bytes of `bound.inputs`
    form: Form
    size: int  # bytes of one answer

    def begin(self, requests: Sequence[InferRequest]) -> None:
        """Raises what the executor raises; then the batch has to be run as any other."""
        for index, whole in enumerate(self.inputs):
            whole[:] = b"".join([request.data[index] for request in requests])
        self.bound.begin()

    def run(self, requests: Sequence[InferRequest]) -> None:
        """Begin, and wait for the end. Raises as `begin` does."""
        self.begin(requests)
        self.bound.wait()

    def answers(self) -> list[InferResponse | ServeError]:
        """The answers of the last run."""
        data, size, form = self.bound.outputs[0].tobytes(), self.size, self.form
        return [InferResponse(form, (data[at : at + size],)) for at in range(0, len(data), size)]


class KnownBatches:
    """The known batches of one instance, one for each number of rows."""

    def __init__(self, contract: Contract, bind: Binder | None) -> None:
        self._contract = contract
        self._bind = bind
        self._batches: dict[int, KnownBatch] = {}
        self._last_calls: dict[int, Call] = {}

    def like(self, batch: Batch) -> KnownBatch | None:
        """How to run `batch`, where it is known."""
        known = self._batches.get(batch.rows)
        return known if known is not None and known.call is batch.call else None

    def end(self) -> None:
        """Know nothing from now on: the engine's outputs depend on more than calls and shapes."""
        self._bind = None
        self._batches.clear()

    def learn(
        self, batch: Batch, inputs: Mapping[str, Array], outputs: Mapping[str, Array],
        answer: InferResponse | ServeError,
    ) -> None:  # fmt: skip
        """A batch has run, and `answer` is the first of its answers.

        The second in a row of one call and size runs once more, as the next ones will: an engine
        may ignore the memory for an output (where that is an input as it is), or make other values
        each time.
        """
        call, bind = batch.call, self._bind
        if bind is None or call is None or isinstance(answer, ServeError):
            return
        if self._last_calls.get(batch.rows) is not call:
            if len(self._last_calls) >= _MAX_SIZES:
                self._last_calls.clear()
                self._batches.clear()
            self._last_calls[batch.rows] = call
            return
        if not self._fits(inputs, outputs):
            return
        try:
            known = _known_batch(batch, call, answer.form, bind(inputs, outputs))
            good = _same_again(known, batch, outputs)
        except Exception:  # the batch itself has run well
            good = False
        if good:
            self._batches[batch.rows] = known
        else:
            self.end()

    def _fits(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> bool:
        contract = self._contract
        rules = [*(contract.inputs[each] for each in inputs),
                 *(contract.outputs[each] for each in outputs)]  # fmt: skip
        return (
            len(outputs) == 1
            and not any(
                rule.dtype in ("BYTES", "BF16") or rule.reshape is not None for rule in rules
            )
            and all(0 < each.nbytes <= MAX_BYTES for each in (*inputs.values(), *outputs.values()))
        )


def _known_batch(batch: Batch, call: Call, form: Form, bound: Bound) -> KnownBatch:
    (output,) = bound.outputs
    views = [_bytes(each).data for each in bound.inputs]
    return KnownBatch(call, bound, views, form, output.nbytes // len(batch.requests))


def _same_again(known: KnownBatch, batch: Batch, outputs: Mapping[str, Array]) -> bool:
    (output,), (found,) = outputs.values(), known.bound.outputs
    np.invert(_bytes(output), out=_bytes(found))  # whatever was there before is no answer
    known.run(batch.requests)
    return bool((_bytes(found) == _bytes(output)).all())


def _bytes(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
