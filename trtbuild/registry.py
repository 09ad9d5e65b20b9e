"""Plug-ins are lines in tables of name -> "module:attribute"; this resolves such a line.

Listing the names of a table imports nothing; a plug-in's module is imported when it is used.
"""

from __future__ import annotations

import importlib
from typing import Any


def load(reference: str) -> Any:
    """The object that "package.module:attribute" names.

    Raises `ImportError` or `AttributeError` as Python does: a wrong line in one of our own
    tables is our bug, never the user's.
    """
    module, _, attribute = reference.partition(":")
    value: Any = importlib.import_module(module)
    for part in attribute.split("."):
        value = getattr(value, part)
    return value
