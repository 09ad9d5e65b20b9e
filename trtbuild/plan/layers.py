"""The layers of a plan, from the JSON of TensorRT's engine inspector. Pure and light.

With detailed layer information each layer has its inputs and outputs with their data types, the
ONNX nodes it came from, and the tactic (kernel) that TensorRT chose.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from trtbuild.artifacts import Plan
from trtbuild.tensor import DTYPES

# A data type's names in the inspector's texts -> ours.
_DTYPES = {
    "fp32": "fp32", "float": "fp32", "fp16": "fp16", "half": "fp16", "bf16": "bf16",
    "bfloat16": "bf16", "int8": "int8", "fp8": "fp8e4m3fn", "int4": "int4", "fp4": "fp4e2m1",
    "int32": "int32", "int64": "int64", "bool": "bool", "uint8": "uint8",
}  # fmt: skip
_DTYPE = re.compile(rf"(?<![a-z0-9])({'|'.join(sorted(_DTYPES, key=len, reverse=True))})(?![0-9])")
_NODE = re.compile(r"\[ONNX Layer: (.*?)\](?=[\x1e\x1f]|$)")
# What is computed in one of these is what precision is about; the rest are shapes and indices.
_COMPUTE = ("fp4e2m1", "int4", "fp8e4m3fn", "int8", "fp16", "bf16", "fp32")
# Kinds of layers that move or convert values, and those of shapes [observed with 10.6].
_MOVES = {
    "reformat", "noop", "constant", "slice", "shuffle", "concat", "gather", "cast", "reshape",
    "transpose", "move", "signal", "wait", "shape_call",
}  # fmt: skip
# A generated kernel is named by what it does, three letters each: __myl_CasGatResTra_myl0_1.
_GENERATED = re.compile(r"__myl_((?:[A-Z][a-z]{2})+)_")
_GENERATED_MOVES = {"Bro", "Cas", "Con", "Gat", "Mov", "Rep", "Res", "Sli", "Tra"}

NAMED_LAYERS = 20  # that a message or a lock names; the layers file has all


class Layer(msgspec.Struct, frozen=True):
    """A layer of a plan, in the order in which it runs."""

    name: str
    kind: str  # TensorRT's word: "CaskConvolution", "kgen"
    dtype: str  # that it computes in; of what only moves values "", as where nothing tells
    inputs: tuple[str, ...]  # data types; "" where the text has none that is known
    outputs: tuple[str, ...]
    tactic: str = ""
    nodes: tuple[str, ...] = ()  # of ONNX


class Inside(msgspec.Struct, frozen=True):
    """The inside of a plan, as the engine made of it says."""

    layers: tuple[Layer, ...]
    weights_bytes: int  # of the layers whose weights are listed; fused kernels list none
    activations_bytes: int  # that a context needs beside inputs and outputs
    profiles: int
    stripped: bool = False  # it has no weights and computes nonsense before it is given them


def layers_from_text(text: str) -> tuple[Layer, ...]:
    """The layers in the inspector's JSON; none where it has none."""
    try:
        found = json.loads(text)
    except ValueError:
        return ()
    entries = found.get("Layers", []) if isinstance(found, dict) else []
    return tuple(_layer(entry) for entry in entries)


def _layer(entry: Any) -> Layer:
    if not isinstance(entry, dict):  # built without detailed layer information: names only
        return Layer(str(entry), "", "", (), ())
    inputs = tuple(map(_dtype, entry.get("Inputs", [])))
    outputs = tuple(map(_dtype, entry.get("Outputs", [])))
    kind, name = str(entry.get("LayerType", "")), str(entry.get("Name", ""))
    return Layer(
        name=name,
        kind=kind,
        dtype="" if _only_moves(kind, name) else _computes(entry, inputs, outputs),
        inputs=inputs,
        outputs=outputs,
        tactic=str(entry.get("TacticName", "") or entry.get("TacticValue", "")),
        nodes=tuple(dict.fromkeys(_NODE.findall(str(entry.get("Metadata", ""))))),
    )


def _only_moves(kind: str, name: str) -> bool:
    generated = _GENERATED.match(name)
    parts = set(re.findall("...", generated[1])) if generated else set()
    return kind.lower() in _MOVES or (bool(parts) and parts <= _GENERATED_MOVES)


def _dtype(tensor: Any) -> str:
    if not isinstance(tensor, dict):
        return ""
    text = str(
        tensor.get("Datatype") or tensor.get("DataType") or tensor.get("Format/Datatype", "")
    )
    found = _DTYPE.search(text.lower())
    return _DTYPES[found[1]] if found else ""


def _computes(entry: dict[str, Any], inputs: tuple[str, ...], outputs: tuple[str, ...]) -> str:
    """Its weights' type where it has some, else the coarsest that it reads, else that it writes."""
    weights = entry.get("Weights")
    stated = _DTYPE.search(str(weights.get("Type", "")).lower()) if weights else None
    if stated and _DTYPES[stated[1]] in _COMPUTE:
        return _DTYPES[stated[1]]
    for types in (inputs, outputs):
        if known := [dtype for dtype in types if dtype in _COMPUTE]:
            return min(known, key=_COMPUTE.index)
    return ""


def weights_from_text(text: str) -> int:
    """Bytes of all weights that the inspector's JSON lists."""
    found = json.loads(text)
    entries = [entry for entry in found.get("Layers", []) if isinstance(entry, dict)]
    stated = [entry.get(part) for entry in entries for part in ("Weights", "Bias")]
    return sum(_weight_bytes(weights) for weights in stated if isinstance(weights, dict))


def _weight_bytes(weights: dict[str, Any]) -> int:
    dtype = _DTYPE.search(str(weights.get("Type", "")).lower())
    bits = DTYPES[_DTYPES[dtype[1]]].bits if dtype else 0
    return int(weights.get("Count", 0)) * bits // 8


def counts(layers: tuple[Layer, ...]) -> dict[str, int]:
    """How many layers compute in each data type, the coarsest first."""
    found = [layer.dtype for layer in layers if layer.dtype]
    return {dtype: found.count(dtype) for dtype in _COMPUTE if dtype in found}


def computing_in(layers: tuple[Layer, ...], dtype: str) -> tuple[str, ...]:
    """The names of the layers that compute in `dtype`, in order."""
    return tuple(layer.name for layer in layers if layer.dtype == dtype)


def left_in_fp32(plan: Plan) -> str:
    """Which layers of a plan of reduced precision compute in fp32; "" where none does."""
    count = plan.layers.get("fp32", 0)
    if not count:
        return ""
    more = count - len(plan.fp32_layers)
    names = ", ".join(plan.fp32_layers) + (f" and {more} more" if more > 0 else "")
    return f"{plan.file}: {count} of {sum(plan.layers.values())} layers compute in fp32: {names}"
