"""Which tensor of a graph departs first: decides what to look at next. Pure and light.

A tensor is right or departs. What departs is looked for among the tensors that a departing one is
computed from; what those that are right are computed from is taken to be right as well. A look
costs a build of the plan, in which a handful of tensors is marked as outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec


class Candidate(msgspec.Struct, frozen=True):
    """A tensor that can be looked at, and the node that makes it."""

    tensor: str
    node: str
    op: str
    inputs: tuple[str, ...]  # the nearest candidates that it is computed from


class Search:
    """The search among `candidates`, in topological order, below `departing`, one of them."""

    def __init__(self, candidates: Sequence[Candidate], departing: str) -> None:
        self._by_tensor = {each.tensor: each for each in candidates}
        self._order = {each.tensor: index for index, each in enumerate(candidates)}
        self._right: set[str] = set()
        self.departing = departing

    @property
    def suspects(self) -> list[Candidate]:
        """What may depart first, in topological order; the last is known to depart."""
        found = self._behind([self.departing]) - self._behind(self._right)
        return [self._by_tensor[name] for name in sorted(found, key=self._order.__getitem__)]

    def marks(self, count: int) -> list[str]:
        """Up to `count` suspects that part them evenly; none where one suspect is left."""
        open_ = [each.tensor for each in self.suspects[:-1]]
        if len(open_) <= count:
            return open_
        return [open_[(index + 1) * len(open_) // (count + 1)] for index in range(count)]

    def learn(self, departs: Mapping[str, bool]) -> None:
        """What a look at some tensors showed."""
        known = [name for name in departs if name in self._order]
        suspects = {each.tensor for each in self.suspects}
        wrong = [name for name in known if departs[name] and name in suspects]
        if wrong:
            self.departing = min(wrong, key=self._order.__getitem__)
        behind = self._behind([self.departing])
        self._right |= {name for name in known if not departs[name] and name in behind}

    def _behind(self, tensors: Iterable[str]) -> set[str]:
        """`tensors` and all candidates that they are computed from."""
        found, waiting = set(tensors), list(tensors)
        while waiting:
            for name in self._by_tensor[waiting.pop()].inputs:
                if name not in found:
                    found.add(name)
                    waiting.append(name)
        return found
