"""A model's process as the server sees it: started, spoken to, watched, ended."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from trtserve.backends.python import wire
from trtserve.backends.python.channel import Channel, PeerGoneError, Received
from trtserve.backends.python.layout import Part, Signature

_log = logging.getLogger("trtserve")
_LEVELS = (logging.INFO, logging.WARNING, logging.ERROR, logging.DEBUG)  # by logger.LogLevel
Messages = Sequence[tuple[Signature, Sequence[Part]]]
_END_S = 5.0  # from the end of a channel to the end of its process


class ProcessEndedError(Exception):
    """The process is gone; the text says how.

    nothing_ran: it went before it could begin with what it was asked last.
    """

    def __init__(self, how: str, *, nothing_ran: bool = False) -> None:
        super().__init__(how)
        self.nothing_ran = nothing_ran


class ModelFailedError(Exception):
    """The model raised, or did what it must not; the text is Triton's."""


class ModelProcess:
    """One process. One thread speaks with it; `kill` and `usable` are for any thread.

    is_cancelled: whether the request at an index of the batch under way has been given up.
    """

    def __init__(self, name: str, is_cancelled: Callable[[int], bool]) -> None:
        self._name = name
        self._is_cancelled = is_cancelled
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._side, their_side = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._gone = threading.Event()
        self._killed = False
        with theirs, their_side:
            fds = (theirs.fileno(), their_side.fileno())
            self._process = subprocess.Popen(
                [sys.executable, "-m", "trtserve.backends.python.child", *map(str, fds)],
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # ctrl-C reaches the server alone, which drains first
            )
        self._channel = Channel(self._connection)
        self._watcher = threading.Thread(target=self._watch, name=f"{name} watch", daemon=True)
        self._watcher.start()

    @property
    def usable(self) -> bool:
        """Whether it may be asked anything: it is not known to be gone, nor was it killed.

        What a killed process had sent before would be taken for the answer to the next batch.
        """
        return not (self._killed or self._gone.is_set())

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def fileno(self) -> int:
        """What becomes readable when it answers."""
        return self._connection.fileno()

    def start(self, kind: int, start: wire.Start) -> str:
        """INITIALIZE or COMPLETE. Raises `ModelFailedError`, `ProcessEndedError`."""
        with self._ending():
            self._channel.send_note(kind, json.dumps(start._asdict()))
            return self._note()

    def _note(self) -> str:
        received = self._channel.receive()
        if received.kind == wire.FAILED:
            raise ModelFailedError(received.note())
        return received.note()

    def put(self, messages: Messages) -> None:
        """Let it run a batch. Raises `ProcessEndedError`."""
        with self._ending():
            self._channel.signal(wire.EXECUTE, self._channel.put(messages))

    def receive(self) -> Received:
        """Wait for the answer to a batch. Raises `ProcessEndedError`."""
        with self._ending():
            return self._channel.receive()

    def try_put(self, messages: Messages) -> bool:
        """As `put`, but false and at once where the process has ended: it has run nothing."""
        try:
            self._channel.signal(wire.EXECUTE, self._channel.put(messages))
        except (PeerGoneError, OSError, ValueError):  # as in `_ending`
            self.kill()
            return False
        return True

    def try_receive(self) -> Received | None:
        """As `receive`, when something is there; None where that is the end: `receive` says how."""
        try:
            return self._channel.receive()
        except PeerGoneError:
            return None

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        try:
            yield
        except PeerGoneError as gone:
            if not self._gone.wait(_END_S):  # it has closed the channel and lives on: useless
                self.kill()
                self._gone.wait()
            raise ProcessEndedError(self._how(), nothing_ran=gone.unread) from None
        except (OSError, ValueError) as error:  # no memory, no file descriptors, a torn message
            self.kill()
            raise ProcessEndedError(f"was ended: {error}") from error

    def _how(self) -> str:
        code = self._process.returncode
        if code < 0:
            return f"was ended by {_signal_name(-code)}"
        return f"ended with exit code {code}"

    def finalize(self, deadline_s: float) -> None:
        """Call the model's `finalize`, then end the process; by force after the deadline."""
        deadline = time.monotonic() + deadline_s
        forced = threading.Timer(deadline_s, self._force)
        forced.daemon = True
        forced.start()
        try:
            with self._ending():
                self._channel.send_note(wire.FINALIZE, "")
                self._note()
            self._gone.wait(max(0.0, deadline - time.monotonic()))
        except ModelFailedError as error:
            _log.error("'%s' failed to finalize: %s", self._name, error)
        except ProcessEndedError as error:
            _log.warning("the process of '%s' %s in finalize", self._name, error)
        finally:
            forced.cancel()
            forced.join()
            self.close()

    def _force(self) -> None:
        _log.warning("'%s' has not finalized in time: its process is killed", self._name)
        self.kill()

    def kill(self) -> None:
        """End the process and all that it has started, whatever they do."""
        self._killed = True
        if not self._gone.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process if it still runs, and free what is held for it."""
        self.kill()
        self._watcher.join()
        self._channel.close()

    # The watching thread: the model's log, its questions, its end.

    def _watch(self) -> None:
        try:
            self._watch_until_ended()
        except Exception:  # unwatched, its end would never be known
            _log.exception("the process of '%s' cannot be watched: it is killed", self._name)
        finally:
            with contextlib.suppress(ProcessLookupError):
                # While it is not yet waited for, its number cannot be another's.
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._side.close()
            self._gone.set()
            with contextlib.suppress(OSError):
                # Whoever forked off the process may hold its end open: wake our reader all the same
                self._connection.shutdown(socket.SHUT_RDWR)

    def _watch_until_ended(self) -> None:
        pidfd = os.pidfd_open(self._process.pid)
        try:
            poller = select.poll()
            poller.register(pidfd, select.POLLIN)
            poller.register(self._side, select.POLLIN)
            while pidfd not in (ready := dict(poller.poll())):
                if not self._serve_side():
                    poller.unregister(self._side)
            while ready and self._serve_side():
                pass
        finally:
            os.close(pidfd)

    def _serve_side(self) -> bool:
        """Serve what the model sent aside; false where nothing is there (any more)."""
        try:
            data = self._side.recv(1 << 16, socket.MSG_DONTWAIT)
            self._serve_record(data)
        except OSError:
            return False
        except Exception:  # the model can reach this socket too
            _log.exception("the process of '%s' sent aside what is no message", self._name)
        return bool(data)

    def _serve_record(self, data: bytes) -> None:
        if data[:1] == wire.LOG:
            _log.log(_LEVELS[data[1]], "%s", data[2:].decode(errors="replace"))
        elif data[:1] == wire.CANCELLED:
            (index,) = struct.unpack_from("<I", data, 1)
            self._side.send(b"\1" if self._is_cancelled(index) else b"\0")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # of the real-time signals, only the first and the last have names
        return f"signal {number}"
