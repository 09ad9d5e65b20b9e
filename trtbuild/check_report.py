"""What a pre-flight tells: the ops of a model that each target takes and refuses."""

from __future__ import annotations

import msgspec

from trtbuild.capability import Capability


class OpUse(msgspec.Struct, frozen=True):
    """How often a model uses an op with a data type."""

    op: str  # with its domain where that is not ONNX's own: "com.acme::Foo"
    dtype: str
    count: int


class OpRefusal(msgspec.Struct, frozen=True):
    """An op of a model that TensorRT's parser or builder refuses for a target."""

    op: str
    dtype: str
    nodes: tuple[str, ...]  # every node of this kind
    reason: str  # in TensorRT's words
    hint: str  # what would work


class TargetCheck(msgspec.Struct, frozen=True):
    """What one compute capability makes of a model, asked of TensorRT itself."""

    target: Capability
    builds: bool  # the whole model does
    taken: tuple[OpUse, ...]
    refused: tuple[OpRefusal, ...]
    unknown: tuple[OpUse, ...] = ()  # behind an op whose outputs nobody knows: not asked
    message: str = ""  # why the whole model does not build
    hint: str = ""
    seconds: float = 0.0


class CheckReport(msgspec.Struct, frozen=True):
    """The pre-flight of a model: one entry for each target."""

    runtime: str
    runtime_version: str
    targets: tuple[TargetCheck, ...]
