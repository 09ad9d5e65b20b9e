"""What an inference request and its answer are, whatever protocol brought them.

A `Call` is all that a request says besides tensor data. It is frozen and depends on the bytes of
the request's header alone, so that codecs keep it and give it again for the same bytes: clients
send the same header with every request. `InferRequest` is one request on its way: a call, the
tensors' bytes, and where the answer goes.

Tensor data stays in wire form (row-major, little-endian; BYTES: each element a 4-byte length and
the bytes) from the socket to the batch: joining requests is joining bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from trtserve.errors import ServeError

Buffer = bytes | bytearray | memoryview
Parameters = dict[str, Any]  # str, int, float or bool


class CallInput(NamedTuple):
    """One input tensor as the request describes it."""

    name: str
    dtype: str  # wire name: FP32
    shape: tuple[int, ...]  # batch dim included


class CallOutput(NamedTuple):
    """One output tensor that the request asks for."""

    name: str
    classification: int = 0  # the k of the classification extension; 0: the tensor itself
    binary: bool = False  # HTTP: after the JSON instead of within it


class Call(NamedTuple):
    """A request without its tensor data, checked against the model it names."""

    id: str
    inputs: tuple[CallInput, ...]
    outputs: tuple[CallOutput, ...]  # what to answer with; all of the model's where none was named
    rows: int  # batch size; 1 where the model does not batch
    group: Any  # calls may share a batch if these are equal (and not None)
    parameters: Parameters
    priority: int  # 0: the model's default level
    timeout_us: int  # 0: none asked for
    sizes: tuple[int, ...]  # expected bytes of each input; -1: BYTES, which say it themselves
    wanted: tuple[str, ...]  # the names of `outputs`


class OutputTensor(NamedTuple):
    """One output of one request, in wire form."""

    name: str
    dtype: str  # wire name
    shape: tuple[int, ...]
    data: Buffer


class InferResponse(NamedTuple):
    """The answer to one request."""

    model_name: str
    model_version: str
    outputs: Sequence[OutputTensor]
    parameters: Parameters | None = None


Reply = Callable[["InferRequest", "InferResponse | ServeError"], None]


class InferRequest:
    """One request on its way. Whoever holds it must call `answer` exactly once."""

    __slots__ = (
        "call", "cancelled", "data", "deadline_ns", "origin", "reply", "started_ns", "waiting",
    )  # fmt: skip

    def __init__(
        self, call: Call, data: Sequence[Buffer], reply: Reply, started_ns: int, origin: Any = None
    ) -> None:
        self.call = call
        self.data = data  # one buffer for each of call.inputs
        self.reply: Reply | None = reply
        self.origin = origin  # what `reply` needs to know
        self.started_ns = started_ns  # monotonic clock, when its first byte was read
        self.deadline_ns = 0  # monotonic; 0: waits without limit
        self.waiting = True  # no batch has it yet
        self.cancelled = False  # the client has left: drop it before it costs anything

    def answer(self, answer: InferResponse | ServeError) -> None:
        """Hand the one final answer to where the request came from."""
        reply = self.reply
        assert reply is not None, "a request was answered twice"
        self.reply = None
        reply(self, answer)
