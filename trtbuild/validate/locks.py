"""A version's `trtbuild.lock.json`, read once for all rules."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from trtbuild.errors import RepositoryError
from trtbuild.repository.directory import Directory
from trtbuild.repository.layout import LOCK
from trtbuild.repository.lock import Lock, read_lock
from trtbuild.repository.versions import leading_number


def lock_of(folder: Directory) -> Lock | None:
    """The lock of a version; None where there is none or it is damaged."""
    if LOCK not in folder.files:
        return None
    found = read(folder.path)
    return found if isinstance(found, Lock) else None


def profiles_in_use(config: Any) -> set[int]:
    """The optimization profiles that a model's instances use: 0 where a group names none."""
    groups = [group.profile for group in config.instance_group] or [[]]
    used = {leading_number(text) for group in groups for text in (group or ["0"])}
    return {index for index in used if index is not None}


@functools.lru_cache(maxsize=8)
def read(version: Path) -> Lock | RepositoryError | None:
    """The lock, or why it cannot be read."""
    try:
        return read_lock(version)
    except RepositoryError as error:
        return error
