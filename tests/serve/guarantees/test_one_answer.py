"""Every accepted request gets exactly one final answer: under load, kill -9 and SIGTERM.

Connections of both protocols keep asking a Python model whose process is killed again and again,
until the server is told to end. The model notes what it runs: whatever ran must have its answer.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import grpc
from trtserve.protocols.messages import message

from tests.serve.clients.served import Served
from tests.serve.gated import Asking, Gate, put_gated, refusal, request_of, until

CONFIG = """
instance_group [{ count: 2 }]
dynamic_batching { default_queue_policy { max_queue_size: 6 } }
"""
CONNECTIONS, DEPTH = 3, 6  # of each protocol; requests under way on each
KILLS = 4
KILLED = "ended by SIGKILL while it ran this batch"


class Asker:
    """What became of the requests of one connection."""

    def __init__(self, first: int) -> None:
        self.numbers = iter(range(first, first + 1_000_000))
        self.sent: list[int] = []
        self.answers: list[tuple[int, str]] = []  # number, "good", "refused" or "killed"
        self.wrong: list[object] = []
        self.processes: set[int] = set()  # whose answers came

    def good(self, number: int, value: int, process: int) -> None:
        """The answer to request `number` is `value`."""
        self.answers.append((number, "good"))
        self.processes.add(process)
        if value != number:
            self.wrong.append((number, value))

    def bad(self, number: int, text: str) -> None:
        """The answer to request `number` is an error."""
        if "Exceeds maximum queue size" in text or "shutting down" in text:
            self.answers.append((number, "refused"))
        elif KILLED in text:
            self.answers.append((number, "killed"))
        else:
            self.wrong.append((number, text))


def over_http(server: Served, asker: Asker) -> None:
    """Pipelined: `DEPTH` requests at a time, until the server closes the connection."""
    host, _, port = server.http.rpartition(":")
    address = (host, int(port))
    with (
        socket.create_connection(address, timeout=60) as connection,
        connection.makefile("rb") as reader,
    ):
        while True:
            numbers = [next(asker.numbers) for _ in range(DEPTH)]
            try:
                connection.sendall(b"".join(map(_http, numbers)))
            except OSError:
                return
            asker.sent += numbers
            for number in numbers:
                status, headers, body = _response(reader)
                if not status:
                    return
                _note_http(asker, number, status, json.loads(body))
                if b"Connection: close" in headers:
                    asker.wrong += [rest] if (rest := reader.read()) else []
                    return


def _response(reader: BinaryIO) -> tuple[int, bytes, bytes]:
    """Status, head and body of the next answer; 0 where the connection is closed instead."""
    try:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = reader.readline()
            if not line:
                return 0, head, b""
            head += line
        length = int(head.lower().partition(b"content-length:")[2].split(maxsplit=1)[0])
        return int(head.split()[1]), head, reader.read(length)
    except ConnectionError:
        return 0, b"", b""


def _http(number: int) -> bytes:
    given = {"name": "INPUT0", "shape": [1, 1], "datatype": "INT32", "data": [number]}
    body = json.dumps({"id": str(number), "inputs": [given]}).encode()
    head = f"POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _note_http(asker: Asker, number: int, status: int, body: dict[str, object]) -> None:
    if status != 200:
        asker.bad(number, f"{status} {body['error']}")
        return
    outputs = {each["name"]: each["data"] for each in body["outputs"]}  # type: ignore[attr-defined]  # JSON
    if body["id"] != str(number):
        asker.wrong.append((number, body))
    asker.good(number, outputs["OUTPUT0"][0], outputs["OUTPUT1"][0])


def over_grpc(server: Served, asker: Asker) -> None:
    """`DEPTH` calls at a time, until the server is gone."""
    with grpc.insecure_channel(server.grpc) as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        ended = False
        while not ended:
            numbers = [next(asker.numbers) for _ in range(DEPTH)]
            calls = [infer.future(request_of("m", each, id_=str(each)), timeout=60)
                     for each in numbers]  # fmt: skip
            asker.sent += numbers
            for number, call in zip(numbers, calls, strict=True):
                error = call.exception()
                if error is None:
                    response = message("ModelInferResponse").FromString(call.result())
                    raw = response.raw_output_contents
                    asker.good(number, *(int.from_bytes(each, "little") for each in raw))
                elif _never_arrived(error):
                    ended = True
                else:
                    asker.bad(number, error.details())


def _never_arrived(error: grpc.RpcError) -> bool:
    """grpcio's own words for a connection that is refused, was closed, or is going away."""
    text = error.details().lower()
    return any(word in text for word in ("connect", "goaway", "socket closed", "stream removed"))


def test_every_accepted_request_has_one_answer(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    gate = put_gated(tmp_path / "repository", "m", CONFIG, max_batch_size=4)
    server = Served(tmp_path / "repository", tmp_path / "log")
    askers = [Asker(number * 1_000_000) for number in range(1, 2 * CONNECTIONS + 1)]
    threads = [
        threading.Thread(target=(over_http, over_grpc)[number % 2], args=(server, asker))
        for number, asker in enumerate(askers)
    ]
    for thread in threads:
        thread.start()
    _kill_again_and_again(server, gate, askers)
    server.process.terminate()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert server.process.wait(30) == 0

    assert [asker.wrong for asker in askers] == [[]] * len(askers)
    answered = Counter(number for asker in askers for number, _ in asker.answers)
    assert set(answered.values()) == {1}
    ran = {number for batch in gate.batches for number in batch if number > KILLS}
    assert ran <= set(answered), "these ran and were never answered"
    kinds = Counter(kind for asker in askers for _, kind in asker.answers)
    assert min(kinds["good"], kinds["refused"]) > 0
    assert kinds["killed"] <= KILLS * 3  # what shared a batch with the request that was held
    unanswered = {number for asker in askers for number in asker.sent} - set(answered)
    assert len(unanswered) <= len(askers) * DEPTH  # sent while the server closed: never accepted


def _kill_again_and_again(server: Served, gate: Gate, askers: list[Asker]) -> None:
    """The process that runs a certain request, each time; the other instance goes on meanwhile."""
    asking = Asking(server.grpc)
    for value in range(1, KILLS + 1):
        with gate.held(value):
            asked = asking.ask("m", value)
            while not any(value in batch for batch in gate.batches):
                if asked.done():  # the queue was full
                    asked = asking.ask("m", value)
                time.sleep(0.001)
            known = set[int]().union(*(each.processes for each in askers))
            _until_answers(askers, 100)
            os.kill(gate.process_of(value), signal.SIGKILL)
            code, text = refusal(asked)
            assert (code, KILLED in text) == (grpc.StatusCode.UNAVAILABLE, True)
        until(lambda known=known: any(each.processes - known for each in askers))  # type: ignore[misc]  # its default
    asking.close()


def _until_answers(askers: list[Asker], more: int) -> None:
    before = sum(len(asker.answers) for asker in askers)
    until(lambda: sum(len(asker.answers) for asker in askers) >= before + more)
