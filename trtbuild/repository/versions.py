"""Which folders of a model are versions, and which of those its version policy selects.

Source: Triton core, model_lifecycle.cc (VersionsToLoad) and constants.h; checked on a running 2.51.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trtbuild.modelconfig.schema import Config

# Folders of a model that are never versions.
RESERVED = frozenset({"warmup", "initial_state", "configs"})
_STOLL = re.compile(r"[ \t\n\v\f\r]*([+-]?)(\d+)", re.ASCII)
INT64_MAX = 2**63 - 1


def version_from_name(name: str) -> int | None:
    """The version that Triton takes a folder for, None where it ignores the folder.

    It reads as C's `stoll` does: leading space, a sign, digits; what follows is not looked at,
    so `1abc` is 1. A number over 63 bits is returned as it is: it ends the server.
    """
    if name in RESERVED or (len(name) > 1 and name.startswith("0")):
        return None
    return leading_number(name)


def version_of_folder(name: str) -> int | None:
    """The version whose folder Triton opens under exactly this name; None for any other name.

    `1abc` is none: it is taken for version 1 and then looked for under `1`.
    """
    version = version_from_name(name)
    if version is None or version < 0 or overflows(version):
        return None
    return version if str(version) == name else None


def overflows(version: int) -> bool:
    """Whether `stoll` cannot hold the number: Triton dies of the exception."""
    return not -(2**63) <= version <= INT64_MAX


def selected_versions(config: Config, existing: Collection[int]) -> set[int]:
    """What the version policy picks of `existing`; without one, the highest number alone."""
    policy = config.version_policy
    choice = policy.WhichOneof("policy_choice") if config.HasField("version_policy") else None
    if choice == "all":
        return set(existing)
    if choice == "specific":
        return set(existing) & set(policy.specific.versions)
    count = policy.latest.num_versions if choice == "latest" else 1
    return set(sorted(existing, reverse=True)[:count])


def leading_number(text: str) -> int | None:
    """The number `text` begins with, as C's `stoi` reads it; None where it begins with none.

    Of a number that no 63 bits hold the first digits are enough to tell that.
    """
    match = _STOLL.match(text)
    return int(match[1] + (match[2].lstrip("0")[:20] or "0")) if match else None
