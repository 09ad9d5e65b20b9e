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


class Times:
    """Of executions, or of requests in them: how many, and how long together."""

    __slots__ = ("count", "infer_ns", "input_ns", "output_ns")

    def __init__(self) -> None:
        self.count = 0
        self.input_ns = 0
        self.infer_ns = 0
        self.output_ns = 0

    def to_json(self) -> dict[str, dict[str, int]]:
        """As the statistics extension says it."""
        return {
            "compute_input": _duration(self.count, self.input_ns),
            "compute_infer": _duration(self.count, self.infer_ns),
            "compute_output": _duration(self.count, self.output_ns),
        }


def _duration(count: int, ns: int) -> dict[str, int]:
    return {"count": count, "ns": ns}


class ModelStatistics:
    """One version of one model, since it was first loaded."""

    def __init__(self) -> None:
        self.last_inference_ms = 0
        self.inference_count = 0  # batch entries
        self.execution_count = 0
        self.success_ns = 0  # of the requests that are counted in `requests`
        self.queue_ns = 0
        self.requests = Times()
        self.fail_count = 0
        self.fail_ns = 0
        self.batches: dict[int, Times] = defaultdict(Times)  # of executions, by batch size
        self.failures = dict.fromkeys(REASONS, 0)
        self.latency = [0] * (len(BUCKETS_US) + 1)  # of successful requests, not cumulative

    def failed(self, error: ServeError, ns: int) -> None:
        """A request ended in an error after `ns`."""
        self.fail_count += 1
        self.fail_ns += ns
        self.failures[error.status.reason] += 1

    def executed(self, batch: Batch, outcome: Outcome) -> None:
        """A batch ran."""
        answers, started, infer_started, infer_ended, ended, _ = outcome
        count = len(batch.requests)
        self.last_inference_ms = time.time_ns() // 1_000_000
        arrived = [request.started_ns for request in batch.requests]
        good, rows = count, batch.rows
        if ServeError in set(map(type, answers)):
            arrived, rows = self._good(batch, answers, ended)
            good = len(arrived)
        if not good:
            return
        self._latencies(arrived, ended)
        together = sum(arrived)
        self.success_ns += ended * good - together
        self.queue_ns += started * good - together
        self.inference_count += rows
        self.execution_count += 1
        at_size = self.batches[batch.rows]
        at_size.count += 1
        at_size.input_ns += (input_ns := infer_started - started)
        at_size.infer_ns += (infer_ns := infer_ended - infer_started)
        at_size.output_ns += (output_ns := ended - infer_ended)
        # Triton counts a batch's time once for each of its requests.
        requests = self.requests
        requests.count += good
        requests.input_ns += input_ns * count
        requests.infer_ns += infer_ns * count
        requests.output_ns += output_ns * count

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
        shortest = _BUCKET[((ended - max(arrived)) // 1000).bit_length()]
        longest = _BUCKET[((ended - min(arrived)) // 1000).bit_length()]
        if shortest == longest:
            self.latency[longest] += len(arrived)
            return
        for ns in arrived:
            self.latency[_BUCKET[((ended - ns) // 1000).bit_length()]] += 1

    def to_json(self, name: str, version: str) -> dict[str, Any]:
        """One entry of `model_stats`."""
        good = self.requests.count
        return {
            "name": name,
            "version": version,
            "last_inference": self.last_inference_ms,
            "inference_count": self.inference_count,
            "execution_count": self.execution_count,
            "inference_stats": {
                "success": _duration(good, self.success_ns),
                "fail": _duration(self.fail_count, self.fail_ns),
                "queue": _duration(good, self.queue_ns),
                **self.requests.to_json(),
                "cache_hit": _duration(0, 0),
                "cache_miss": _duration(0, 0),
            },
            "response_stats": {},
            "batch_stats": [
                {"batch_size": size, **each.to_json()}
                for size, each in sorted(self.batches.items())
            ],
            "memory_usage": [],
        }
