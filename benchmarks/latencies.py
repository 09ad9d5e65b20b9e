"""Percentiles of latencies, of the requests sent and corrected for coordinated omission.

A client that waits for each answer sends nothing while the server, or the machine under it, stands
still: of 30,000 requests in two seconds one waits 30 ms, and no percentile shows it. wrk 4 puts
back what was left out, at the mean interval between the requests of a connection, before it prints
its percentiles: its p99 is by time, not by request, and one pause of 30 ms in two seconds is more
than the slowest 1 % of it. Both are worth knowing: how long requests take, and how long whoever is
asked stands still.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Latencies(NamedTuple):
    """How often each latency was seen: `counts[us]`, int64, [longest + 1]."""

    counts: np.ndarray

    def percentile_ms(self, percent: float) -> float:
        seen = np.cumsum(self.counts)
        return float(np.searchsorted(seen, seen[-1] * percent / 100)) / 1000

    def corrected(self, interval_us: int) -> Latencies:
        """With what was left out: behind one of n us those of n - interval, n - 2 intervals..."""
        counts = self.counts.copy()
        for us in np.flatnonzero(self.counts[2 * interval_us :]) + 2 * interval_us:
            counts[us - interval_us : interval_us : -interval_us] += self.counts[us]
        return Latencies(counts)

    def as_sent(self, interval_us: int) -> Latencies:
        """What `corrected` was made of: the longest are as they were, so from there downwards."""
        counts = self.counts.copy()
        for us in range(len(counts) - 1, 2 * interval_us - 1, -1):
            if counts[us]:
                counts[us - interval_us : interval_us : -interval_us] -= counts[us]
        return Latencies(counts)
