"""Requests to messages for a model's process, and its messages to answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trtserve.backends.python.channel import Received
from trtserve.backends.python.layout import (
    MAX_SIGNATURES,
    Layout,
    Part,
    Run,
    Signature,
    Spec,
)
from trtserve.backends.python.reshape import Reshapes
from trtserve.errors import Kind, ServeError
from trtserve.request import (
    Buffer,
    Call,
    Form,
    Forms,
    InferRequest,
    InferResponse,
    OutputSpec,
)

Answer = InferResponse | ServeError

# Parameters that say how the server is to treat a request: models are told them otherwise.
_RESERVED = frozenset(
    ("sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "binary_data_output")
)


class Translator:
    """Requests to messages, and messages to answers."""

    def __init__(self, name: str, version: str, config: Mapping[str, Any]) -> None:
        self._forms = Forms(name, version)
        self._last_call: tuple[Call, tuple[Signature, Signature]] | None = None
        self._last_form: tuple[Layout, Form] | None = None
        self._signatures: dict[Any, tuple[Signature, Signature]] = {}
        self._inputs, self._outputs = Reshapes(config, "input"), Reshapes(config, "output")

    def messages(self, requests: Sequence[InferRequest]) -> list[tuple[Signature, Sequence[Part]]]:
        """Each request's signature and data."""
        messages: list[tuple[Signature, Sequence[Part]]] = []
        last: Call | None = None
        for request in requests:
            call = request.call
            if call is not last:
                last = call
                plain, noted = self._signature(call)
                note = _note(call)
            if note:
                messages.append((noted, [*request.data, note]))
            else:
                messages.append((plain, request.data))
        return messages

    def _signature(self, call: Call) -> tuple[Signature, Signature]:
        last = self._last_call
        if last is None or last[0] is not call:
            last = self._last_call = call, self._looked_up(call)
        return last[1]

    def _looked_up(self, call: Call) -> tuple[Signature, Signature]:
        key = (call.inputs, call.outputs)
        found = self._signatures.get(key)
        if found is None:
            if len(self._signatures) > MAX_SIGNATURES:
                self._signatures.clear()
            tensors = tuple(
                Spec(each.name, each.dtype, self._inputs.to_model(each.name, each.shape))
                for each in call.inputs
            )
            labels = tuple(each.name for each in call.outputs)
            found = Signature(tensors, labels), Signature(tensors, labels, note=True)
            self._signatures[key] = found
        return found

    def answers(self, received: Received) -> list[Answer]:
        """One answer for each message. Their data is a copy: the slab is free then."""
        data = memoryview(received.memory[: received.used_bytes].tobytes())
        answers: list[Answer] = []
        for run in received.runs:
            answers += (
                self._noted(run, data) if run.layout.signature.note else self._plain(run, data)
            )
        return answers

    def _plain(self, run: Run, data: memoryview) -> list[Answer]:
        last = self._last_form
        if last is None or last[0] is not run.layout:
            last = self._last_form = run.layout, self._forms.of(self._specs(run))
        form = last[1]
        if len(run.sizes) == 1:  # most models have one output
            (size,) = run.sizes
            return [InferResponse(form, (data[at : at + size],)) for at in run.starts]
        return [InferResponse(form, _parts(run, at, data)) for at in run.starts]

    def _noted(self, run: Run, data: memoryview) -> list[Answer]:
        """An error, or outputs with parameters."""
        (start,) = run.starts
        at = start + run.offsets[-1]
        note = bytes(data[at : at + run.sizes[-1]]).decode()
        labels = run.layout.signature.labels
        if labels:
            return [ServeError(Kind[labels[0]], note)]
        form = self._forms.with_parameters(self._specs(run), json.loads(note))
        return [InferResponse(form, _parts(run, start, data))]

    def _specs(self, run: Run) -> tuple[OutputSpec, ...]:
        to_client = self._outputs.to_client
        return tuple(
            [
                OutputSpec(name, dtype, to_client(name, shape))
                for name, dtype, shape in run.layout.signature.tensors
            ]
        )


def _parts(run: Run, start: int, data: memoryview) -> list[Buffer]:
    """The tensors of the message at `start`, without its note."""
    count = len(run.layout.signature.tensors)
    return [
        data[start + offset : start + offset + size]
        for offset, size in zip(run.offsets[:count], run.sizes[:count], strict=True)
    ]


def _note(call: Call) -> bytes:
    """What a request says besides tensors, as JSON; nothing where it says nothing."""
    parameters: Mapping[str, Any] = call.parameters
    if not (parameters or call.id):
        return b""
    facts = {
        "id": call.id,
        "correlation_id": parameters.get("sequence_id", 0),
        "flags": bool(parameters.get("sequence_start")) | bool(parameters.get("sequence_end")) << 1,
        "timeout": call.timeout_us,
        "parameters": {k: v for k, v in parameters.items() if k not in _RESERVED},
    }
    return json.dumps(facts).encode()
