"""The controls of a sequence batcher, walked once for all rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trtbuild.validate.finding import FieldPath
from trtbuild.validate.model import Model

# enum Control.Kind, in order
KINDS = (
    "CONTROL_SEQUENCE_START",
    "CONTROL_SEQUENCE_READY",
    "CONTROL_SEQUENCE_END",
    "CONTROL_SEQUENCE_CORRID",
)
CORRID = KINDS.index("CONTROL_SEQUENCE_CORRID")
LISTS = ("int32_false_true", "fp32_false_true", "bool_false_true")


def controls(model: Model) -> Iterator[tuple[FieldPath, Any, Any]]:
    """Place, `control_input` and `control` of each."""
    for index, entry in enumerate(model.config.sequence_batching.control_input):
        for number, control in enumerate(entry.control):
            at = ("sequence_batching", "control_input", index, "control", number)
            yield at, entry, control
