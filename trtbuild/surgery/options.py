"""What a user may ask of the graph. Light: the parent process imports it."""

from __future__ import annotations

from typing import Literal

import msgspec

from trtbuild.tensor import InputOverride


class SurgeryOptions(msgspec.Struct, frozen=True):
    """Every knob of the surgery stage; as it is, the numbers stay what they were."""

    inputs: tuple[str, ...] = ()  # cut points, [NEW=]TENSOR; empty: the model's own
    outputs: tuple[str, ...] = ()
    bind: dict[str, str] = {}  # --bind: inputs that become constants, with the text of their value
    bound_by_source: bool = False  # its exporter knew of them, and may have left them out
    overrides: tuple[InputOverride, ...] = ()  # --input, by name or by position
    precision: Literal["keep", "fp32", "fp16", "bf16"] = "keep"
    keep_fp32: tuple[str, ...] = ()  # patterns of nodes or tensors that --precision leaves alone
    io_precision: Literal["keep", "match"] = "keep"  # match: floats in and out take the precision
    batch: Literal["free", "keep"] = "free"  # free: a fixed batch dim of 1 varies if it soundly can
    # Shapes by input name that fp16 overflow is measured with; where missing, small ones are tried.
    sample_shapes: dict[str, tuple[int, ...]] = {}
    seed: int = 0  # of the values it is measured with
