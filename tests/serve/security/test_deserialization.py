"""Nothing of a request can become code, an object, an archive or a fetch (CVE-2024-2912,
CVE-2024-50050, CVE-2022-1471, CVE-2023-43654): the server imports nothing that could do it.
"""

from __future__ import annotations

import ast
from pathlib import Path

import trtserve

_BANNED = {
    "pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib",
    "yaml", "zmq", "tarfile", "zipfile", "urllib.request", "requests", "httpx", "aiohttp",
}  # fmt: skip
ROOT = Path(trtserve.__file__).parent


def test_the_server_imports_no_deserializer_and_no_fetcher() -> None:
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{a.name}" for a in node.names)]
            found |= {(path.name, n) for n in names if n in _BANNED or n.split(".")[0] in _BANNED}
    assert found == set()


def test_nothing_is_evaluated() -> None:
    calls = {
        (path.name, node.func.id)
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        and node.func.id in ("eval", "exec", "compile")
    }  # fmt: skip
    assert calls == set()


def test_numpy_never_unpickles() -> None:
    users = [path.name for path in ROOT.rglob("*.py") if "np.load" in path.read_text()]
    assert users == []
