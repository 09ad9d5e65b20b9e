"""`pb_utils.InferenceRequest`, `InferenceResponse` and `TritonError`, as models see them."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from trtserve.backends.python.layout import Run
from trtserve.backends.python.slab import Bytes
from trtserve.backends.python.tensor import Tensor, TritonModelException, tensor_in

_RELEASE_RESCHEDULE = 2


class ErrorCode(enum.IntEnum):
    """Triton's error codes, by the numbers that its Python backend gives them."""

    UNKNOWN = 0
    INTERNAL = 1
    NOT_FOUND = 2
    INVALID_ARG = 3
    UNAVAILABLE = 4
    UNSUPPORTED = 5
    ALREADY_EXISTS = 6
    CANCELLED = 7


class TritonError:
    """Why a request has no outputs: a message, and a code that decides the HTTP status."""

    UNKNOWN: ClassVar = ErrorCode.UNKNOWN
    INTERNAL: ClassVar = ErrorCode.INTERNAL
    NOT_FOUND: ClassVar = ErrorCode.NOT_FOUND
    INVALID_ARG: ClassVar = ErrorCode.INVALID_ARG
    UNAVAILABLE: ClassVar = ErrorCode.UNAVAILABLE
    UNSUPPORTED: ClassVar = ErrorCode.UNSUPPORTED
    ALREADY_EXISTS: ClassVar = ErrorCode.ALREADY_EXISTS
    CANCELLED: ClassVar = ErrorCode.CANCELLED

    def __init__(self, message: str, code: ErrorCode = ErrorCode.INTERNAL) -> None:
        if not isinstance(message, str) or not isinstance(code, ErrorCode):
            raise TypeError(
                f"TritonError(message: str, code=TritonError.INTERNAL) was given ({message!r}, "
                f"{code!r})"
            )
        self._message, self._code = message, code

    def message(self) -> str:
        """The text."""
        return self._message

    def code(self) -> ErrorCode:
        """The code."""
        return self._code


def unsupported(what: str, instead: str) -> TritonModelException:
    """The answer to a part of Triton's API that this server has not."""
    return TritonModelException(f"{what} is not supported by trtbuild serve; {instead}")


class InferenceRequest:
    """One request of a batch. Models get them; they cannot make any (that would be BLS)."""

    __slots__ = ("_ask_cancelled", "_facts", "_index", "_inputs", "_run", "_start", "_window")

    _ask_cancelled: Callable[[int], bool]
    _facts: dict[str, Any] | None
    _index: int
    _inputs: list[Tensor] | None
    _run: Run
    _start: int
    _window: Bytes

    def __init__(self, *_: Any, **__: Any) -> None:
        raise unsupported(
            "BLS (an InferenceRequest of a model's own)",
            "call the other model through the server's HTTP or gRPC endpoint",
        )

    def inputs(self) -> list[Tensor]:
        """The input tensors, in the request's order."""
        tensors = self._inputs
        if tensors is None:
            layout, _, offsets, sizes = self._run
            window, start = self._window, self._start
            tensors = self._inputs = [
                tensor_in(window, spec, start + offset, size)
                for spec, offset, size in zip(
                    layout.signature.tensors, offsets, sizes, strict=False
                )
            ]
        return tensors

    def _fact(self, name: str, default: Any) -> Any:
        facts = self._facts
        if facts is None:
            layout, _, offsets, sizes = self._run
            facts = {}
            if layout.signature.note:
                start = self._start + offsets[-1]
                facts = json.loads(self._window[start : start + sizes[-1]].tobytes())
            self._facts = facts
        return facts.get(name, default)

    def request_id(self) -> str:
        """The id that the client gave it, else ""."""
        return str(self._fact("id", ""))

    def correlation_id(self) -> int | str:
        """The id of the sequence it belongs to, else 0."""
        found: int | str = self._fact("correlation_id", 0)
        return found

    def flags(self) -> int:
        """TRITONSERVER_REQUEST_FLAG_SEQUENCE_START and _END, where they are set."""
        return int(self._fact("flags", 0))

    def timeout(self) -> int:
        """The timeout that the client asked for, in microseconds, else 0."""
        return int(self._fact("timeout", 0))

    def parameters(self) -> str:
        """The request's parameters as JSON."""
        found = self._fact("parameters", {})
        return json.dumps(found, separators=(",", ":"), ensure_ascii=False)

    def requested_output_names(self) -> set[str]:
        """The outputs to answer with: others are dropped."""
        return set(self._run.layout.signature.labels)

    def is_cancelled(self) -> bool:
        """Whether the client has left: then nobody reads the answer."""
        return self._ask_cancelled(self._index)

    def set_release_flags(self, flags: int) -> None:
        """Accepts the ordinary release. Raises for a reschedule."""
        if flags & _RELEASE_RESCHEDULE:
            raise unsupported("rescheduling a request", "answer it in the execute that got it")

    def get_response_sender(self) -> Any:
        """Raises: one response a request, returned by `execute`."""
        raise unsupported(
            "get_response_sender (decoupled responses)", "return the responses from execute"
        )

    def _for_bls_only(self, *_: Any, **__: Any) -> Any:
        raise unsupported("BLS", "call the other model through the server's HTTP or gRPC endpoint")

    exec = async_exec = set_flags = _for_bls_only

    def trace(self) -> Any:
        """Raises: this server does not trace."""
        raise unsupported("InferenceRequest.trace", "leave it out")


def requests_in(
    runs: Sequence[Run], window: Bytes, ask_cancelled: Callable[[int], bool]
) -> list[InferenceRequest]:
    """The requests of a batch that lies in `window`."""
    requests: list[InferenceRequest] = []
    new = InferenceRequest.__new__
    for run in runs:
        for start in run.starts:
            request = new(InferenceRequest)
            request._ask_cancelled, request._index = ask_cancelled, len(requests)
            request._run, request._start, request._window = run, start, window
            request._inputs = request._facts = None
            requests.append(request)
    return requests


class InferenceResponse:
    """The answer to one request: outputs, or an error."""

    __slots__ = ("_error", "_outputs", "_parameters")

    def __init__(
        self,
        output_tensors: Sequence[Tensor] = (),
        error: TritonError | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> None:
        if not isinstance(output_tensors, list | tuple):
            raise TypeError(
                "InferenceResponse(output_tensors: list[Tensor], error: TritonError) was given "
                f"{type(output_tensors).__name__} as output_tensors"
            )
        if not (error is None or isinstance(error, TritonError)):
            raise TypeError(f"InferenceResponse's error must be a TritonError, not {error!r}")
        for tensor in output_tensors:
            if not isinstance(tensor, Tensor):
                raise _not_a_tensor(tensor)
        self._outputs = list(output_tensors)
        self._error = error
        self._parameters = None if parameters is None else _checked(parameters)

    def output_tensors(self) -> list[Tensor]:
        """The outputs."""
        return self._outputs

    def has_error(self) -> bool:
        """Whether it is an error."""
        return self._error is not None

    def error(self) -> TritonError | None:
        """The error, or None."""
        return self._error

    def has_parameters(self) -> bool:
        """Whether it has parameters."""
        return bool(self._parameters)

    def parameters(self) -> str:
        """The response's parameters as JSON."""
        return json.dumps(self._parameters or {}, separators=(",", ":"), ensure_ascii=False)


def _not_a_tensor(value: Any) -> Exception:
    if value is None:
        return TritonModelException("Output tensor for inference response should not be empty.")
    return TypeError(f"InferenceResponse's output_tensors must be Tensors, found {value!r}")


def _checked(parameters: Any) -> dict[str, Any]:
    """A copy of a response's parameters, which both protocols can say. Raises, at the model's line.

    Words of Triton's pb_stub.cc, of the releases that have them; floats are this server's own.
    """
    if not isinstance(parameters, dict):
        raise TritonModelException(f"Expect parameters of type dict, got {type(parameters)}")
    for name, value in parameters.items():
        if not isinstance(name, str):
            raise TritonModelException(
                f"Expect parameters keys to have type str, found type {type(name)}"
            )
        if not isinstance(value, bool | int | float | str):
            raise TritonModelException(
                f"Expect parameters values to have type bool/int/float/str, found type "
                f"{type(value)} in '{name}'"
            )
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise TritonModelException(
                f"parameter '{name}' is {value}: a signed 64-bit number must hold it"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise TritonModelException(f"parameter '{name}' is {value}, which JSON cannot say")
    return dict(parameters)
