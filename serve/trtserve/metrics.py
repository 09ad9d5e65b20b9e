"""Prometheus text with Triton's metric names (core/src/metrics.cc), and latency histograms.

Rendered from the models' statistics when somebody asks; requests pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from trtbuild.printable import printable
from trtserve.machine import MACHINE_METRICS, Machine, Reading
from trtserve.models import Models
from trtserve.protocols.http1 import HttpRequest
from trtserve.protocols.v2_json import error_body
from trtserve.sockets.http1 import JSON, HttpProtocol
from trtserve.statistics import BUCKETS_US
from trtserve.version import Version


class _Metric(NamedTuple):
    name: str
    kind: str
    help: str
    value: Callable[[Version], float]


_METRICS = (
    _Metric("nv_inference_request_success", "counter",
            "Number of successful inference requests, all batch sizes",
            lambda v: v.statistics.requests.count),
    _Metric("nv_inference_count", "counter",
            "Number of inferences performed (does not include cached requests)",
            lambda v: v.statistics.inference_count),
    _Metric("nv_inference_exec_count", "counter",
            "Number of model executions performed (does not include cached requests)",
            lambda v: v.statistics.execution_count),
    _Metric("nv_inference_request_duration_us", "counter",
            "Cumulative inference request duration in microseconds (includes cached requests)",
            lambda v: (v.statistics.success_ns + v.statistics.fail_ns) // 1000),
    _Metric("nv_inference_queue_duration_us", "counter",
            "Cumulative inference queuing duration in microseconds (includes cached requests)",
            lambda v: v.statistics.queue_ns // 1000),
    _Metric("nv_inference_compute_input_duration_us", "counter",
            "Cumulative compute input duration in microseconds (does not include cached requests)",
            lambda v: v.statistics.requests.input_ns // 1000),
    _Metric("nv_inference_compute_infer_duration_us", "counter",
            "Cumulative compute inference duration in microseconds (does not include cached"
            " requests)",
            lambda v: v.statistics.requests.infer_ns // 1000),
    _Metric("nv_inference_compute_output_duration_us", "counter",
            "Cumulative inference compute output duration in microseconds (does not include cached"
            " requests)",
            lambda v: v.statistics.requests.output_ns // 1000),
    _Metric("nv_inference_pending_request_count", "gauge",
            "Instantaneous number of pending requests awaiting execution per-model.",
            lambda v: v.runner.waiting),
    _Metric("nv_model_load_duration_secs", "gauge", "Model load time in seconds",
            lambda v: v.load_s),
)  # fmt: skip


def render(models: Models, machine: Machine) -> str:
    """All metrics in Prometheus' text format."""
    lines = (*_lines(models.loaded()), *_machine(machine.readings()))
    return "".join(f"{line}\n" for line in lines)


def _machine(readings: Iterable[Reading]) -> Iterator[str]:
    by_metric: dict[str, list[Reading]] = {}
    for reading in readings:
        by_metric.setdefault(reading.metric, []).append(reading)
    for name, found in by_metric.items():
        yield from _head(name, *MACHINE_METRICS[name])
        for reading in found:
            labels = f'{{gpu_uuid="{reading.gpu_uuid}"}}' if reading.gpu_uuid else ""
            yield f"{name}{labels} {reading.value}"


def _lines(versions: list[Version]) -> Iterator[str]:
    for metric in _METRICS:
        yield from _head(metric.name, metric.kind, metric.help)
        for version in versions:
            yield f"{metric.name}{{{_labels(version)}}} {metric.value(version)}"
    yield from _failures(versions)
    yield from _latency(versions)
    yield from _fallbacks(versions)


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _labels(version: Version) -> str:
    return f'model="{_escaped(version.name)}",version="{version.number}"'


def _escaped(text: str) -> str:
    """A label's value: printable, then as the format wants it."""
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


def _failures(versions: list[Version]) -> Iterator[str]:
    name = "nv_inference_request_failure"
    yield from _head(name, "counter", "Number of failed inference requests, all batch sizes")
    for version in versions:
        for reason, count in version.statistics.failures.items():
            yield f'{name}{{{_labels(version)},reason="{reason}"}} {count}'


def _latency(versions: list[Version]) -> Iterator[str]:
    name = "trtserve_request_latency_seconds"
    yield from _head(name, "histogram", "Successful requests from first byte read to answer")
    for version in versions:
        labels, total = _labels(version), 0
        for bound, count in zip(BUCKETS_US, version.statistics.latency, strict=False):
            total += count
            yield f'{name}_bucket{{{labels},le="{bound / 1e6:g}"}} {total}'
        total += version.statistics.latency[-1]
        yield f'{name}_bucket{{{labels},le="+Inf"}} {total}'
        yield f"{name}_sum{{{labels}}} {version.statistics.success_ns / 1e9}"
        yield f"{name}_count{{{labels}}} {total}"


def _fallbacks(versions: list[Version]) -> Iterator[str]:
    name = "trtserve_model_fallback"
    yield from _head(name, "gauge", "1: the model runs otherwise than its config says; see note")
    for version in versions:
        note = f',note="{_escaped(version.note)}"' if version.note else ""
        yield f"{name}{{{_labels(version)}{note}}} {int(bool(version.note))}"
    name = "trtserve_model_runs_on"
    yield from _head(name, "gauge", "1: what runs the model, on which device: its plan, or another")
    for version in versions:
        yield f'{name}{{{_labels(version)},runs_on="{_escaped(version.runs_on)}"}} 1'


class MetricsApi:
    """Serves GET /metrics."""

    max_body_bytes = 0

    def __init__(self, models: Models) -> None:
        self._models = models
        self._machine = Machine()

    def handle(self, request: HttpRequest, exchange: HttpProtocol, started_ns: int) -> None:  # noqa: ARG002  # the shape of HttpApplication
        """Answer a scrape."""
        if request.head.path != "/metrics":
            exchange.respond(404, JSON, [error_body("there is only /metrics here")])
            return
        if request.head.method not in ("GET", "HEAD"):
            message = f"{request.head.method} is not allowed here"
            exchange.respond(405, (*JSON, ("Allow", "GET, HEAD")), [error_body(message)])
            return
        headers = (("Content-Type", "text/plain; version=0.0.4; charset=utf-8"),)
        exchange.respond(
            200, headers, [render(self._models, self._machine).encode(errors="replace")]
        )
