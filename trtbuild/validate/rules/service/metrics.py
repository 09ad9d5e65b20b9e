"""A metric control without its parts.

What: `model_metrics.metric_control` without a `metric_identifier` or its `family`, without
`histogram_options`, or without `buckets`.
Why: Triton refuses the model.

Example:
    backend: "python"
    model_metrics {
      metric_control {
        metric_identifier { family: "nv_inference_first_response_histogram_ms" }
      }
    }

Instead:

    backend: "python"
    model_metrics {
      metric_control {
        metric_identifier { family: "nv_inference_first_response_histogram_ms" }
        histogram_options { buckets: [ 1, 10, 100 ] }
      }
    }

Source: Triton core, model_config_utils.cc. Triton 2.51 does not know `model_metrics` yet and
refuses every config with it.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "metric-control"
SEVERITY = Severity.ERROR
NEEDS = "model_metrics"


def check(model: Model) -> Iterator[Finding]:
    """One finding a control."""
    for index, control in enumerate(model.config.model_metrics.metric_control):
        missing = (
            "metric_identifier"
            if not control.HasField("metric_identifier")
            else "metric_identifier.family"
            if not control.metric_identifier.family
            else "histogram_options"
            if control.WhichOneof("metric_options") is None
            else "histogram_options.buckets"
            if not control.histogram_options.buckets
            else ""
        )
        if missing:
            yield Finding(
                message=f"the metric control has no {missing}",
                at=("model_metrics", "metric_control", index),
                hint=f"write {missing}",
            )
