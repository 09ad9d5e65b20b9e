"""What a model has done: the numbers behind the statistics extension and the metrics.

Written on the event loop's thread only, once a batch wherever a sum will do.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trtserve.errors import REASONS, ServeError

if TYPE_CHECKING:
    from trtserve.schedulers.loop import Outcome
    from trtserve.schedulers.policy import Batch

# Upper bounds of latency buckets, in microseconds: powers of two, so that a bucket is a bit length.
BUCKETS_US = tuple(1 << exponent for exponent in range(6, 26))  # 64 us .. 33.5 s
# Index of a latency's bucket, by the bit length of its microseconds.
_BUCKET = [min(max(0, bits - 6), len(BUCKETS_US)) for bits in range(65)]


class Duration:
    """How often, and how long together."""

    __slots__ = ("count", "ns")

    def __init__(self) -> None:
        self.count = 0
        self.ns = 0

    def add(self, ns: int, count: int = 1) -> None:
        """`count` times, `ns` together."""
        self.count += count
        self.ns += ns

    def to_json(self) -> dict[str, int]:
        """As the statistics extension says it."""
        return {"count": self.count, "ns": self.ns}


class BatchDurations:
    """The time of executions at one batch size."""

    __slots__ = ("infer", "input", "output")

    def __init__(self) -> None:
        self.input = Duration()
        self.infer = Duration()
        self.output = Duration()


class ModelStatistics:
    """One version of one model, since it was first loaded."""

    def __init__(self) -> None:
        self.last_inference_ms = 0
        self.inference_count = 0  # batch entries
        self.execution_count = 0
        self.success = Duration()
        self.fail = Duration()
        self.queue = Duration()
        self.input = Duration()
        self.infer = Duration()
        self.output = Duration()
        self.batches: dict[int, BatchDurations] = defaultdict(BatchDurations)
        self.failures = dict.fromkeys(REASONS, 0)
        self.latency = [0] * (len(BUCKETS_US) + 1)  # of successful requests, not cumulative

    def failed(self, error: ServeError, ns: int) -> None:
        """A request ended in an error after `ns`."""
        self.fail.add(ns)
        self.failures[error.status.reason] += 1

    def executed(self, batch: Batch, outcome: Outcome) -> None:
        """A batch ran."""
        answers, started, infer_started, infer_ended, ended = outcome
        count = len(batch.requests)
        self.last_inference_ms = time.time_ns() // 1_000_000
        arrived = [request.started_ns for request in batch.requests]
        good, rows = count, batch.rows
        if ServeError in set(map(type, answers)):
            arrived, rows = self._good(batch, answers, ended)
            good = len(arrived)
        self._latencies(arrived, ended)
        together = sum(arrived)
        waited, taken = started * good - together, ended * good - together
        if not good:
            return
        self.success.add(taken, good)
        self.inference_count += rows
        self.execution_count += 1
        input_ns = infer_started - started
        infer_ns = infer_ended - infer_started
        output_ns = ended - infer_ended
        self.queue.add(waited, good)
        # Triton counts a batch's time once for each of its requests.
        self.input.add(input_ns * count, good)
        self.infer.add(infer_ns * count, good)
        self.output.add(output_ns * count, good)
        at_size = self.batches[batch.rows]
        at_size.input.add(input_ns)
        at_size.infer.add(infer_ns)
        at_size.output.add(output_ns)

    def _good(self, batch: Batch, answers: Sequence[object], ended: int) -> tuple[list[int], int]:
        """When those requests arrived that did not fail, and their rows; count the others."""
        arrived, rows = [], 0
        for request, answer in zip(batch.requests, answers, strict=True):
            if isinstance(answer, ServeError):
                self.failed(answer, ended - request.started_ns)
            else:
                arrived.append(request.started_ns)
                rows += request.call.rows
        return arrived, rows

    def _latencies(self, arrived: Sequence[int], ended: int) -> None:
        """Count each request in the bucket of its latency; mostly all are of one bucket."""
        if not arrived:
            return
        shortest = _BUCKET[((ended - max(arrived)) // 1000).bit_length()]
        longest = _BUCKET[((ended - min(arrived)) // 1000).bit_length()]
        if shortest == longest:
            self.latency[longest] += len(arrived)
            return
        for ns in arrived:
            self.latency[_BUCKET[((ended - ns) // 1000).bit_length()]] += 1

    def to_json(self, name: str, version: str) -> dict[str, Any]:
        """One entry of `model_stats`."""
        nothing = Duration().to_json()
        return {
            "name": name,
            "version": version,
            "last_inference": self.last_inference_ms,
            "inference_count": self.inference_count,
            "execution_count": self.execution_count,
            "inference_stats": {
                "success": self.success.to_json(),
                "fail": self.fail.to_json(),
                "queue": self.queue.to_json(),
                "compute_input": self.input.to_json(),
                "compute_infer": self.infer.to_json(),
                "compute_output": self.output.to_json(),
                "cache_hit": nothing,
                "cache_miss": nothing,
            },
            "response_stats": {},
            "batch_stats": [
                {
                    "batch_size": size,
                    "compute_input": each.input.to_json(),
                    "compute_infer": each.infer.to_json(),
                    "compute_output": each.output.to_json(),
                }
                for size, each in sorted(self.batches.items())
            ],
            "memory_usage": [],
        }
