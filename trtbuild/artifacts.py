"""The values that travel from stage to stage. Frozen; files are named, never opened here.

A value that owns files names them within `directory`, one folder that is set again when the
store hands the value out. Files of values inside one value lie in that same folder.
Values cross process borders and lie in the store as JSON: `to_json`, `from_json`.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any, TypeVar, overload

import msgspec

from trtbuild.capability import Capability
from trtbuild.foreign import open_file, path_inside
from trtbuild.network_model import NetworkModel
from trtbuild.plugins import UsedPlugin
from trtbuild.tensor import TensorSpec

T = TypeVar("T")


class SourceRef(msgspec.Struct, frozen=True):
    """A trained model as the user named it: what it is and where, nothing loaded yet."""

    kind: str  # a key of trtbuild.sources.SOURCES
    location: str  # a path, or module:factory
    name: str  # a model name that suits the repository, made from the location
    digest: str | None  # over every byte the model is made of; None: code, so never cached


class OnnxModel(msgspec.Struct, frozen=True, tag="onnx"):
    """An ONNX file with its external data, and what its interface is."""

    directory: Path
    files: tuple[str, ...]  # the .onnx file first, then the external data files
    digest: str  # sha256 over all files in order
    size_bytes: int  # of all files
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    opset: int  # of the default domain
    producer: str  # who exported it, with version: "pytorch 2.13.0"
    notes: tuple[str, ...] = ()  # what the exporter had to do that a user should know
    unbatched: tuple[str, ...] = ()  # outputs whose first dim was seen not to follow the batch

    @property
    def path(self) -> Path:
        """The .onnx file."""
        return path_inside(self.directory, self.files[0])

    @property
    def batchable(self) -> bool:
        """Every input and output has a varying first dim: the rule of Triton's ONNX backend.

        Not where running the graph showed that such a dim is another one.
        """
        tensors = self.inputs + self.outputs
        return (
            bool(tensors)
            and not self.unbatched
            and all(t.shape and isinstance(t.shape[0], str) for t in tensors)
        )


Model = OnnxModel | NetworkModel  # what plans are built from


class PassNote(msgspec.Struct, frozen=True):
    """What one surgery pass did, or why it had nothing to do."""

    name: str
    changed: bool
    note: str


class SurgeryResult(msgspec.Struct, frozen=True):
    """The graph that plans are built from, and how it relates to what was exported."""

    model: Model
    reference: OnnxModel | None  # before precision conversion; None: precision was not changed
    notes: tuple[PassNote, ...]
    input_names: dict[str, str]  # final name -> name in the exported model, "" where cut free
    output_names: dict[str, str]  # the same for outputs, "" where cut at an inner tensor
    bound: dict[str, str] = {}  # inputs of the exported model that are constants now, by --bind

    @property
    def onnx(self) -> OnnxModel:
        """`model`, which is a graph unless the source is a network by TensorRT's own API."""
        assert isinstance(self.model, OnnxModel)
        return self.model


class Range(msgspec.Struct, frozen=True):
    """The shapes of one input that a plan is built for, smallest, usual and largest."""

    min: tuple[int, ...]
    opt: tuple[int, ...]
    max: tuple[int, ...]


Profile = dict[str, Range]  # one entry for each input of the model, also those that are static


class Plan(msgspec.Struct, frozen=True):
    """One TensorRT plan file."""

    directory: Path
    file: str
    digest: str
    size_bytes: int
    targets: tuple[Capability, ...]  # it was built for exactly these
    runtime: str  # "tensorrt" or "tensorrt-rtx"
    runtime_version: str
    seconds: float  # that its build took, when it was built
    cached: bool = False  # taken from the store in this run
    notes: tuple[str, ...] = ()  # what the builder had to do that a user should know
    # Of data-centre TensorRT only, as `trtbuild.plan.options` names them; "": not so.
    hardware: str = ""  # the compatibility level it was built at
    version_compatible: str = ""
    refit: str = ""  # which weights it can be given
    stripped: bool = False  # it has no weights and cannot run before it is given them
    layers_file: str = ""  # TensorRT's layer information, in the same folder; "": none
    layers: dict[str, int] = {}  # data type -> how many layers compute in it, taken from the plan
    fp32_layers: tuple[str, ...] = ()  # the first of those in fp32, by name
    plugins: tuple[UsedPlugin, ...] = ()  # without which it cannot be loaded

    @property
    def path(self) -> Path:
        """The plan file."""
        return path_inside(self.directory, self.file)


def layers_file_of(plan: str) -> str:
    """The file beside the plan file `plan` with TensorRT's layer information about it."""
    return f"{plan.removesuffix('.plan')}.layers.json"


class TargetFailure(msgspec.Struct, frozen=True):
    """Why one compute capability got no plan."""

    target: Capability
    message: str
    op: str = ""  # the ONNX op (or layer) at fault, where TensorRT named one
    dtype: str = ""
    hint: str = ""
    seconds: float = 0.0


class PlanOutcome(msgspec.Struct, frozen=True):
    """Every target is in exactly one of the plans or one of the failures."""

    plans: tuple[Plan, ...]
    failures: tuple[TargetFailure, ...]


class Comparison(msgspec.Struct, frozen=True):
    """One output tensor of one run, candidate against reference."""

    pair: str  # "torch vs ONNX", "torch vs ONNX fp16", "ONNX vs plan 8.9"
    point: str  # "min", "opt" or "max" of the profile; of several "profile 1 min"
    tensor: str
    max_abs: float
    max_rel: float
    cosine: float
    worst_index: tuple[int, ...]  # of the element with the largest excess over the tolerance
    worst: tuple[str, str]  # reference, candidate there; text, for NaN has no form in JSON
    rtol: float
    atol: float
    passed: bool
    problem: str = ""  # set where values could not be compared at all: shapes differ, NaN
    rule: str = ""  # what decided, where it was not the tolerance of each element


class VerifyReport(msgspec.Struct, frozen=True):
    """The accuracy figures of a conversion, and what could not be run."""

    comparisons: tuple[Comparison, ...]
    not_run: dict[str, str]  # what -> why: "plan 8.9" -> "not run: no GPU of 8.9"
    warnings: tuple[str, ...] = ()  # what the figures do not say: weights or answers are no numbers

    @property
    def passed(self) -> bool:
        """No comparison that ran failed."""
        return all(comparison.passed for comparison in self.comparisons)


class Progress(msgspec.Struct, frozen=True):
    """One step of long work; `total` 0: unknown."""

    work: str  # what the bar is called: "8.9", "export"
    phase: str
    done: int = 0
    total: int = 0


class Stage(msgspec.Struct, frozen=True):
    """How long one stage of a run took."""

    name: str
    seconds: float
    cached: bool  # its result was in the store


class Conversion(msgspec.Struct, frozen=True):
    """What a run of `convert` made: the version in the repository and how good it is."""

    name: str
    version: int
    directory: Path  # of the model in the repository
    runtime: str
    runtime_version: str
    model: Model  # what the plans were built from
    profile: Profile
    plans: tuple[Plan, ...]  # as they lie in the repository
    failures: tuple[TargetFailure, ...]
    report: VerifyReport
    passes: tuple[PassNote, ...]
    notes: tuple[str, ...]  # of the exporter: what it had to do that a user should know
    config: str  # the text of config.pbtxt
    findings: tuple[str, ...]  # of the validator about the model as written, a line each
    stages: tuple[Stage, ...]
    seconds: float
    profiles: tuple[Profile, ...] = ()  # of the plans, in order; `profile` holds them all


def to_json(value: Any) -> bytes:
    """`value`, a struct of this file or anything made of structs and plain values, as JSON."""
    return msgspec.json.encode(value, enc_hook=_encode)


@overload
def from_json(data: bytes | str, type_: type[T]) -> T: ...
@overload
def from_json(data: bytes | str, type_: Any) -> Any: ...
def from_json(data: bytes | str, type_: Any) -> Any:
    """Read what `to_json` wrote. Raises `msgspec.ValidationError` on anything else."""
    return _decoder(type_).decode(data)


def convert_to(value: Any, type_: Any) -> Any:
    """Plain JSON values (dicts, lists, ...) as `type_`. Raises `msgspec.ValidationError`."""
    _decoder(type_)
    return msgspec.convert(value, type=type_, dec_hook=_decode)


_decoders: dict[Any, Any] = {}
_making = threading.Lock()


def _decoder(type_: Any) -> Any:
    """The decoder of a type, made by one thread at a time.

    msgspec (0.22) looks at a struct when it is first decoded; a second thread that decodes it, or
    one that holds it, meanwhile crashes the process.
    """
    found = _decoders.get(type_)
    if found is None:
        with _making:
            found = _decoders[type_] = msgspec.json.Decoder(type_, dec_hook=_decode)
    return found


def _encode(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"no JSON form for {type(value).__name__}")


def _decode(type_: type, value: Any) -> Any:
    if type_ is Path:
        return Path(value)
    raise TypeError(f"cannot read a {type_.__name__} from JSON")


_CHUNK_BYTES = 1 << 20


def digest_of_files(*paths: Path) -> str:
    """SHA-256 over the bytes of `paths` in order; memory stays at one chunk.

    Raises `OSError`, also for what is no regular file.
    """
    digest = hashlib.sha256()
    for path in paths:
        with open_file(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()
