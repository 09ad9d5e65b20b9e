"""Any legal conversation: an `h2` client does what it may, in any order and torn anywhere."""

from __future__ import annotations

from typing import Any

import h2.config
import h2.connection
import h2.events
from h2.settings import SettingCodes
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from trtserve.protocols.http2 import Http2Connection

from tests.serve.protocols.echo import REQUEST, Echo

bodies = st.integers(0, 30_000)


class Conversation(RuleBasedStateMachine):
    """What was sent comes back, each stream ends once, and nobody is at fault."""

    def __init__(self) -> None:
        super().__init__()
        self.echo = Echo()
        self.server = Http2Connection(self.echo)
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.client.initiate_connection()
        self.piece = 1 << 20
        self.now = 0.0
        self.open: dict[int, bytes] = {}  # stream -> what was sent
        self.waiting: dict[int, bytes] = {}  # ended by the client, not yet by the server
        self.given_up: set[int] = set()
        self.received: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.carry()

    def carry(self) -> None:
        """Both ways, until neither has more to say."""
        self.now += 0.01
        while True:
            data = self.client.data_to_send()
            for start in range(0, len(data), self.piece):
                self.server.receive(data[start : start + self.piece], self.now)
            out, self.server.out = self.server.out, []
            if not data and not out:
                return
            for event in self.client.receive_data(b"".join(map(bytes, out))):
                self.take(event)

    def take(self, event: Any) -> None:
        if isinstance(event, h2.events.DataReceived):
            self.received[event.stream_id] += event.data
        elif isinstance(event, h2.events.StreamEnded):
            assert event.stream_id not in self.ended
            self.ended.add(event.stream_id)
            assert self.received[event.stream_id] == self.waiting.pop(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            raise AssertionError(f"the server reset {event.stream_id}: {event.error_code}")

    @precondition(lambda self: len(self.open) < 6)
    @rule(length=st.none() | st.integers(0, 9), priority=st.booleans(), table=st.booleans())
    def begin(self, length: int | None, priority: bool, table: bool) -> None:
        stream = self.client.get_next_available_stream_id()
        headers = [*REQUEST, ("name", str(stream % 5)) if table else ("te", "trailers")]
        if length is not None:
            headers.append(("content-length", str(length)))
        self.client.send_headers(stream, headers, priority_weight=7 if priority else None)
        self.open[stream], self.received[stream] = b"", b""
        if length is not None:
            self.client.send_data(stream, b"l" * length, end_stream=True)
            self.open.pop(stream)
            self.waiting[stream] = b"l" * length
        self.carry()

    @precondition(lambda self: self.open)
    @rule(data=st.data(), size=bodies, padding=st.none() | st.integers(0, 255))
    def send(self, data: st.DataObject, size: int, padding: int | None) -> None:
        stream = data.draw(st.sampled_from(sorted(self.open)))
        window = self.client.local_flow_control_window(stream) - 256
        size = max(0, min(size, window, self.client.max_outbound_frame_size - 256))
        part = bytes([stream % 256]) * size
        self.client.send_data(stream, part, pad_length=padding)
        self.open[stream] += part
        self.carry()

    @precondition(lambda self: self.open)
    @rule(data=st.data(), trailers=st.booleans())
    def end(self, data: st.DataObject, trailers: bool) -> None:
        stream = data.draw(st.sampled_from(sorted(self.open)))
        self.waiting[stream] = self.open.pop(stream)
        if trailers:
            self.client.send_headers(stream, [("trailer", "x")], end_stream=True)
        else:
            self.client.end_stream(stream)
        self.carry()

    @precondition(lambda self: self.open or self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        stream = data.draw(st.sampled_from(sorted(self.open | self.waiting)))
        self.client.reset_stream(stream, 8)
        self.open.pop(stream, None)
        self.waiting.pop(stream, None)
        self.given_up.add(stream)
        self.carry()

    @rule(size=st.sampled_from([0, 1, 100, 65_535, 1 << 20]))
    def change_windows(self, size: int) -> None:
        self.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: size})
        self.carry()

    @rule(size=st.sampled_from([0, 64, 4096, 1 << 16]), frame=st.sampled_from([16_384, 1 << 20]))
    def change_table_and_frames(self, size: int, frame: int) -> None:
        changed: dict[SettingCodes | int, int] = {
            SettingCodes.HEADER_TABLE_SIZE: size,
            SettingCodes.MAX_FRAME_SIZE: frame,
        }
        self.client.update_settings(changed)
        self.carry()

    @rule(data=st.data(), increment=st.integers(1, 1 << 20))
    def widen(self, data: st.DataObject, increment: int) -> None:
        stream = data.draw(st.sampled_from([None, *sorted(self.waiting)]))
        room = 2**30 - (self.client.outbound_flow_control_window if stream is None else 0)
        if room > increment:
            self.client.increment_flow_control_window(increment, stream)
        self.carry()

    @rule()
    def ping(self) -> None:
        self.client.ping(b"12345678")
        self.carry()

    @rule(piece=st.sampled_from([1, 2, 7, 9, 100, 1 << 20]))
    def tear(self, piece: int) -> None:
        self.piece = piece

    @invariant()
    def nobody_is_at_fault(self) -> None:
        assert not self.server.failed
        assert not self.server.closing
        assert set(self.server.streams) == set(self.open) | set(self.waiting)
        held = sum(sum(map(len, s.pending)) for s in self.server.streams.values())
        assert self.server.unsent_bytes == held

    def teardown(self) -> None:
        """With windows wide open everything that was asked is answered."""
        self.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1 << 26})
        self.client.increment_flow_control_window(1 << 26)
        self.carry()
        assert not self.waiting
        assert not self.server.failed


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
