"""The model's process: `python -m trtserve.backends.python.child CHANNEL_FD SIDE_FD`.

Reads messages, runs the model, answers. Ends when the server closes the channel, and at once when
the server has died, so that a long `execute` leaves no orphan.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import select
import socket
import struct
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trtserve.backends.python import wire
from trtserve.backends.python.channel import Channel, PeerGoneError, Received
from trtserve.backends.python.inference import InferenceResponse, TritonError, requests_in
from trtserve.backends.python.logger import Logger, LogLevel
from trtserve.backends.python.model import (
    Encoded,
    Encoder,
    Model,
    ModelError,
    completed_config,
    described,
    encoded_error,
    import_model,
)
from trtserve.polling import Habit
from trtserve.processors import processors

_OWN_FILES = str(Path(__file__).parent) + os.sep
_MAX_LOG_BYTES = 60_000  # a datagram must fit the socket's buffer


class Side:
    """The second socket: log records to the server, and questions it answers at once."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._asking = threading.Lock()

    def log(self, level: LogLevel, file: str, line: int, message: str) -> None:
        """Send a record to the server's log."""
        text = f"{Path(file).name}:{line}] {message}".encode(errors="replace")
        with contextlib.suppress(OSError):  # the server is gone: nobody reads its log
            self._socket.send(wire.LOG + bytes((level,)) + text[:_MAX_LOG_BYTES])

    def is_cancelled(self, index: int) -> bool:
        """Whether the client of a request of the current batch has left."""
        with self._asking:
            self._socket.send(wire.CANCELLED + struct.pack("<I", index))
            return self._socket.recv(1) == b"\1"

    def end_with_server(self) -> None:
        """Wait until the server's end is closed, then end this process, whatever it does."""
        poller = select.poll()
        poller.register(self._socket, 0)  # hang-up alone is always reported
        while not poller.poll():
            pass
        os._exit(1)


class Process:
    """The loop over messages."""

    def __init__(self, channel: Channel, side: Side) -> None:
        self._channel = channel
        self._side = side
        self._encoder = Encoder()
        self._model: Model | None = None
        self._limit_bytes = 0
        self._batch_comes = Habit()
        self._may_stay_awake = processors() >= 2

    def run(self) -> None:
        """Answer messages until the server says finalize or is gone."""
        with contextlib.suppress(PeerGoneError):
            while self._answer():
                pass

    def _answer(self) -> bool:
        now_ns = time.monotonic_ns()
        if self._batch_comes.begins(now_ns) and self._may_stay_awake:
            self._channel.stay_awake(now_ns)
        received = self._channel.receive()
        self._batch_comes.came(time.monotonic_ns())
        if received.kind == wire.EXECUTE:
            in_use = weakref.ref(received.memory)
            kind, used = self._execute(received)
            del received
            # Inputs that the model keeps must not be written over: the server is told.
            self._channel.signal(kind, used, kept=in_use() is not None)
            return True
        answer = ""
        try:
            if received.kind == wire.FINALIZE:
                self._finalize()
            else:
                answer = self._start(received.kind, received.note())
        except BaseException as error:
            self._channel.send_note(wire.FAILED, _text(error))
        else:
            self._channel.send_note(received.kind, answer)
        return received.kind == wire.INITIALIZE

    def _start(self, kind: int, note: str) -> str:
        start = wire.Start.from_json(json.loads(note))
        self._limit_bytes = start.limit_bytes
        module = import_model(Path(start.file))
        if kind == wire.COMPLETE:
            return completed_config(module, start.arguments["model_config"])
        self._model = Model(module, start.arguments)
        gc.collect()
        gc.freeze()  # what the model has loaded need not be looked through at every collection
        return ""

    def _finalize(self) -> None:
        if self._model is not None:
            self._model.finalize()

    def _execute(self, received: Received) -> tuple[int, int]:
        """Run a batch and put its answers into shared memory: what and how much."""
        assert self._model is not None
        try:
            requests = requests_in(received.runs, received.memory, self._side.is_cancelled)
            responses = self._model.execute(requests)
        except BaseException as error:
            return wire.FAILED, self._channel.put_note(_text(error))
        labels = [run.layout.signature.labels for run in received.runs for _ in run.starts]
        answers = [*map(self._encode, responses, labels)]
        return wire.EXECUTE, self._channel.put(self._limited(answers))

    def _encode(self, response: InferenceResponse, wanted: Sequence[str]) -> Encoded:
        try:
            return self._encoder.encode(response, wanted)
        except Exception as error:
            return encoded_error(TritonError(f"cannot send a response: {_text(error)}"))

    def _limited(self, answers: list[Encoded]) -> list[Encoded]:
        """The answers, those that find no room in shared memory as errors."""
        room = self._limit_bytes
        for index, (_, parts) in enumerate(answers):
            size = sum([part.nbytes if type(part) is np.ndarray else len(part) for part in parts])
            if size > room:
                text = f"outputs of {size} bytes exceed the {room} bytes of shared memory left"
                answers[index] = encoded_error(TritonError(text))
            else:
                room -= size
        return answers


def _text(error: BaseException) -> str:
    return str(error) if isinstance(error, ModelError) else described(error, _OWN_FILES)


def main() -> None:
    """Connect to the server by the file descriptors named on the command line."""
    channel_fd, side_fd = map(int, sys.argv[1:3])
    sys.argv = [""]  # as in Triton: models may parse it
    faulthandler.enable()  # a crash in native code says where, on stderr
    side = Side(_socket(side_fd))
    Logger.send = side.log
    threading.Thread(target=side.end_with_server, daemon=True).start()
    Process(Channel(_socket(channel_fd)), side).run()


def _socket(fd: int) -> socket.socket:
    connection = socket.socket(fileno=fd)
    connection.set_inheritable(False)  # programs that the model starts have no business with it
    return connection


if __name__ == "__main__":
    main()
