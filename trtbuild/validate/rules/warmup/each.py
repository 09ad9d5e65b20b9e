"""The warm-up inputs that the server makes, walked once for all rules.

A sample of batch size 0 is skipped, and none is made for models whose instances are all passive.
Source: Triton core, backend_model_instance.cc (GenerateWarmupData).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from trtbuild.validate.finding import FieldPath
from trtbuild.validate.model import Model


class WarmInput(NamedTuple):
    """One input of one warm-up sample."""

    sample: int
    name: str
    entry: Any  # inference.ModelWarmup.Input

    def at(self, *field: str | int) -> FieldPath:
        """The place of one of its fields."""
        return ("model_warmup", self.sample, "inputs", self.name, *field)


def samples(model: Model) -> Iterator[tuple[int, Any]]:
    """Number and `ModelWarmup` of those that are run."""
    groups = model.config.instance_group
    if model.is_ensemble or (groups and all(group.passive for group in groups)):
        return
    for index, sample in enumerate(model.config.model_warmup):
        if sample.batch_size:
            yield index, sample


def warm_inputs(model: Model) -> Iterator[WarmInput]:
    """All inputs of all samples, in the order of their names."""
    for index, sample in samples(model):
        for name in sorted(sample.inputs):
            yield WarmInput(index, name, sample.inputs[name])
