"""One instance of a Python model: batches in, answers out, and a new process when one has died."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from trtserve.backends.python import wire
from trtserve.backends.python.channel import Received
from trtserve.backends.python.process import ModelFailedError, ModelProcess, ProcessEndedError
from trtserve.backends.python.translation import Answer, Translator
from trtserve.errors import Kind, ServeError
from trtserve.request import InferRequest

_log = logging.getLogger("trtserve")
# Of shared memory in each direction; a batch that needs more is split, a request refused.
LIMIT_BYTES = 1 << 31
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 30.0
# Room for a batch's head: some numbers a message, and signatures that are new.
_HEAD_BYTES = 4096
# Up to here a batch is copied on the event loop's thread: handing it to another and back costs
# about as much. Measured with 602 KB: 1.2 times the requests a second of one client.
_SMALL_BYTES = 1 << 20


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
        self._translator = Translator(model.name, model.version, json.loads(model.config))
        self._batch: Sequence[InferRequest] = ()
        self._pause_s = 0.0
        self._not_before = 0.0  # monotonic seconds; a model that cannot start is not tried always
        self._process: ModelProcess | None = None
        self._received: Received | None = None
        # When the last batch was in shared memory, and when it came back: monotonic clock.
        self.put_ns = self.returned_ns = 0
        self._revive()

    @property
    def pid(self) -> int | None:
        """The process id of the model, None while there is no process."""
        return None if self._process is None else self._process.pid

    @property
    def usable(self) -> bool:
        """Whether there is a process, as far as is known. From any thread."""
        process = self._process
        return process is not None and process.usable

    @property
    def pausing(self) -> bool:
        """Whether it is too early to try a restart that has failed again. From any thread."""
        return time.monotonic() < self._not_before

    def restart(self) -> None:
        """A new process where there is none. Raises `ServeError`; not for the loop's thread."""
        self._revive()

    def _is_cancelled(self, index: int) -> bool:
        batch = self._batch
        return index < len(batch) and batch[index].cancelled

    def _revive(self) -> ModelProcess:
        """A process that is initialized: the one there is, else a new one."""
        process = self._process
        if process is not None and process.usable:
            return process
        if process is not None:
            process.close()
            self._process = None
            _log.warning("'%s': its process has ended, a new one is started", self.name)
        if self.pausing:
            raise ServeError(
                Kind.UNAVAILABLE,
                f"model instance '{self.name}' cannot be started; it is tried again shortly",
            )
        process = ModelProcess(self.name, self._is_cancelled)
        try:
            process.start(wire.INITIALIZE, self._start)
        except BaseException as error:
            process.close()
            self._pause_s = min(_LONGEST_PAUSE_S, max(_SHORTEST_PAUSE_S, self._pause_s * 2))
            self._not_before = time.monotonic() + self._pause_s
            if isinstance(error, ModelFailedError | ProcessEndedError):
                raise _load_error(self.name, error) from None
            raise
        self._pause_s = 0.0
        self._process = process
        return process

    def execute(self, requests: Sequence[InferRequest]) -> list[Answer]:
        """Run a batch; one answer for each request, in order. Never raises for a model's fault."""
        size = _size(requests)
        if size + _HEAD_BYTES * (len(requests) + 1) > self._model.limit_bytes:
            return self._halves(requests, size)
        self._batch = requests
        return self._answered(self._run)

    def _halves(self, requests: Sequence[InferRequest], size: int) -> list[Answer]:
        if len(requests) == 1:
            text = (
                f"a request of {size} bytes exceeds the {self._model.limit_bytes} bytes that a "
                f"Python model shares with the server"
            )
            return [ServeError(Kind.INVALID_ARG, text)]
        middle = len(requests) // 2
        return self.execute(requests[:middle]) + self.execute(requests[middle:])

    def _run(self) -> Received:
        messages = self._translator.messages(self._batch)
        for attempt in (1, 2):
            process = self._revive()
            try:
                process.put(messages)
                self.put_ns = time.monotonic_ns()
                return process.receive()
            except ProcessEndedError as error:
                # One that has ended while idle has run nothing: a new one may run it.
                if not error.nothing_ran or attempt == 2:
                    raise
        raise AssertionError  # the loop ends by return or raise

    def _answered(self, received: Callable[[], Received]) -> list[Answer]:
        """The answers to the batch under way; errors are answers too."""
        try:
            found = received()
            self.returned_ns = time.monotonic_ns()
            return self._answers(found)
        except ServeError as error:
            # Anew: where answers wait for their turn, a traceback would hold the batch's tensors.
            return [ServeError(error.kind, error.message)] * len(self._batch)
        except ProcessEndedError as error:
            text = f"the process of model instance '{self.name}' {error} while it ran this batch"
            return [ServeError(Kind.UNAVAILABLE, text)] * len(self._batch)
        finally:
            self._batch = ()

    def _answers(self, received: Received) -> list[Answer]:
        if received.kind == wire.FAILED:
            text = f"Failed to process the request(s) for model '{self.name}', message: "
            text += received.note()
            _log.error("%s", text)
            return [ServeError(Kind.INTERNAL, text)] * len(self._batch)
        if received.kind != wire.EXECUTE:
            raise ValueError(f"its process sent a message of kind {received.kind}")
        answers = self._translator.answers(received)
        if len(answers) != len(self._batch):
            raise ValueError(f"its process sent {len(answers)} answers to {len(self._batch)}")
        return answers

    # The same in steps that do not block, for an event loop: `begin`, and when `fileno` is
    # readable `finish`. Either may decline: then `execute` or `conclude`, which block.

    @property
    def fileno(self) -> int:
        """What becomes readable when the answers to a batch that was begun are there."""
        assert self._process is not None
        return self._process.fileno

    def begin(self, requests: Sequence[InferRequest]) -> bool:
        """Start a batch if that takes no time: the process is there, the batch small."""
        process = self._process
        if process is None or not process.usable or _size(requests) > _SMALL_BYTES:
            return False
        if not process.try_put(self._translator.messages(requests)):
            return False
        self.put_ns = time.monotonic_ns()
        self._batch = requests
        return True

    def finish(self) -> list[Answer] | None:
        """The answers to the batch that was begun; None: call `conclude` where it may block."""
        assert self._process is not None
        received = self._process.try_receive()
        self.returned_ns = time.monotonic_ns()
        if received is None or received.used_bytes > _SMALL_BYTES:
            self._received = received
            return None
        answers = self._answers(received)
        self._batch = ()
        return answers

    def conclude(self) -> list[Answer]:
        """What `finish` declined: large answers, or the end of the process."""
        return self._answered(self._rest)

    def _rest(self) -> Received:
        received, self._received = self._received, None
        if received is not None:
            return received
        assert self._process is not None
        try:
            return self._process.receive()
        except ProcessEndedError as error:
            if not error.nothing_ran:
                raise
            return self._run()

    def kill(self) -> None:
        """End the process now; a batch under way fails. From any thread."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self, deadline_s: float = 30.0) -> None:
        """Call `finalize` and end the process, by force after `deadline_s`."""
        process, self._process = self._process, None
        if process is not None and process.usable:
            process.finalize(deadline_s)
        elif process is not None:
            process.close()


def _size(requests: Sequence[InferRequest]) -> int:
    return sum([len(data) for request in requests for data in request.data])
