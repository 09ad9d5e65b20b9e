"""A metric that cannot be customised.

What: the `family` of a metric control is not `nv_inference_first_response_histogram_ms`, the only
histogram whose buckets can be chosen.
Why: the model loads with a warning, and the control has no effect.

Example:
    backend: "python"
    model_metrics {
      metric_control {
        metric_identifier { family: "nv_inference_count" }
        histogram_options { buckets: [ 1, 10, 100 ] }
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

Source: Triton core, metric_model_reporter.cc.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "metric-family"
SEVERITY = Severity.WARNING
NEEDS = "model_metrics"
_FAMILY = "nv_inference_first_response_histogram_ms"


def check(model: Model) -> Iterator[Finding]:
    """One finding a control."""
    for index, control in enumerate(model.config.model_metrics.metric_control):
        family = control.metric_identifier.family
        if family and family != _FAMILY:
            yield Finding(
                message=f"the metric '{family}' has no buckets that a model can choose",
                at=("model_metrics", "metric_control", index, "metric_identifier", "family"),
                hint=f'write family: "{_FAMILY}"',
            )
