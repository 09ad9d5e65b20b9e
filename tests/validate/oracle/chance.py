"""What a generated case is made of: draws from hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


Draw = Callable[[st.SearchStrategy[Any]], Any]


class Chance:
    """What a case is made of, drawn from hypothesis so that failing cases shrink."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw

    def one_in(self, number: int) -> bool:
        """True once in `number` times; False is the simpler one."""
        return bool(self._draw(st.integers(0, number - 1)) == number - 1)

    def pick(self, *values: T) -> T:
        """One of `values`, the first the simplest."""
        return values[self._draw(st.integers(0, len(values) - 1))]

    def some(self, make: Callable[[], T], most: int) -> list[T]:
        """Up to `most` values."""
        return [make() for _ in range(self._draw(st.integers(0, most)))]

    def usually(self, value: T, *others: T, odd: int = 12) -> T:
        """`value`, and once in `odd` times one of `others`."""
        return self.pick(*others) if self.one_in(odd) else value
