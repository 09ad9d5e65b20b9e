"""An ExportedProgram's texts, held against `exported_grammar` before PyTorch loads the file.

Everything that PyTorch would make Python of, call or load as a library is in JSON of the archive
or a member of its own; weights are numbers, and what is pickled is not unpickled (`exported`).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

from trtbuild.errors import SourceError
from trtbuild.sources.archives import check_unpacked
from trtbuild.sources.exported_grammar import (
    DOTTED,
    NAME,
    is_expression,
    is_guard,
    is_target,
    is_tree,
)
from trtbuild.sources.trust import TRUST_HINT

_SHOWN = 3
_LONG = 100  # characters of a text in a message
# Members that are code: compiled models, which are libraries, and objects that are unpickled.
_CODE_MEMBERS = ("data/aotinductor/", "custom_obj_", "opaque_obj_", "executorch/")


def _is_name(text: str) -> bool:
    return NAME.fullmatch(text) is not None


def _is_dotted(text: str) -> bool:
    return DOTTED.fullmatch(text) is not None


def _is_one_line(text: str) -> bool:
    return "\n" not in text and "\r" not in text


def _is_text(_: str) -> bool:
    return True


# By key: everywhere else a text is a name with dots. `as_string` is a value that is only quoted.
_GRAMMAR: dict[str, tuple[str, Callable[[str], bool]]] = {
    "expr_str": ("a dim's expression", is_expression),
    "guards_code": ("a guard", is_guard),
    "target": ("an op", is_target),
    "as_operator": ("an op", is_target),
    "name": ("a name", _is_name),
    "as_name": ("a name", _is_name),
    "forward_arg_names": ("a name", _is_name),
    "in_spec": ("the nesting of inputs", is_tree),
    "out_spec": ("the nesting of outputs", is_tree),
    "as_string": ("a text", _is_text),
    "as_strings": ("a text", _is_text),
    "stack_trace": ("a note", _is_text),
    "metadata": ("a note", _is_one_line),
}
_OTHER = ("a name", _is_dotted)


class Odd(NamedTuple):
    """A text that is not what it stands for, and the member of the archive that has it."""

    role: str
    text: str
    member: str

    def __str__(self) -> str:
        text = repr(self.text[:_LONG] + ("..." if len(self.text) > _LONG else ""))
        return f"{text} is not {self.role} ({self.member})"


def refuse_texts(location: str, what: str) -> None:
    """Raise `SourceError` where loading or running the program could run code of its own."""
    check_unpacked(location, what)
    odd = [each for name, data in _members(location, what) for each in _odd_in(name, data, what)]
    if odd:
        listed = "; ".join(str(each) for each in odd[:_SHOWN])
        more = f"; and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
        raise SourceError(
            f"{what} has texts that PyTorch would run or that are not known to be harmless, and "
            f"nothing of it was run: {listed}{more}",
            f"export it anew with torch.export; {TRUST_HINT}",
        )


def _members(location: str, what: str) -> Iterator[tuple[str, bytes]]:
    """Each JSON member. Both of PyTorch's readers are asked, since it tries both."""
    with zipfile.ZipFile(location) as archive:
        names = archive.namelist()
        _check_names(names, what)
        for name in names:
            if _is_json(name):
                try:
                    yield name, archive.read(name)
                except Exception as error:  # what a damaged member makes of zlib is many things
                    raise SourceError(f"{what} is damaged: {error}") from None
    try:
        reader: Any = torch._C.PyTorchFileReader(location)
        names = list(reader.get_all_records())
        _check_names(names, what)
        yield from [(name, reader.get_record(name)) for name in names if _is_json(name)]
    except SourceError:
        raise
    except Exception:
        return  # a file of PyTorch 2.7 or earlier, which only `zipfile` reads


def _is_json(name: str) -> bool:
    return name.lower().endswith(".json") or "models/" in name.lower()


def _check_names(names: list[str], what: str) -> None:
    if len({name.lower() for name in names}) != len(names):
        raise SourceError(
            f"{what} has two files of one name inside", "export it again with torch.export.save"
        )
    if code := [name for name in names if any(part in name.lower() for part in _CODE_MEMBERS)]:
        raise SourceError(
            f"{what} brings compiled code or pickled objects, and nothing of it was run: "
            f"{', '.join(code[:_SHOWN])}",
            f"save the program alone: torch.export.save(program, 'x.pt2'); {TRUST_HINT}",
        )


def _odd_in(member: str, data: bytes, what: str) -> Iterator[Odd]:
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"{what} is damaged: '{member}' is no JSON: {error}", "copy or download it again"
        ) from None
    waiting: list[tuple[str, Any]] = [("", tree)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            for name, inner in value.items():
                if not _is_dotted(name) and key != "metadata":
                    yield Odd("a name", name, member)
                waiting.append((_role(key, name, inner), inner))
        elif isinstance(value, list):
            waiting += [(key, inner) for inner in value]
        elif isinstance(value, str):
            role, fits = _GRAMMAR.get(key, _OTHER)
            if not fits(value):
                yield Odd(role, value, member)


def _role(key: str, name: str, inner: Any) -> str:
    """What `inner`, called `name` in what is called `key`, is. Notes are texts, whatever they are
    called; a tensor that is called "metadata" is none.
    """
    if key == "metadata" and isinstance(inner, str):
        return "stack_trace" if name == "stack_trace" else "metadata"
    return name
