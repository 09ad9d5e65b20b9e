"""What a user may say about a source model. Light: the parent process makes it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from trtbuild.tensor import InputOverride


class SourceOptions(msgspec.Struct, frozen=True):
    """The options of the sources stage; each source reads those that mean something to it."""

    signature: str | None = None  # SavedModel; None: serving_default, or the only one
    tags: tuple[str, ...] = ()  # SavedModel; (): serve, or the only set
    inputs: tuple[str, ...] = ()  # GraphDef: where to cut, each [NEW=]TENSOR; (): placeholders
    outputs: tuple[str, ...] = ()  # GraphDef: the same; (): the nodes nobody consumes
    # SavedModel: of --outputs. Surgery cuts there, but what cannot be exported is left out here.
    signature_outputs: tuple[str, ...] = ()
    overrides: tuple[InputOverride, ...] = ()  # torch, torchscript: the example inputs
    output_names: tuple[str, ...] = ()  # torch, torchscript, exported: in order
    weights: Path | None = None  # network: arrays by name
    opset: int | None = None  # None: what the exporter prefers
    bind: dict[str, str] = {}  # torch, torchscript, exported: values to call the module with
    seed: int = 0  # of example inputs, and of torch before a factory runs
    # Sizes to trace a torch model with, by input name, for dims that only have a name.
    example_shapes: dict[str, tuple[int, ...]] = {}
    # The model may run ops that do more than compute: files, processes, the network, Python.
    trust_source: bool = False
