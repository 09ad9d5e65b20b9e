"""A server as a process: its event loop, its signals, its exit code."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from trtbuild.errors import TrtbuildError
from trtserve import memory
from trtserve.endpoints import Endpoints
from trtserve.server import Server
from trtserve.settings import Settings

_log = logging.getLogger("trtserve")
# Instances' threads ask for the GIL while the loop's thread holds it: at Python's default of 5 ms
# a small model's batch would wait longer than it runs.
_SWITCH_INTERVAL_S = 0.0005
# `timeout`, and launchers that get the terminal's ctrl-C too, send the same signal twice at once.
_ONE_WISH_S = 0.25
# Beyond the exit timeout: Python models may take 30 s for their `finalize`.
_AT_LAST_S = 45.0
_OTHER_FILES = 1024  # than connections: models, their processes, the log
GPU_LOST = 5  # the exit code of a server whose GPU has faulted: a new one can use it


class _Signals:
    """SIGTERM and SIGINT: the first asks for the end, a later one forces it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, endpoints: Endpoints, exit_timeout_s: float
    ) -> None:
        self._loop = loop
        self._exit_timeout_s = exit_timeout_s
        self._asked_at = 0.0
        self._endpoints = endpoints
        self.code = 0  # of a process that ended before it had begun
        self.ending = asyncio.Event()
        self.forced = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        if not self.ending.is_set():
            self._asked_at = self._loop.time()
            _end_at_last(self._exit_timeout_s + _AT_LAST_S)
            self.end(128 + number)
        elif self._loop.time() - self._asked_at > _ONE_WISH_S:
            self.forced.set()

    def end(self, code: int) -> None:
        """Begin the end; `code`: of a process that ended before it had begun."""
        self.code = code
        self.ending.set()
        self._endpoints.end()


async def _end_with_the_gpu(server: Server, signals: _Signals) -> None:
    await server.lost_gpu.wait()
    if not signals.ending.is_set():
        _log.error("ending with %d: start the server again (--gpu-fault stay goes on)", GPU_LOST)
        signals.end(GPU_LOST)


async def _unless(event: asyncio.Event, work: asyncio.Task[Any]) -> bool:
    """Wait for `work`. False: `event` came first, and `work` goes on."""
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait((work, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return work.done()


async def serve(settings: Settings) -> int:
    """Run a server until SIGTERM or SIGINT; a second one forces the end. Returns the exit code."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    loop = asyncio.get_running_loop()
    server = Server(settings)
    signals = _Signals(loop, server.endpoints, settings.exit_timeout_s)
    start = loop.create_task(server.start())
    if settings.gpu_fault == "exit":
        server.watchers.append(loop.create_task(_end_with_the_gpu(server, signals)))
    if not await _unless(signals.ending, start):
        _log.warning("ending before the models were loaded")
        return signals.code
    try:
        start.result()
    except TrtbuildError:
        await server.stop(0)
        raise
    await signals.ending.wait()
    _log.info("ending: waiting up to %g s for requests under way", settings.exit_timeout_s)
    stop = loop.create_task(server.stop(settings.exit_timeout_s))
    if not await _unless(signals.forced, stop):
        _log.warning("ending at once: a second signal came")
        return 1
    if not stop.result():
        _log.warning("not everything has ended in time: it is cut off")
        return 1
    return GPU_LOST if server.lost_gpu.is_set() else 0


def _allow_open_files(settings: Settings) -> Settings:
    """Have the system grant the files that connections are; fewer connections where it does not.

    Where none is left, no connection is accepted, whosever the others are.
    """
    if sys.platform == "win32":
        return settings
    import resource

    wanted = settings.max_connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    granted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    granted = max(soft, granted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    left = max(granted // 2, granted - _OTHER_FILES)
    return msgspec.structs.replace(settings, max_connections=min(settings.max_connections, left))


def run(settings: Settings) -> int:
    """Run a server in this thread, on uvloop where it is installed. Returns the exit code."""
    settings = _allow_open_files(settings)
    memory.keep_freed()
    if importlib.util.find_spec("uvloop"):
        import uvloop

        code = uvloop.run(serve(settings))
    else:
        code = asyncio.run(serve(settings))
    if code:
        _kill_children()
        # Instances are still computing in native code, which must not see the interpreter go.
        logging.shutdown()
        os._exit(code)
    return code


def _end_at_last(seconds: float) -> None:
    """End this process after `seconds`, whatever holds its event loop or its exit up by then."""

    def end() -> None:
        time.sleep(seconds)
        _log.error("ending at once: something held the end up for %g s", seconds)
        _kill_children()
        os._exit(1)

    threading.Thread(target=end, name="end at last", daemon=True).start()


def _kill_children() -> None:
    """Models' processes may be stuck in what they run: they must not outlive a server cut off.

    Each leads a session of its own (see `backends.python.process`).
    """
    ours = str(os.getpid())
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):  # it has ended meanwhile
            # PID (NAME) STATE PARENT ...: a name may hold anything (proc_pid_stat(5)).
            if stat.read_text(errors="replace").rpartition(")")[2].split()[1] == ours:
                os.killpg(int(stat.parent.name), signal.SIGKILL)
