"""PyTorch's files whose loading or running reaches outside. Made in a worker process."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.sources.torch_models import save_exported


class _Save(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("b", torch.zeros(4, dtype=torch.uint8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(self.b, "TRAP")
        return x * 2


class _SaveAtLoading(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("b", torch.zeros(4, dtype=torch.uint8))

    @torch.jit.export
    def __getstate__(self) -> tuple[torch.Tensor, bool]:
        return (self.b, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]) -> None:
        self.b, self.training = state
        b = self.b
        torch.save(b, "TRAP")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


_CALL = 'torch.save(b, "TRAP")'


def save(path: Path, trap: Path, way: str, at_loading: bool) -> str:
    """A TorchScript archive that writes `trap`: `way` stands for `torch.save` in its code."""
    first = path.with_suffix(".first")
    torch.jit.save(torch.jit.script(_SaveAtLoading() if at_loading else _Save()), first)
    with zipfile.ZipFile(first) as given, zipfile.ZipFile(path, "w") as made:
        for member in given.infolist():
            data = given.read(member)
            if member.filename.endswith("/code/__torch__/tests/sources/torch_attacks.py"):
                data = _code(data.decode(), way, str(trap)).encode()
            made.writestr(member.filename, data)
    return str(path)


def _code(text: str, way: str, trap: str) -> str:
    assert _CALL in text
    *before, last = way.split("|")
    return text.replace(_CALL, "\n    ".join([*before, f'{last}(b, "{trap}")']))


def run_script(path: Path) -> str:
    """Load the archive as anybody would, and call it; what failed comes back."""
    try:
        torch.jit.load(str(path))(torch.ones(1, 4))  # type: ignore[no-untyped-call]
    except Exception as error:
        return str(error)
    return ""


def change_program(path: Path, change: str, trap: Path) -> str:
    """An ExportedProgram with one thing changed in its JSON: see `_CHANGES`."""
    first = save_exported(path.with_name(f"first-{path.name}"))
    with zipfile.ZipFile(first) as given, zipfile.ZipFile(path, "w") as made:
        for member in given.infolist():
            data = given.read(member)
            if "/models/" in member.filename:
                program = json.loads(data)
                _CHANGES[change](program, str(trap))
                data = json.dumps(program).encode()
            made.writestr(member.filename, data)
        if change == "a compiled library":
            root = given.namelist()[0].partition("/")[0]
            made.writestr(f"{root}/data/aotinductor/model/x.so", b"\x7fELF")
    return str(path)


def _writes(trap: str) -> str:
    return f"__import__('pathlib').Path({trap!r}).touch()"


def _first(program: Any, key: str) -> tuple[Any, Any]:
    """The first place of `key` in the program: what holds it, and how."""
    waiting = [program]
    while waiting:
        value = waiting.pop(0)
        if isinstance(value, dict):
            if key in value:
                return value, key
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    raise LookupError(key)


def _expression(program: Any, trap: str) -> None:
    place, key = _first(program, "expr_str")
    place[key] = f"{place[key]} + ({_writes(trap)} or 0)"


def _expression_of_a_tensor_called_metadata(program: Any, trap: str) -> None:
    values = program["graph_module"]["graph"]["tensor_values"]
    place, key = _first(values, "expr_str")
    place[key] = f"{place[key]} + ({_writes(trap)} or 0)"
    name = next(name for name, value in values.items() if "__import__" in json.dumps(value))
    values["metadata"] = values[name]


def _guard(program: Any, trap: str) -> None:
    program["guards_code"] = [f"{_writes(trap)} is None"]


def _guard_in_a_message(program: Any, trap: str) -> None:
    code = list(_writes(trap).encode())  # without quotes
    program["guards_code"] = [f"1 == 1 or '\"), exec(bytes({code})), (\"' == ''"]


def _target(program: Any, trap: str) -> None:
    node = program["graph_module"]["graph"]["nodes"][0]
    node["target"] = "torch.os.mkdir"
    node["inputs"] = [{"name": "", "arg": {"as_string": trap}, "kind": 1}]


def _name(program: Any, trap: str) -> None:
    text = json.dumps(program)
    name = program["graph_module"]["graph"]["inputs"][-1]["as_tensor"]["name"]
    new = f"{name}=({_writes(trap)})".replace('"', "'")
    program.update(json.loads(text.replace(f'"{name}"', json.dumps(new))))


def _enum(program: Any, trap: str) -> None:
    place, key = _first(program, "in_spec")
    spec = json.loads(place[key])
    spec[1]["context"] = json.dumps({"__enum__": True, "fqn": "antigravity:x", "name": "y"})
    place[key] = json.dumps(spec)


def _nothing(program: Any, trap: str) -> None:
    """The program as it is."""


_CHANGES: dict[str, Callable[[Any, str], None]] = {
    "an expression": _expression,
    "an expression of a tensor called metadata": _expression_of_a_tensor_called_metadata,
    "a guard": _guard,
    "a guard in its message": _guard_in_a_message,
    "an op": _target,
    "a name": _name,
    "an enum": _enum,
    "a compiled library": _nothing,
    "nothing": _nothing,
}


def run_program(path: Path) -> str:
    """Load the program as anybody would, and call it; what failed comes back."""
    try:
        program = torch.export.load(str(path))
        program.module()(image=torch.ones(3, 3, 16, 16), scale=torch.ones(3))
    except Exception as error:
        return repr(error)
    return ""


def refused_words() -> list[str]:
    """The words that no archive's code may reach."""
    from trtbuild.sources.torchscript_code import _refused

    return sorted(word.decode() for word in _refused())


def found_in_code(code: str) -> list[str]:
    """What is found in a file of TorchScript code."""
    from trtbuild.sources.torchscript_code import _found_in

    return [each.word for each in _found_in("code/x.py", code.encode())]
