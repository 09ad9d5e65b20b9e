"""The HTTP/2 connection, with the `h2` library as the judge of what goes over the wire."""

from __future__ import annotations

import h2.config
import h2.connection
import h2.events
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trtserve.protocols import http2_frames as frames

from tests.serve.protocols.echo import (
    HEADERS,
    REQUEST,
    Pair,
    goaway_code,
)


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_requests_are_answered_however_they_are_torn(piece: int) -> None:
    pair = Pair(piece)
    for body in (b"hello", b"x" * 20_000, b"y"):
        stream = pair.request(body)
        assert pair.received(stream) == body
    trailers = pair.of(h2.events.TrailersReceived)
    assert [(bytes(n), bytes(v)) for n, v in trailers[0].headers] == [(b"grpc-status", b"0")]
    assert len(pair.of(h2.events.StreamEnded)) == 3
    assert not pair.server.streams
    assert pair.echo.calls[0].headers[b":path"] == b"/x"


def test_large_bodies_go_through_small_windows() -> None:
    pair = Pair()
    body = bytes(range(256)) * 5000  # more than the client's window of 65,535
    pair.client.send_headers(1, REQUEST)
    pair.client.send_data(1, b"", end_stream=False)
    pair.carry()
    stream = 1
    left = body
    while left:
        pair.carry()
        size = min(pair.client.local_flow_control_window(1), len(left), 1 << 14)
        pair.client.send_data(1, left[:size])
        left = left[size:]
    pair.client.end_stream(1)
    pair.carry()
    while len(pair.received(stream)) < len(body):
        before = len(pair.received(stream))
        pair.client.increment_flow_control_window(30_000)
        pair.client.increment_flow_control_window(30_000, stream)
        pair.carry()
        assert len(pair.received(stream)) > before
    assert pair.received(stream) == body
    assert pair.of(h2.events.StreamEnded)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 70_000)), max_size=12))
def test_any_interleaving_of_streams(steps: list[tuple[int, int]]) -> None:
    pair = Pair()
    streams = [1, 3, 5, 7]
    sent = dict.fromkeys(streams, b"")
    for stream in streams:
        pair.client.send_headers(stream, REQUEST)
    pair.carry()
    for index, size in steps:
        stream = streams[index]
        for start in range(0, size, 1 << 14):
            part = bytes([stream]) * min(size - start, 1 << 14)
            pair.client.send_data(stream, part)
            sent[stream] += part
        pair.carry()
    for stream in streams:
        pair.client.end_stream(stream)
    pair.carry()
    for _ in range(40):
        pair.client.increment_flow_control_window(200_000)
        for stream in streams:
            if stream in pair.client.streams and not pair.client.streams[stream].closed:
                pair.client.increment_flow_control_window(200_000, stream)
        pair.carry()
        if all(len(pair.received(stream)) == len(sent[stream]) for stream in streams):
            break
    assert {stream: pair.received(stream) for stream in streams} == sent


def test_settings_change_the_windows_of_open_streams() -> None:
    pair = Pair()
    pair.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10})
    pair.carry()
    stream = pair.request(b"a" * 100)
    assert pair.received(stream) == b"a" * 10
    pair.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1000})
    pair.carry()
    assert pair.received(stream) == b"a" * 100


def test_a_reset_reaches_the_receiver_and_frees_the_stream() -> None:
    pair = Pair()
    pair.client.send_headers(1, REQUEST)
    pair.carry()
    pair.client.reset_stream(1)
    pair.carry()
    assert pair.echo.calls[0].was_reset
    assert not pair.server.streams


def test_an_early_answer_tells_the_client_to_stop() -> None:
    pair = Pair()
    pair.client.send_headers(1, REQUEST)
    pair.carry()
    pair.echo.calls[0].stream.send_headers(HEADERS, end=True)
    pair.carry()
    assert pair.of(h2.events.StreamReset)[0].error_code == frames.NO_ERROR


def test_drain_answers_what_is_open_and_then_closes() -> None:
    pair = Pair()
    pair.client.send_headers(1, REQUEST)
    pair.carry()
    pair.server.drain()
    closing_early = pair.server.closing
    pair.client.end_stream(1)
    pair.server.receive(pair.client.data_to_send(), 0)
    assert (closing_early, pair.server.closing) == (False, True)
    assert goaway_code(pair.server) == frames.NO_ERROR
