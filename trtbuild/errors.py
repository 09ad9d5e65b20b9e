"""The ways a run can end badly, and what each one tells the user.

    TrtbuildError             the user can act on it                             exit 1
    ├── UsageError            the command line does not say what to do           exit 2
    ├── SourceError           the model given cannot be read or exported
    ├── SurgeryError          a pass cannot do what was asked of the graph
    ├── PlanError             no plan can be built as asked (profile, target, runtime)
    ├── VerificationError     the numbers differ more than the tolerance
    ├── ConfigError           a config.pbtxt cannot be read or derived
    ├── StoreError            the cache folder cannot be written
    ├── CudaError             a GPU cannot be used: no driver, or a call of it failed
    ├── ForeignNameError      somebody else's name for a file leads out of its folder
    ├── RepositoryError       the repository cannot be read or written
    ├── MissingPackageError        a framework is not installed: the pip command is the hint
    ├── WorkerDiedError            a worker process ended without an answer
    └── OutOfTimeError             work with a time limit took longer, and was ended

Anything else that reaches the command line is our own bug (exit 3). A message says what was
given and what was possible; `hint` says the next step. Errors cross from a worker process to
its parent as JSON and keep their type.
"""

from __future__ import annotations

import re


class TrtbuildError(Exception):
    """Something the user can act on: `message` says what happened, `hint` the next step."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message

    def to_json(self) -> dict[str, str]:
        """The form that crosses process borders; `error_from_json` reads it back."""
        return {"type": type(self).__name__, "message": self.message, "hint": self.hint}


class UsageError(TrtbuildError):
    """The command line or the arguments contradict themselves."""

    exit_code = 2


class SourceError(TrtbuildError):
    """The model given cannot be read, or its framework cannot export it."""


class SurgeryError(TrtbuildError):
    """A pass over the ONNX graph cannot do what was asked."""


class PlanError(TrtbuildError):
    """No plan can be built as asked; the fields name what is at fault, where that is known."""

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        op: str = "",
        node: str = "",
        dtype: str = "",
        blamed: str = "",
        refused_by: str = "",
    ) -> None:
        super().__init__(message, hint)
        self.op = op  # the ONNX op
        self.node = node
        self.dtype = dtype  # a key of trtbuild.tensor.DTYPES
        self.blamed = blamed  # the compute capabilities that cannot take it: "7.5, 8.0"
        # Who refused it for the blamed targets: "parser" and "builder" are TensorRT's, "release"
        # lacks the target, "machine" its GPU. "": it would be the same for every target.
        self.refused_by = refused_by

    def to_json(self) -> dict[str, str]:
        """As every error, with its own fields."""
        own = ("op", "node", "dtype", "blamed", "refused_by")
        return super().to_json() | {name: getattr(self, name) for name in own}


class VerificationError(TrtbuildError):
    """The converted model's numbers differ from the source's by more than the tolerance."""


class ConfigError(TrtbuildError):
    """A `config.pbtxt` cannot be read or derived."""


class StoreError(TrtbuildError):
    """The cache folder cannot be written."""


class CudaError(TrtbuildError):
    """A GPU cannot be used: no driver, no memory, a call that failed with the driver's text."""

    def __init__(self, message: str, hint: str = "", *, code: int | str = 0) -> None:
        super().__init__(message, hint)
        self.code = int(code)  # CUresult of the call that failed; 0: there was none

    def to_json(self) -> dict[str, str]:
        """As every error, with its own field."""
        return super().to_json() | {"code": str(self.code)}


class ForeignNameError(TrtbuildError):
    """A file's name in a lock, config, request or model names no file in its folder."""


class RepositoryError(TrtbuildError):
    """A model repository cannot be read or written."""


class MissingPackageError(TrtbuildError):
    """A framework that this work needs is not installed."""

    @classmethod
    def of(cls, package: str, extra: str, needed_for: str) -> MissingPackageError:
        """The error for `package`, which trtbuild's extra `extra` installs."""
        return cls(
            f"{needed_for} needs the package '{package}', which is not installed",
            f'pip install "trtbuild[{extra}]"',
        )


class WorkerDiedError(TrtbuildError):
    """A worker process ended without an answer (crash in a native library, kill -9)."""


class OutOfTimeError(TrtbuildError):
    """Work that has a time limit took longer, and its process was ended."""


def error_from_json(value: dict[str, str]) -> TrtbuildError:
    """The error that `TrtbuildError.to_json` wrote, as its own type again."""
    types = {cls.__name__: cls for cls in TrtbuildError.__subclasses__()}
    fields = {name: text for name, text in value.items() if name != "type"}
    return types.get(value["type"], TrtbuildError)(**fields)


_LONG_LINE = 300  # characters; frameworks put whole configurations behind a colon


_TRACEBACK = re.compile(r"^Traceback\b.*\(most recent call last\)", re.MULTILINE)
_NAMED_ERROR = re.compile(r"^(?:builtins\.)?([A-Za-z_][\w.]*(?:Error|Exception|Warning): \S.*)$")


def first_line(error: BaseException) -> str:
    """What `error` of a framework says, short enough for a message of ours: its first line.

    A text that is a traceback, as PyTorch's interpreter gives it for TorchScript, has the cause
    last: there the line of the innermost error.
    """
    text = str(error).strip()
    lines = text.splitlines()
    if tracebacks := list(_TRACEBACK.finditer(text)):
        lines = text[tracebacks[-1].end() :].strip().splitlines()
        named = [match[1] for line in lines if (match := _NAMED_ERROR.match(line))]
        lines = named or lines[-1:]
    line = lines[0].strip() if lines else type(error).__name__
    return line if len(line) <= _LONG_LINE else f"{line[:_LONG_LINE]} ..."


# Packages whose own exceptions say that a file is not as it should be, never that trtbuild calls
# them wrongly.
_READERS = {
    "google": "protobuf",
    "onnx": "onnx",
    "onnx_graphsurgeon": "ONNX GraphSurgeon",
    "onnxruntime": "ONNX Runtime",
}


def fault_of_file(error: BaseException) -> TrtbuildError | None:
    """`error` as the fault of the file that was being read, None where it is no such thing.

    Python's own errors are ours, but for what a reader raises over the values that it reads, texts
    that are none, nesting without end and sizes that no array can have.
    """
    hint = "the file is damaged, or asks for what cannot be had: export it again"
    if isinstance(error, TrtbuildError):
        return error
    if package := _reader_of(error):
        return TrtbuildError(f"{package} cannot work with this model: {first_line(error)}", hint)
    if isinstance(error, UnicodeDecodeError):
        return TrtbuildError(f"a name or text in the model is no UTF-8: {error}", hint)
    if isinstance(error, RecursionError):
        return TrtbuildError("the model nests too deeply, or something in it holds itself", hint)
    if isinstance(error, MemoryError) or "array is too big" in str(error):
        return TrtbuildError(
            "the machine has too little memory for this",
            "a model may ask for tensors of any size: look at the largest that it makes",
        )
    return None


# What code raises over a value; a TypeError or AttributeError says that it was called wrongly.
_OF_VALUES = (ValueError, LookupError, ArithmeticError, RuntimeError, AssertionError)


def _reader_of(error: BaseException) -> str:
    """The package whose own exception it is, or in whose code a value was stumbled over; or ""."""
    package = type(error).__module__.partition(".")[0]
    if package not in _READERS and isinstance(error, _OF_VALUES):
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        name = str(trace.tb_frame.f_globals.get("__name__", "")) if trace is not None else ""
        package = name.partition(".")[0]
    return _READERS.get(package, "")
