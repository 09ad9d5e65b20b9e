"""Something that this release of Triton does not know yet.

What: with `--triton`, a field of the config, a platform or a place for configs that came with a
later release: `runtime` (24.01), `configs/*.pbtxt` (24.05), `is_non_linear_format_io` (24.08),
`model_metrics` (24.11), `max_inflight_requests` (25.11), the platform `torch_aoti` and the file
`model.pt2` (26.03).
Why: Triton refuses the model: "has no field named", "unexpected platform type". Configs in
`configs/` are not read, which is a warning.

Example:
    # trtbuild: fixture --triton 24.10
    -- demo/config.pbtxt --
    backend: "mybackend"
    model_metrics {
      metric_control {
        metric_identifier { family: "nv_inference_first_response_histogram_ms" }
        histogram_options { buckets: [1, 2] }
      }
    }
    -- demo/1/ --

Instead:

    # trtbuild: fixture --triton 24.11
    -- demo/config.pbtxt --
    backend: "mybackend"
    model_metrics {
      metric_control {
        metric_identifier { family: "nv_inference_first_response_histogram_ms" }
        histogram_options { buckets: [1, 2] }
      }
    }
    -- demo/1/ --

Source: Triton common, model_config.proto, and core, constants.h, in the branches r23.11 to r26.08;
tried on Triton 2.51.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trtbuild.repository.layout import VARIANTS
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.releases import named

NAME = "newer-than-the-server"
SEVERITY = Severity.ERROR
RELEASES = "Each thing until the release that it came with; only with --triton"
# A path of the config, without indexes -> the release that it came with.
FIELDS = {
    "runtime": "24.01",
    "input.is_non_linear_format_io": "24.08",
    "output.is_non_linear_format_io": "24.08",
    "model_metrics": "24.11",
    "ensemble_scheduling.max_inflight_requests": "25.11",
}
_AOTI = "26.03"
_VARIANTS = "24.05"
_INDEX = re.compile(r'\[(?:\d+|".*?")\]')


def check(model: Model) -> Iterator[Finding]:
    """One finding a field, and one about the platform."""
    settings = model.settings
    if settings.triton is None:
        return
    seen = set()
    for path, spans in model.document.index.items():
        plain = _INDEX.sub("", path)
        since = FIELDS.get(plain, "")
        if since and settings.runs_before(since) and spans[-1].name not in seen:
            seen.add(spans[-1].name)
            yield Finding(
                message=f"{settings.triton} has no field '{plain}': it came with {named(since)}",
                offset=spans[-1].name,
                hint=f"take it out, or run {since} or newer",
            )
    if settings.runs_before(_AOTI) and (
        model.platform == "torch_aoti" or model.config.default_model_filename == "model.pt2"
    ):
        yield Finding(
            message=f"{settings.triton} has no platform 'torch_aoti': it came with {named(_AOTI)}",
            at=("platform",) if model.config.platform else (),
            hint=f"save the model as TorchScript, or run {_AOTI} or newer",
        )
    if settings.runs_before(_VARIANTS) and model.path.parent.name == VARIANTS:
        yield Finding(
            message=f"{settings.triton} does not read {VARIANTS}/{model.path.name}: "
            f"--model-config-name came with {named(_VARIANTS)}",
            hint=f"write config.pbtxt, or run {_VARIANTS} or newer",
            severity=Severity.WARNING,
        )
