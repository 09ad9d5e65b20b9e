"""What a user asks of `trtbuild convert`: one frozen value, the same for CLI and Python."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

Mode = Literal["next", "add", "replace"]


class ConvertRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Every knob of a conversion; the defaults build something a user would keep."""

    source: str  # a path, or module:factory
    repo: Path
    name: str | None = None  # None: made from the source
    version: int | None = None  # None: the next one, or the latest for add and replace
    mode: Mode = "next"

    # source
    kind: str = "auto"
    signature: str | None = None
    tags: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()  # cut points, [NEW=]TENSOR
    outputs: tuple[str, ...] = ()
    input: tuple[str, ...] = ()  # NAME=DTYPE[DIMS]
    bind: tuple[str, ...] = ()  # NAME=VALUE: the input becomes a constant
    trust_source: bool = False  # run it unchecked, with all that the user may do
    opset: int | None = None
    weights: Path | None = None  # of a function that defines a TensorRT network

    # numbers
    precision: Literal["keep", "fp32", "fp16", "bf16"] = "keep"
    io_precision: Literal["keep", "match"] = "keep"
    keep_fp32: tuple[str, ...] = ()  # patterns of nodes or tensors, under fp16 and bf16
    verify: bool = True
    verify_timeout_s: float = 3600  # of each step that runs the model, its loading too
    reference: str | None = None  # file.py:function, inputs -> outputs in NumPy
    samples: Path | None = None  # .npz or a folder of them: inputs by name, outputs where known
    rtol: float | None = None  # None: by precision
    atol: float | None = None

    # plans
    targets: tuple[str, ...] = ()
    runtime: Literal["auto", "tensorrt", "tensorrt-rtx"] = "auto"
    plans: Literal["shared", "per-target"] = "shared"
    max_batch: int | None = None
    min_shapes: tuple[str, ...] = ()  # NAME:1x3x224x224
    opt_shapes: tuple[str, ...] = ()
    max_shapes: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()  # DIM=MINxOPTxMAX,...; one for each optimization profile
    workspace_mib: int | None = None  # None: TensorRT's own default
    opt_level: int | None = None  # 0..5; None: TensorRT's own default
    timing_cache: Path | None = None
    require_timing_cache: bool = False
    hardware_compat: Literal["none", "same-compute-capability", "ampere-plus"] | None = None
    version_compatible: Literal["with-lean-runtime", "without-lean-runtime"] | None = None
    weak: tuple[str, ...] = ()  # data types that TensorRT 10 may compute in, as it sees fit
    refittable: Literal["identical", "any"] | None = None
    strip_weights: bool = False
    tactic_sources: tuple[str, ...] = ()
    keep_layers: bool = False  # put TensorRT's layer information beside the plans
    plugins: tuple[Path, ...] = ()  # libraries and Python files with creators of plugins
    workers: int | None = None  # worker processes for plans; None: one a core

    # config
    instances: int | None = None  # for each GPU; None: 1, or what the config has already
    max_queue_delay_us: int | None = None
    preferred_batch: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()  # OUTPUT=FILE
    warmup: bool = False
    cuda_graphs: bool | None = None  # None: as the model's config has it
    graph_batch: tuple[int, ...] = ()  # batch sizes to capture; (): powers of two and the largest
    portable: bool = True  # keep model.onnx beside the plans
