"""Code of the user's own: imported from where it lies, its errors told with their place."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from trtbuild.errors import SourceError, first_line


def split_factory(location: str) -> tuple[str, str]:
    """`file.py:factory` or `package.module:factory` as its two parts; ("...", "") for a path."""
    match = re.fullmatch(r"(.+\.py|[A-Za-z_][\w.]*):([A-Za-z_][\w.]*)", location)
    if match is None or Path(location).exists():
        return location, ""
    return match[1], match[2]


def import_code(file: str) -> ModuleType:
    """Import as `python FILE` or `python -m` would find it: neighbours can be imported."""
    if not file.endswith(".py"):
        sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(file)
    path = Path(file).absolute()
    sys.path.insert(0, str(path.parent))
    name = f"trtbuild_users_{path.stem}"  # a file may be called torch.py
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def function_in(namespace: ModuleType, name: str, location: str) -> Any:
    """What `name` (dotted) means in `namespace`. Raises `SourceError` where it cannot be called."""
    function: Any = namespace
    for part in name.split("."):
        function = getattr(function, part, None)
    if function is None or not callable(function):
        what = "there is no such name" if function is None else f"it is {kind_of(function)}"
        own = [
            key
            for key, value in vars(namespace).items()
            if callable(value) and getattr(value, "__module__", "") == namespace.__name__
        ]
        raise SourceError(
            f"'{location}' cannot be called: {what}",
            f"its functions and classes are: {', '.join(own) or '(none)'}",
        )
    return function


def tensorrt_is(trt: Any) -> None:
    """From here on `import tensorrt` is `trt`, whichever package that came from."""
    sys.modules.setdefault("tensorrt", trt)


@contextlib.contextmanager
def users_errors(location: str, file: str) -> Iterator[None]:
    """Every error inside, as a `SourceError` with the last line of the user's traceback."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise SourceError(f"'{location}' failed: {told(error, file)}") from error


def told(error: BaseException, file: str) -> str:
    """`ValueError: no weights (net.py, line 3, in define)`: an error of code in `file`."""
    return f"{type(error).__name__}: {first_line(error)}{_place(error, file)}"


def _place(error: BaseException, file: str) -> str:
    """The innermost line of the user's own code, where there is one."""
    if isinstance(error, SyntaxError):
        return ""  # its message has the place
    frames = traceback.extract_tb(error.__traceback__)
    folder = str(Path(file).absolute().parent if file.endswith(".py") else Path.cwd())
    own = [frame for frame in frames if _is_own(frame.filename, folder)]
    return f" ({own[-1].filename}, line {own[-1].lineno}, in {own[-1].name})" if own else ""


def _is_own(filename: str, folder: str) -> bool:
    """In `folder`, and neither trtbuild nor an installed package that lies below it."""
    package = str(Path(__file__).parent)
    return (
        filename.startswith(folder)
        and "site-packages" not in filename
        and not filename.startswith(package)
    )


def kind_of(value: Any) -> str:
    """A value in a message: "None", "a dict"."""
    return "None" if value is None else f"a {type(value).__name__}"
