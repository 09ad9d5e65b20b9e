"""Questions without end whose answers nobody lets through (of the kind of CVE-2019-9517)."""

from __future__ import annotations

import struct

import pytest
from hpack import Encoder
from trtserve import grpc_extras
from trtserve.protocols import http2_frames as frames
from trtserve.protocols.budget import Budget
from trtserve.protocols.grpc import GrpcApplication, GrpcCall, Method
from trtserve.protocols.http2 import Http2Connection
from trtserve.protocols.http2_frames import frame

from tests.serve.conftest import Running
from tests.serve.sockets.wire import GrpcCalls, connect, framed, goes_on

pytestmark = pytest.mark.usefixtures("no_traceback")
_REFLECTION = b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
BLOCK = Encoder().encode([
    (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/ask"), (b":authority", b"a"),
    (b"content-type", b"application/grpc"), (b"te", b"trailers")])  # fmt: skip


class Asked:
    """Answers each message with `size` bytes."""

    def __init__(self, call: GrpcCall, size: int) -> None:
        self._call, self._size = call, size
        self.was_reset = False
        call.start()

    def message(self, _data: memoryview) -> None:
        self._call.send(bytes(self._size))

    def end(self) -> None:
        self._call.finish()

    def reset(self) -> None:
        self.was_reset = True


class Flooded:
    """A server with one open call whose client has the window 0."""

    def __init__(self, size: int, budget: Budget | None = None) -> None:
        self.calls: list[Asked] = []
        methods = {b"/ask": Method(stream=lambda call: self._open(call, size))}
        self.server = Http2Connection(GrpcApplication(methods, 1 << 20, budget))
        window = frame(frames.SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
        opened = frame(frames.HEADERS, frames.END_HEADERS, 1, BLOCK)
        self.server.receive(frames.PREFACE + window + opened, 0.0)

    def _open(self, call: GrpcCall, size: int) -> Asked:
        self.calls.append(Asked(call, size))
        return self.calls[-1]

    def ask(self, times: int = 1) -> None:
        self.server.receive(frame(frames.DATA, 0, 1, framed(b"x")) * times, 0.0)

    @property
    def reset_code(self) -> int | None:
        out = b"".join(map(bytes, self.server.out))
        at = out.find(frame(frames.RST_STREAM, 0, 1, b"1234")[:9])
        return None if at < 0 else int.from_bytes(out[at + 9 : at + 13], "big")


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_a_call_that_lets_no_answer_through_is_cut_off(size: int) -> None:
    flooded = Flooded(size)
    most = 0
    for _ in range(100):
        flooded.ask(200)
        most = max(most, flooded.server.unsent_bytes)
    assert most < 6 << 20
    assert flooded.reset_code == frames.ENHANCE_YOUR_CALM
    assert (flooded.server.unsent_bytes, flooded.calls[0].was_reset) == (0, True)
    assert not flooded.server.closing


def test_nothing_piles_up_where_the_budget_is_full() -> None:
    budget = Budget(1000)
    flooded = Flooded(100, budget)
    flooded.ask()
    assert flooded.server.unsent_bytes == 105
    budget.take_anyway(1000)
    flooded.ask()
    assert flooded.reset_code == frames.ENHANCE_YOUR_CALM


def test_more_answers_are_no_progress() -> None:
    """A question a second kept the call alive: what was to be sent had changed."""
    flooded = Flooded(20_000)
    for second in range(61):
        flooded.ask()
        flooded.server.reset_stalled(float(second), 60.0)
        assert flooded.server.streams
    flooded.server.reset_stalled(62.0, 60.0)
    assert not flooded.server.streams


def test_reflection_is_no_way_to_fill_the_memory(served: Running) -> None:
    request = grpc_extras._class(
        grpc_extras._reflection("grpc.reflection.v1"), "ServerReflectionRequest"
    )(file_containing_symbol="inference.GRPCInferenceService")
    with GrpcCalls(connect(served, "grpc"), windows=False) as calls:
        calls.http2.update_settings({4: 0})  # SETTINGS_INITIAL_WINDOW_SIZE
        stream = calls.begin(path=_REFLECTION)
        question = framed(request.SerializeToString()) * 20
        for _ in range(50):
            if stream in calls.resets:
                break
            calls.send(stream, question, end=False)
            calls.settle()
            held = served.call(lambda: served.server.connections.budget.used_bytes)
            assert held < 16 << 20
        assert calls.resets[stream] == frames.ENHANCE_YOUR_CALM
    goes_on(served)
