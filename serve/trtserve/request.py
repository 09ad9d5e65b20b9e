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

import msgspec

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


class OutputSpec(NamedTuple):
    """An output of one request, without its data."""

    name: str
    dtype: str  # wire name
    shape: tuple[int, ...]  # batch dim included


class OutputTensor(NamedTuple):
    """One output of one request, in wire form."""

    name: str
    dtype: str  # wire name
    shape: tuple[int, ...]
    data: Buffer


class Form(NamedTuple):
    """All that an answer says besides tensor data."""

    model_name: str
    model_version: str
    outputs: tuple[OutputSpec, ...]
    parameters: Parameters | None = None


class InferResponse(msgspec.Struct, frozen=True):
    """The answer to one request.

    Answers that differ in their data alone share one `Form` (see `Forms`): what was encoded for one
    of them is known by the form's identity to fit the others.
    """

    form: Form
    data: Sequence[Buffer]  # one buffer for each of form.outputs

    @property
    def outputs(self) -> list[OutputTensor]:
        """Form and data together."""
        outputs, data = self.form.outputs, self.data
        return [OutputTensor(*spec, each) for spec, each in zip(outputs, data, strict=True)]


class Forms:
    """The forms of one model version's answers: the same object for the same outputs."""

    _MOST = 1024  # clients may vary shapes forever

    def __init__(self, model_name: str, model_version: str) -> None:
        self._model_name, self._model_version = model_name, model_version
        self._known: dict[tuple[OutputSpec, ...], Form] = {}

    def of(self, outputs: tuple[OutputSpec, ...]) -> Form:
        """The form of answers with these outputs."""
        form = self._known.get(outputs)
        if form is None:
            if len(self._known) >= self._MOST:
                self._known.clear()
            form = self._known[outputs] = Form(self._model_name, self._model_version, outputs)
        return form

    def with_parameters(self, outputs: tuple[OutputSpec, ...], parameters: Parameters) -> Form:
        """As `of`, for one answer."""
        return Form(self._model_name, self._model_version, outputs, parameters)


Reply = Callable[["InferRequest", "InferResponse | ServeError"], None]


class InferRequest(msgspec.Struct, eq=False):
    """One request on its way. Whoever holds it must call `answer` exactly once."""

    call: Call
    data: Sequence[Buffer]  # one buffer for each of call.inputs
    reply: Reply | None
    started_ns: int  # monotonic clock, when its first byte was read
    origin: Any = None  # what `reply` needs to know
    deadline_ns: int = 0  # monotonic; 0: waits without limit
    cancelled: bool = False  # the client has left: drop it before it costs anything

    def answer(self, answer: InferResponse | ServeError) -> None:
        """Hand the one final answer to where the request came from."""
        answer_all([self], [answer])


def answer_all(
    requests: Sequence[InferRequest], answers: Sequence[InferResponse | ServeError]
) -> None:
    """Hand each of a batch's requests its one final answer."""
    for request, answer in zip(requests, answers, strict=True):
        reply = request.reply
        assert reply is not None, "a request was answered twice"
        request.reply = None
        reply(request, answer)
