"""Shapes as a model sees them, where its config reshapes inputs or outputs.

Triton does this for every backend (core/src/infer_request.cc and infer_response.cc).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Shape = tuple[int, ...]


class Reshapes:
    """The reshapes of one kind of tensor, "input" or "output", of a config in JSON form."""

    def __init__(self, config: Mapping[str, Any], kind: str) -> None:
        self._batch = 1 if config.get("max_batch_size") else 0
        self._rules: dict[str, tuple[Shape, Shape]] = {
            tensor["name"]: (tuple(tensor["dims"]), tuple(tensor["reshape"].get("shape", ())))
            for tensor in config.get(kind, ())
            if "reshape" in tensor
        }

    def __bool__(self) -> bool:
        return bool(self._rules)

    def to_model(self, name: str, shape: Shape) -> Shape:
        """A client's shape as the model sees it; it fits the config's dims."""
        rule = self._rules.get(name)
        return shape if rule is None else self._changed(shape, *rule)

    def to_client(self, name: str, shape: Shape) -> Shape:
        """A model's shape as clients see it; unchanged where it is not as the config says."""
        rule = self._rules.get(name)
        if rule is None or len(shape) != self._batch + len(rule[1]):
            return shape
        return self._changed(shape, rule[1], rule[0])

    def _changed(self, shape: Shape, dims: Sequence[int], into: Sequence[int]) -> Shape:
        """Variable dims take the sizes in their order, as Triton pairs them."""
        inner = shape[self._batch :]
        sizes = iter([size for size, dim in zip(inner, dims, strict=True) if dim < 0])
        return shape[: self._batch] + tuple(dim if dim >= 0 else next(sizes) for dim in into)
