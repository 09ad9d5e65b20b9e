"""Small repositories from text: `-- path --` lines, each followed by the file's content.

A path that ends in `/` is an empty folder; `-- path -> target --` is a symbolic link;
`-- path = ... --` is a model file made from its interface (see modelfiles_made.py). Without such
lines the whole text is the config of a model `demo` with one version.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.validate.modelfiles_made import make

_MARK = re.compile(r"^-- (.*) --$", re.MULTILINE)
MODEL_PY = b"""class TritonPythonModel:
    def execute(self, requests):
        return []
"""


def files_of(text: str) -> dict[str, bytes]:
    """Path -> content. Empty `model.py` files get a model that does nothing."""
    parts = _MARK.split(text)
    if len(parts) == 1:
        return {"demo/config.pbtxt": _bytes(text), "demo/1/model.py": MODEL_PY}
    files = {}
    for mark, content in zip(parts[1::2], parts[2::2], strict=True):
        path, _, interface = mark.partition(" = ")
        files[path] = make(interface) if interface else _bytes(content.removeprefix("\n"))
    empty = [path for path, content in files.items() if not content and path.endswith("model.py")]
    return files | dict.fromkeys(empty, MODEL_PY)


def _bytes(text: str) -> bytes:
    return text.replace("\\0", "\0").encode()


def options_of(text: str) -> list[str]:
    """What `# trtbuild: fixture ...` on the first line asks for."""
    first = text.partition("\n")[0]
    return first.split()[3:] if first.startswith("# trtbuild: fixture") else []


def write(directory: Path, files: dict[str, bytes]) -> None:
    """Write `files` below `directory`."""
    for path, content in files.items():
        link = path.partition(" -> ")
        target = directory / link[0]
        target.parent.mkdir(parents=True, exist_ok=True)
        if link[2]:
            target.symlink_to(link[2])
        elif path.endswith("/"):
            target.mkdir(exist_ok=True)
        else:
            target.write_bytes(content)
