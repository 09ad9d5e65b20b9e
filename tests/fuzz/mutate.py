"""Damage by structure: a file whose parts are changed and put together again so that it parses.

Bytes turned at random are refused by the first length that no longer fits; here the lengths fit, so
that what reads the values sees them.
"""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any

from trtbuild.protowire import LENGTH, VARINT, WireError, fields, message_bytes, varint_bytes

_NUMBERS = (
    0, 1, 2, 7, 64, 99, 127, 255, 2**16, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, 2**63,
    2**64 - 1,
)  # fmt: skip
_TEXTS = (
    b"", b"x", b"\x00", b"-1", b"abc", b"1e9", b"99999999999999999999", b"../../x", b"/etc/passwd",
    b"a" * 300, "\u202e\x1b[31m".encode(), b"\xff\xfe", b"float32", b"None", b"^x", b":0", b"nan",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**70, 1.5, 1e308, float("nan"), "", "x", "../../x",
    "\x00", "a" * 300, "Lambda", [], [[]], {}, {"": None}, [1, "x", None],
)  # fmt: skip
_DEEPEST = 12  # a payload that happens to parse is taken for a message so far down


def protobuf(data: bytes, chance: random.Random, depth: int = 0) -> bytes:
    """A message with one field changed, somewhere in it."""
    try:
        found = list(fields(data))
    except WireError:
        found = []
    if not found:
        return text(data, chance)
    at = chance.randrange(len(found))
    parts = [data[_start(data, found, index) : field.end] for index, field in enumerate(found)]
    field = found[at]
    what = chance.random()
    if what < 0.06:
        parts[at] = b""
    elif what < 0.12:
        parts[at] *= 2
    elif what < 0.16:
        chance.shuffle(parts)
    elif what < 0.19:
        parts[at] = parts[at][: chance.randrange(len(parts[at]) + 1)]
    elif field.wire == VARINT:
        parts[at] = varint_bytes(field.number << 3) + varint_bytes(chance.choice(_NUMBERS))
    elif field.wire == LENGTH:
        payload = data[field.start : field.end]
        deeper = depth < _DEEPEST and chance.random() < 0.9
        parts[at] = message_bytes(
            field.number, protobuf(payload, chance, depth + 1) if deeper else text(payload, chance)
        )
    else:
        parts[at] = parts[at][: -(field.end - field.start)] + chance.randbytes(
            field.end - field.start
        )
    return b"".join(parts)


def _start(data: bytes, found: list[Any], index: int) -> int:
    return found[index - 1].end if index else 0


def text(data: bytes, chance: random.Random) -> bytes:
    """A text or bytes, changed in one place or put another in its stead."""
    if chance.random() < 0.5:
        return chance.choice(_TEXTS)
    at = chance.randint(0, len(data))
    end = min(len(data), at + chance.choice((0, 1, 4, 40)))
    piece = chance.choice((b"", chance.choice(_TEXTS), chance.randbytes(4), data[at:end] * 2))
    return data[:at] + piece + data[end:]


def json_text(data: bytes, chance: random.Random) -> bytes:
    """JSON with one value or key changed; seldom none any more."""
    if chance.random() < 0.05:
        return text(data, chance)
    tree = json.loads(data)
    places: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        keys = value if isinstance(value, dict) else range(len(value))
        for key in list(keys):
            places.append((value, key))
            if isinstance(value[key], dict | list):
                waiting.append(value[key])
    if places:
        _change(*chance.choice(places), chance)
    return json.dumps(tree).encode()


def _change(holder: Any, key: Any, chance: random.Random) -> None:
    what = chance.random()
    value = holder[key]
    if what < 0.15:
        del holder[key]
    elif what < 0.25 and isinstance(holder, dict):
        holder[chance.choice(_TEXTS).decode(errors="replace")] = holder.pop(key)
    elif what < 0.3:
        holder[key] = [value]
        for _ in range(chance.choice((1, 3, 2000))):
            holder[key] = [holder[key]]
    elif isinstance(value, str) and what < 0.5:
        holder[key] = text(value.encode(), chance).decode(errors="replace")
    else:
        holder[key] = chance.choice(_VALUES)


def archive(data: bytes, chance: random.Random) -> bytes:
    """A zip file with one member changed, renamed, left out or there twice."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as given, zipfile.ZipFile(out, "w") as made:
        names = given.namelist()
        chosen = chance.choice(names)
        what = chance.random()
        for name in names:
            content = given.read(name)
            if name == chosen and what < 0.05:
                continue
            new = name
            if name == chosen and what < 0.1:
                new = text(name.encode(), chance).decode(errors="replace").replace("\x00", "")
            elif name == chosen:
                content = member_mutation(name)(content, chance)
            made.writestr(new or "x", content)
    return out.getvalue() if chance.random() < 0.95 else text(out.getvalue(), chance)


def member_mutation(name: str) -> Callable[[bytes, random.Random], bytes]:
    """How the member `name` of an archive is damaged."""
    return json_text if name.endswith(".json") else text
