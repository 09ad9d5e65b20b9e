"""What TensorRT says when it refuses a network, in structured form.

The texts are TensorRT's own and change between releases: whatever is not recognised stays as it
was said, so a new text costs detail and never the message.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from trtbuild.capability import KNOWN, Capability
from trtbuild.tensor import DTYPES

# Names of data types in messages -> ours.
_DTYPES = {
    "b16": "bf16",
    "f16": "fp16",
    "f32": "fp32",
    "fp8_e4m3": "fp8e4m3fn",
    "fp8_e5m2": "fp8e5m2",
    "fp4_e2m1": "fp4e2m1",
    "fp8": "fp8e4m3fn",
    "fp4": "fp4e2m1",
}
_HARDWARE_DTYPES = re.compile(r"HW-specific datatypes: ([\w, ]+?)\.? ?(?:In \w+ at|$)")
_NAMED_DTYPE = re.compile(r"\b(FP32|FP16|BF16|INT8|FP8|INT4|FP4)\b")
_TARGETS = re.compile(r"\bsm_?(\d{2,3})\b", re.IGNORECASE)
_LAYERS = (
    re.compile(r"[Cc]annot compile operation '([^']+)'"),
    re.compile(r"implementation for node '?(.+?)'?(?: due to| because|\.\s|\.$|$)"),
)
_ENVELOPE = re.compile(
    r"^(?:[\w:]+: |\[[^\]]*\] |\d+: )*(?:\[[^\]]*\] )?Error Code \d+: [\w ]+? \((?P<text>.*)\)$",
    re.DOTALL,
)
_PLACE = re.compile(r"\[\w+\.(?:cpp|h):\d+: \w+\] |\s*In \S+ at \S+|^Myelin \(?")
# Every error on a machine without a driver is followed by one about the driver.
_NOISE = ("cudaError 35", "catchCudaError")
# Errors about shapes, profiles and limits: the same for every target. Other codes of "API Usage
# Error" tell of a GPU or a library that is missing.
_USAGE = re.compile(r"Error Code [34]: API Usage Error|Shape Error|violate shape constraints")
# Of those, the ones about sizes that other shapes would cure.
_SIZES = re.compile(r"\bk(?:MIN|OPT|MAX)\b|profile|constraint|dimension|broadcast|reshap", re.I)
_LIMIT = re.compile(r"maximum|\bat most\b|exceeds?|too (?:large|many)|not supported", re.IGNORECASE)


class Refusal(NamedTuple):
    """What an error log tells; empty where it does not."""

    reason: str  # the first error without its wrapping
    layer: str  # the network layer, which is named as its ONNX node
    dtypes: tuple[str, ...]  # keys of trtbuild.tensor.DTYPES
    blamed: tuple[Capability, ...]


def refusal_from_log(messages: list[str]) -> Refusal:
    """Read the errors that TensorRT logged during one failed build."""
    told = _without_noise(messages)
    if not told:
        return Refusal("TensorRT gave no reason", "", (), ())
    reason = bare(told[0])
    return Refusal(reason, _layer(reason), _dtypes(told[0], reason), _blamed(reason))


def is_usage(message: str) -> bool:
    """The message is about what was asked for, not about what a target can do."""
    return _USAGE.search(message) is not None


def is_of_sizes(reason: str) -> bool:
    """Other shapes may be taken where these are not."""
    return _SIZES.search(reason) is not None


def is_limit(reason: str) -> bool:
    """What was asked for is over a bound that TensorRT sets, such as TopK's 3840 elements."""
    return _LIMIT.search(reason) is not None


def bare(message: str) -> str:
    """A message without error codes and source positions."""
    match = _ENVELOPE.match(message.strip())
    return _PLACE.sub("", match["text"] if match else message).strip().rstrip(".")


def parser_reason(description: str) -> str:
    """What the ONNX parser's error says, without the C++ around it; empty where that is all."""
    first, *more = _without_noise(description.splitlines()) or [""]
    if more:  # "Invalid Node - name", then what the log said
        return bare(more[0])
    if quoted := re.findall(r'"([^"]+)"', first):
        return str(quoted[-1]).rstrip(".")
    text = first.removeprefix("Assertion failed: ")
    _, colon, words = text.rpartition(": ")
    return (words if colon else "" if text == "false" else text).rstrip(".")


def _without_noise(messages: list[str]) -> list[str]:
    return [text for text in messages if not any(noise in text for noise in _NOISE)]


def _layer(reason: str) -> str:
    for pattern in _LAYERS:
        if match := pattern.search(reason):
            return match[1]
    return ""


def _dtypes(message: str, reason: str) -> tuple[str, ...]:
    if match := _HARDWARE_DTYPES.search(message):
        names = [name.strip() for name in match[1].split(",")]
    else:
        names = [name.lower() for name in _NAMED_DTYPE.findall(reason)][:1]
    known = (_DTYPES.get(name, name) for name in names)
    return tuple(name for name in known if name in DTYPES)


def _blamed(reason: str) -> tuple[Capability, ...]:
    numbers = [(int(digits[:-1]), int(digits[-1])) for digits in _TARGETS.findall(reason)]
    return tuple(sorted({c for c in (Capability(*pair) for pair in numbers) if c in KNOWN}))
