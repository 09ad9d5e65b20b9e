"""Whether packages load. Runs in a worker process, which what crashes at import ends alone."""

from __future__ import annotations

import importlib

from trtbuild.errors import first_line


def problem_of(modules: tuple[str, ...]) -> str:
    """Why the first of `modules` that does not load does not; empty where all do."""
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # a package may raise anything
            return f"{module} does not load: {first_line(error)}"
    return ""
