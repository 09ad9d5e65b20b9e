"""Each stage's own options, from what the user asked of the whole run.

Which stage cuts and renames depends on the source: a GraphDef is cut by its exporter, a PyTorch
model gets its names there, everything else is cut in ONNX.
"""

from __future__ import annotations

from trtbuild.errors import UsageError
from trtbuild.plan.options import PlanOptions
from trtbuild.plan.profiles import ShapeOptions, shape_options_from_texts
from trtbuild.request import ConvertRequest
from trtbuild.sources.options import SourceOptions
from trtbuild.surgery.options import SurgeryOptions
from trtbuild.tensor import InputOverride, input_override_from_text
from trtbuild.verify.options import VerifyOptions

_NAMED_BY_EXPORTER = ("torch", "torchscript", "exported")
_TAKES_CUTS = ("graphdef", *_NAMED_BY_EXPORTER)


def source_options(request: ConvertRequest, kind: str) -> SourceOptions:
    """For the source stage of a model of `kind`. Raises `UsageError` for a wrong text."""
    if kind in _NAMED_BY_EXPORTER and request.inputs:
        raise UsageError(
            f"--inputs cuts a graph, which a {kind} model has not",
            "name its inputs with --input NAME=DTYPE[DIMS]",
        )
    shapes = shape_options(request)
    return SourceOptions(
        signature=request.signature,
        tags=request.tags,
        inputs=request.inputs if kind == "graphdef" else (),
        outputs=request.outputs if kind == "graphdef" else (),
        overrides=_overrides(request),
        output_names=request.outputs if kind in _NAMED_BY_EXPORTER else (),
        opset=request.opset,
        example_shapes=dict(shapes.opt),
    )


def surgery_options(request: ConvertRequest, kind: str) -> SurgeryOptions:
    """For the surgery stage."""
    cuts = kind not in _TAKES_CUTS
    return SurgeryOptions(
        inputs=request.inputs if cuts else (),
        outputs=request.outputs if cuts else (),
        overrides=() if kind in _NAMED_BY_EXPORTER else _overrides(request),
        precision=request.precision,
        io_precision=request.io_precision,
        sample_shapes=dict(shape_options(request).opt),
    )


def shape_options(request: ConvertRequest) -> ShapeOptions:
    """For the profile. Raises `UsageError` for a wrong text."""
    return shape_options_from_texts(
        request.min_shapes, request.opt_shapes, request.max_shapes, request.max_batch
    )


def plan_options(request: ConvertRequest) -> PlanOptions:
    """For the plan stage."""
    return PlanOptions(
        sharing=request.plans,
        workspace_mib=request.workspace_mib,
        opt_level=request.opt_level,
        timing_cache=request.timing_cache,
    )


def verify_options(request: ConvertRequest) -> VerifyOptions:
    """For the verify stage."""
    return VerifyOptions(rtol=request.rtol, atol=request.atol)


def _overrides(request: ConvertRequest) -> tuple[InputOverride, ...]:
    return tuple(input_override_from_text(text) for text in request.input)
