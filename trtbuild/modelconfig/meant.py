"""What an unknown word was meant to be: another of the names that could stand there.

An answer is `sure` where it is the only right one, so that it may be written without asking: the
same letters, what another framework calls it, a prefix left out, or one slip of the keys.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

_LONGEST = 100  # characters; beyond them looking for what was meant takes its time
_ALIKE = 0.8  # of difflib's ratio; from here on two words look like one

# What frameworks call data types, devices and truth -> the name here, without the enum's prefix.
_VALUES = {
    alias: name
    for name, aliases in {
        "fp16": "half float16 f16",
        "fp32": "float float32 f32",
        "fp64": "double float64 f64",
        "bf16": "bfloat bfloat16",
        "int16": "short",
        "int32": "int integer",
        "int64": "long",
        "uint32": "uint",
        "string": "bytes object text str",
        "bool": "boolean",
        "gpu": "cuda",
        "true": "yes on",
        "false": "no off",
    }.items()
    for alias in aliases.split()
}
# What fields are called elsewhere -> their names here; a message with two of them says no more.
_FIELDS = {
    "dimensions": ("dims", "dim", "shape"),
    "dims": ("shape",),
    "dtype": ("data_type",),
    "filename": ("default_model_filename", "label_filename"),
    "label_file": ("label_filename",),
    "labels": ("label_filename",),
    "max_batch": ("max_batch_size",),
    "max_queue_delay_us": ("max_queue_delay_microseconds",),
    "model": ("model_name",),
    "model_filename": ("default_model_filename",),
    "model_name": ("name",),
    "model_platform": ("platform",),
    "shape": ("dims", "dim"),
    "type": ("data_type", "kind"),
    "version": ("model_version",),
}
# As `_FIELDS`, where something else than the name may have to change too.
_MAYBE = {"batch_size": ("max_batch_size",), "model_version": ("version_policy",)}


class Meant(NamedTuple):
    """The word that was probably meant; "" where none is near."""

    word: str = ""
    sure: bool = False  # it is the one right answer


def meant(word: str, known: Iterable[str]) -> Meant:
    """The one of `known`, fields of a message or values of an enum, that `word` stands for."""
    # TYPE_INVALID is a name that Triton knows and never accepts.
    names = [name for name in known if not name.endswith("_INVALID")]
    if len(word) > _LONGEST or not names:
        return Meant()
    first, last = min(names), max(names)
    prefix = "".join(first[: _same(first, last)].rpartition("_")[:2])
    for found in (
        _named(word, names, prefix),
        _other_name(word, names, prefix),
        [name for name in names if _is_one_slip(word.lower(), name.lower())],
    ):
        if found:  # with two right answers neither is sure, and neither is the better one
            return Meant(found[0], True) if len(found) == 1 else Meant()
    return Meant(_alike(word, names))


def _named(word: str, names: Collection[str], prefix: str) -> list[str]:
    """The names that differ in letter case and underscores, or by the enum's prefix, alone."""
    wanted = {_letters(word), _letters(prefix + word)}
    return [name for name in names if _letters(name) in wanted]


def _letters(word: str) -> str:
    return word.lower().replace("_", "")


def _other_name(word: str, names: Collection[str], prefix: str) -> list[str]:
    lower = word.lower()
    value = _VALUES.get(lower.removeprefix(prefix.lower()))
    if value is not None and (found := _named(value, names, prefix)):
        return found
    return [name for name in _FIELDS.get(lower, ()) if name in names]


def _is_one_slip(word: str, name: str) -> bool:
    """Whether one letter is missing, too many or another one, or two neighbours changed places.

    A digit that is missing, too many or another one is no slip: `FP4` is not `FP64`.
    """
    if _digits(word) != _digits(name):
        return False
    start = _same(word, name)
    here, there = word[start:], name[start:]
    return (
        here[1:] == there[1:]
        or here[1:] == there
        or here == there[1:]
        or (here[:2] == there[1::-1] and here[2:] == there[2:])
    )


def _same(one: str, other: str) -> int:
    """How many letters they have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _digits(word: str) -> list[str]:
    return sorted(re.findall(r"[0-9]", word))


def _alike(word: str, names: Collection[str]) -> str:
    lower, digits = word.lower(), _digits(word)
    if maybe := [name for name in _MAYBE.get(lower, ()) if name in names]:
        return maybe[0]
    by_lower = {name.lower(): name for name in names if _digits(name) == digits}
    near = difflib.get_close_matches(lower, by_lower, n=2, cutoff=_ALIKE)
    ratios = [difflib.SequenceMatcher(None, name, lower).ratio() for name in near]
    if not near or ratios[0] in ratios[1:]:  # of two that are as near neither is better
        return ""
    return by_lower[near[0]]
