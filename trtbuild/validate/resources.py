"""The rate limiter's resources of models, and where models disagree on one.

A resource is either global or counted per device, over all models of a server; instances that are
passive are not registered. Source: Triton core, rate_limiter.cc (ValidateMaxResources); tried on
Triton 2.51 with `--rate-limit=execution_count`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from trtbuild.validate.finding import FieldPath
    from trtbuild.validate.model import Model


class Resource(NamedTuple):
    """One entry of a rate limiter."""

    name: str
    is_global: bool
    at: FieldPath


def resources(model: Model) -> Iterator[Resource]:
    """Those of its instance groups that are not passive."""
    for index, group in enumerate(model.config.instance_group):
        for number, entry in enumerate(() if group.passive else group.rate_limiter.resources):
            at = ("instance_group", index, "rate_limiter", "resources", number)
            yield Resource(entry.name, getattr(entry, "global"), at)


Holders = Mapping[tuple[str, bool], Sequence[str]]  # resource, global or not -> models' names


def holders(models: Sequence[Model]) -> Holders:
    """Which models have each resource, by name in their order."""
    found: dict[tuple[str, bool], dict[str, None]] = {}
    for model in models:
        for resource in resources(model):
            found.setdefault((resource.name, resource.is_global), {})[model.name] = None
    return {key: tuple(names) for key, names in found.items()}
