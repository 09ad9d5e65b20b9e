"""One instance of a Python model: batches in, answers out, and a new process when one has died."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trtserve.backends.python import wire
from trtserve.backends.python.channel import Received
from trtserve.backends.python.layout import Part, Run, Signature, Spec
from trtserve.backends.python.process import ModelFailedError, ModelProcess, ProcessEndedError
from trtserve.backends.python.reshape import Reshapes
from trtserve.errors import Kind, ServeError
from trtserve.request import Call, InferRequest, InferResponse, OutputTensor

_log = logging.getLogger("trtserve")
Answer = InferResponse | ServeError

# Of shared memory in each direction; a batch that needs more is split, a request refused.
LIMIT_BYTES = 1 << 31
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 30.0
# Room for a batch's head: some numbers a message, and signatures that are new.
_HEAD_BYTES = 4096
_MAX_SIGNATURES = 1024
# Parameters that say how the server is to treat a request: models are told them otherwise.
_RESERVED = frozenset(
    ("sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "binary_data_output")
)


class PythonModel(NamedTuple):
    """What is to be run."""

    name: str
    version: str
    file: Path  # REPOSITORY/MODEL/VERSION/model.py
    config: str  # inference.ModelConfig as JSON with the proto's field names
    limit_bytes: int = LIMIT_BYTES

    def start(self, instance: str, kind: str = "CPU", device: int = 0) -> wire.Start:
        """What the process of an instance is told; see Triton's `initialize(args)`."""
        arguments = {
            "model_config": self.config,
            "model_instance_kind": kind,
            "model_instance_name": instance,
            "model_instance_device_id": str(device),
            "model_repository": str(self.file.parent.parent),
            "model_version": self.version,
            "model_name": self.name,
        }
        return wire.Start(str(self.file), arguments, self.limit_bytes)


def complete_config(model: PythonModel) -> str:
    """The config (JSON) with what the model's `auto_complete_config` fills in.

    Runs in a process of its own, as in Triton. Raises `ServeError` with the model's error.
    """
    process = ModelProcess(model.name, lambda _: False)
    try:
        return process.start(wire.COMPLETE, model.start(model.name))
    except (ModelFailedError, ProcessEndedError) as error:
        raise _load_error(model.name, error) from None
    finally:
        process.close()


def _load_error(instance: str, error: Exception) -> ServeError:
    if isinstance(error, ProcessEndedError):
        return ServeError(Kind.INTERNAL, f"the process of model instance '{instance}' {error}")
    return ServeError(Kind.INTERNAL, str(error))


class PythonInstance:
    """A model in its process. `execute` and `close` are called from one thread."""

    def __init__(
        self, model: PythonModel, name: str, *, kind: str = "CPU", device: int = 0
    ) -> None:
        """Start and initialize. Raises `ServeError` with the model's error."""
        self.name = name
        self._model = model
        self._start = model.start(name, kind, device)
        self._translator = _Translator(model)
        self._batch: Sequence[InferRequest] = ()
        self._pause_s = 0.0
        self._not_before = 0.0  # monotonic seconds; a model that cannot start is not tried always
        self._process: ModelProcess | None = None
        # When the last batch was in shared memory, and when it came back: monotonic clock.
        self.put_ns = self.returned_ns = 0
        self._revive()

    @property
    def pid(self) -> int | None:
        """The process id of the model, None while there is no process."""
        return None if self._process is None else self._process.pid

    def _is_cancelled(self, index: int) -> bool:
        batch = self._batch
        return index < len(batch) and batch[index].cancelled

    def _revive(self) -> ModelProcess:
        """A process that is initialized: the one there is, else a new one."""
        process = self._process
        if process is not None and not process.ended:
            return process
        if process is not None:
            process.close()
            self._process = None
            _log.warning("'%s': its process has ended, a new one is started", self.name)
        if time.monotonic() < self._not_before:
            raise ServeError(
                Kind.UNAVAILABLE,
                f"model instance '{self.name}' cannot be started; it is tried again shortly",
            )
        process = ModelProcess(self.name, self._is_cancelled)
        try:
            process.start(wire.INITIALIZE, self._start)
        except (ModelFailedError, ProcessEndedError) as error:
            process.close()
            self._pause_s = min(_LONGEST_PAUSE_S, max(_SHORTEST_PAUSE_S, self._pause_s * 2))
            self._not_before = time.monotonic() + self._pause_s
            raise _load_error(self.name, error) from None
        self._pause_s = 0.0
        self._process = process
        return process

    def execute(self, requests: Sequence[InferRequest]) -> list[Answer]:
        """Run a batch; one answer for each request, in order. Never raises for a model's fault."""
        size = sum(len(data) for request in requests for data in request.data)
        if size + _HEAD_BYTES * (len(requests) + 1) > self._model.limit_bytes:
            return self._halves(requests, size)
        self._batch = requests
        try:
            return self._execute(requests)
        except ServeError as error:
            return [error] * len(requests)
        except ModelFailedError as error:
            text = f"Failed to process the request(s) for model '{self.name}', message: {error}"
            return [ServeError(Kind.INTERNAL, text)] * len(requests)
        except ProcessEndedError as error:
            text = f"the process of model instance '{self.name}' {error} while it ran this batch"
            return [ServeError(Kind.UNAVAILABLE, text)] * len(requests)
        finally:
            self._batch = ()

    def _halves(self, requests: Sequence[InferRequest], size: int) -> list[Answer]:
        if len(requests) == 1:
            text = (
                f"a request of {size} bytes exceeds the {self._model.limit_bytes} bytes that a "
                f"Python model shares with the server"
            )
            return [ServeError(Kind.INVALID_ARG, text)]
        middle = len(requests) // 2
        return self.execute(requests[:middle]) + self.execute(requests[middle:])

    def _execute(self, requests: Sequence[InferRequest]) -> list[Answer]:
        messages = self._translator.messages(requests)
        try:
            received = self._run(messages)
        except ProcessEndedError as error:
            if not error.nothing_ran:
                raise
            received = self._run(messages)  # it ended while idle: a new one may run it
        self.returned_ns = time.monotonic_ns()
        return self._translator.answers(received)

    def _run(self, messages: Sequence[tuple[Signature, Sequence[Part]]]) -> Received:
        process = self._revive()
        used = process.put(messages)
        self.put_ns = time.monotonic_ns()
        return process.execute(used)

    def kill(self) -> None:
        """End the process now; a batch under way fails. From any thread."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self, deadline_s: float = 30.0) -> None:
        """Call `finalize` and end the process, by force after `deadline_s`."""
        process, self._process = self._process, None
        if process is not None and not process.ended:
            process.finalize(deadline_s)
        elif process is not None:
            process.close()


class _Translator:
    """Requests to messages, and messages to answers."""

    def __init__(self, model: PythonModel) -> None:
        self._name, self._version = model.name, model.version
        self._signatures: dict[Any, tuple[Signature, Signature]] = {}
        config = json.loads(model.config)
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
        key = (call.inputs, call.outputs)
        found = self._signatures.get(key)
        if found is None:
            if len(self._signatures) > _MAX_SIGNATURES:
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
        data = memoryview(received.memory[: received.used_bytes].copy()).toreadonly()
        answers: list[Answer] = []
        for run in received.runs:
            answers += (
                self._noted(run, data) if run.layout.signature.note else self._plain(run, data)
            )
        return answers

    def _plain(self, run: Run, data: memoryview) -> list[Answer]:
        name, version = self._name, self._version
        if len(run.sizes) == 1 and not self._outputs:  # most models have one output
            ((output, dtype, shape),), (size,) = run.layout.signature.tensors, run.sizes
            return [
                InferResponse(
                    name, version, (OutputTensor(output, dtype, shape, data[at : at + size]),)
                )
                for at in run.starts
            ]
        return [InferResponse(name, version, self._tensors(run, at, data)) for at in run.starts]

    def _noted(self, run: Run, data: memoryview) -> list[Answer]:
        """An error, or outputs with parameters."""
        (start,) = run.starts
        at = start + run.offsets[-1]
        note = bytes(data[at : at + run.sizes[-1]]).decode()
        labels = run.layout.signature.labels
        if labels:
            return [ServeError(Kind[labels[0]], note)]
        outputs = self._tensors(run, start, data)
        return [InferResponse(self._name, self._version, outputs, json.loads(note))]

    def _tensors(self, run: Run, start: int, data: memoryview) -> list[OutputTensor]:
        to_client = self._outputs.to_client
        return [
            OutputTensor(
                name, dtype, to_client(name, shape), data[start + offset : start + offset + size]
            )
            for (name, dtype, shape), offset, size in zip(
                run.layout.signature.tensors, run.offsets, run.sizes, strict=False
            )
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
