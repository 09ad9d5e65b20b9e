"""Each stage's own options, from what the user asked of the whole run.

Which stage cuts and renames depends on the source: a GraphDef is cut by its exporter, a PyTorch
model gets its names there, everything else is cut in ONNX.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from trtbuild.bound import bindings_from_texts
from trtbuild.errors import UsageError
from trtbuild.modelconfig.options import ConfigOptions
from trtbuild.plan.options import PlanOptions
from trtbuild.plan.profiles import ShapeOptions, shape_options_from_texts
from trtbuild.plugin_files import plugins_from_paths
from trtbuild.request import ConvertRequest
from trtbuild.sources import NETWORK
from trtbuild.sources.options import SourceOptions
from trtbuild.surgery.options import SurgeryOptions
from trtbuild.tensor import InputOverride, input_override_from_text
from trtbuild.users_code import split_factory
from trtbuild.verify.options import VerifyOptions
from trtbuild.weights_file import check_weights

_NAMED_BY_EXPORTER = ("torch", "torchscript", "exported")
_TAKES_CUTS = ("graphdef", *_NAMED_BY_EXPORTER)
_TRACED = (
    "torch",
    "torchscript",
)  # --input says what to trace them with; surgery has no part in it


class StageOptions(msgspec.Struct, frozen=True):
    """The options of every stage of a run."""

    source: SourceOptions
    surgery: SurgeryOptions
    shapes: ShapeOptions
    plan: PlanOptions
    verify: VerifyOptions
    config: ConfigOptions
    step_limit_s: float  # of each step that loads, exports, operates on or compares the model
    label_files: dict[str, Path]  # name in the model's folder -> where it lies now


def options_of_stages(request: ConvertRequest, kind: str) -> StageOptions:
    """The options for a model of `kind`. Raises `UsageError` for a text that says nothing."""
    if kind in _NAMED_BY_EXPORTER:
        _refuse_cuts(request, kind)
    _check_network(request, kind)
    _check_expected(request)
    overrides = tuple(input_override_from_text(text) for text in request.input)
    shapes = shape_options_from_texts(
        request.min_shapes,
        request.opt_shapes,
        request.max_shapes,
        request.max_batch,
        request.profiles,
    )
    cut_here = kind not in _TAKES_CUTS
    bound = bindings_from_texts(request.bind)
    labels = _labels(request.labels)
    return StageOptions(
        source=_source_options(request, kind, overrides, shapes),
        surgery=SurgeryOptions(
            inputs=request.inputs if cut_here else (),
            outputs=request.outputs if cut_here else (),
            bind=bound,
            bound_by_source=kind in _NAMED_BY_EXPORTER,
            overrides=() if kind in _TRACED else overrides,
            keep_fp32=_kept(request),
            precision=request.precision,
            io_precision=request.io_precision,
            sample_shapes=dict(shapes.opt),
        ),
        shapes=shapes,
        plan=PlanOptions(
            sharing=request.plans,
            workspace_mib=request.workspace_mib,
            opt_level=request.opt_level,
            timing_cache=request.timing_cache,
            require_timing_cache=request.require_timing_cache,
            hardware=request.hardware_compat,
            version_compatible=request.version_compatible,
            weak_precisions=request.weak,
            refittable=request.refittable,
            strip_weights=request.strip_weights,
            tactic_sources=request.tactic_sources,
            capturable=bool(request.cuda_graphs),
            plugins=plugins_from_paths(request.plugins),
        ),
        verify=VerifyOptions(
            rtol=request.rtol,
            atol=request.atol,
            reference=request.reference,
            weights=request.weights,
            samples=request.samples,
        ),
        config=ConfigOptions(
            instances=request.instances or 1,
            max_queue_delay_us=request.max_queue_delay_us,
            preferred_batch=request.preferred_batch,
            labels={output: path.name for output, path in labels.items()},
            warmup=request.warmup,
            cuda_graphs=bool(request.cuda_graphs),
            graph_batch=request.graph_batch,
        ),
        step_limit_s=request.verify_timeout_s,
        label_files={path.name: path for path in labels.values()},
    )


def kind_of(request: ConvertRequest) -> str:
    """The kind that the user gave; weights beside a function say that it defines a network."""
    defines = request.weights is not None and split_factory(request.source)[1]
    return NETWORK if defines and request.kind == "auto" else request.kind


def _refuse_cuts(request: ConvertRequest, kind: str) -> None:
    """An exporter names what it makes: there is no graph yet that could be cut."""
    if request.inputs:
        raise UsageError(
            f"--inputs cuts a graph, which a {kind} model has not",
            "name its inputs with --input NAME=DTYPE[DIMS]",
        )
    if cuts := [text for text in request.outputs if "=" in text]:
        raise UsageError(
            f"--outputs {cuts[0]}: a {kind} model's outputs are named in order, not cut by tensor",
            f"give the names alone, in order: --outputs {cuts[0].partition('=')[0]}",
        )


# Of a request: what works on an ONNX graph, by its option.
_OF_A_GRAPH = {
    "--inputs": "inputs", "--outputs": "outputs", "--input": "input", "--opset": "opset",
    "--bind": "bind", "--keep-fp32": "keep_fp32",
    "--precision": "precision", "--io-precision": "io_precision",
    "--strip-weights": "strip_weights",  # refit takes them from model.onnx
}  # fmt: skip


def _check_network(request: ConvertRequest, kind: str) -> None:
    """A network that code defines is what it is; no other source has its weights beside it."""
    if kind != NETWORK:
        if request.weights is not None:
            raise UsageError(
                f"--weights belongs to a function that defines a network; '{request.source}' is "
                f"a {kind} model, which has its own",
                "leave it out, or give file.py:function",
            )
        return
    if request.weights is not None:
        check_weights(request.weights)
    usual = ConvertRequest(source="", repo=request.repo)
    for option, field in _OF_A_GRAPH.items():
        if getattr(request, field) != getattr(usual, field):
            raise UsageError(
                f"{option} works on an ONNX graph; '{request.source}' defines its network itself",
                "say it in the function: names, dims and data types are those of its layers",
            )


def _check_expected(request: ConvertRequest) -> None:
    if request.reference and request.samples:
        raise UsageError("--reference and --samples contradict each other", "give one of them")
    if request.reference and not split_factory(request.reference)[1]:
        raise UsageError(
            f"--reference '{request.reference}' names no function",
            "write for example --reference net.py:reference",
        )
    if request.samples and not request.samples.exists():
        raise UsageError(f"--samples '{request.samples}': no such file or folder")


def _kept(request: ConvertRequest) -> tuple[str, ...]:
    if request.keep_fp32 and request.precision not in ("fp16", "bf16"):
        raise UsageError(
            f"--keep-fp32 '{request.keep_fp32[0]}' needs --precision fp16 or bf16",
            "without it no node leaves fp32",
        )
    return request.keep_fp32


def _source_options(
    request: ConvertRequest, kind: str, overrides: tuple[InputOverride, ...], shapes: ShapeOptions
) -> SourceOptions:
    return SourceOptions(
        signature=request.signature,
        tags=request.tags,
        inputs=request.inputs if kind == "graphdef" else (),
        outputs=request.outputs if kind == "graphdef" else (),
        signature_outputs=request.outputs if kind == "savedmodel" else (),
        overrides=overrides,
        output_names=request.outputs if kind in _NAMED_BY_EXPORTER else (),
        trust_source=request.trust_source,
        opset=request.opset,
        weights=request.weights,
        example_shapes=dict(shapes.opt),
        bind=bindings_from_texts(request.bind) if kind in _NAMED_BY_EXPORTER else {},
    )


def _labels(texts: tuple[str, ...]) -> dict[str, Path]:
    """`OUTPUT=FILE` texts; an output's name may hold '=' itself, a label file's does not."""
    labels: dict[str, Path] = {}
    for text in texts:
        output, _, file = text.rpartition("=")
        if not output or not file:
            raise UsageError(
                f"--labels '{text}' is not OUTPUT=FILE",
                "write for example --labels probs=labels.txt",
            )
        path = Path(file)
        if not path.is_file():
            raise UsageError(f"--labels {output}: no such file: '{file}'")
        if any(path.name == other.name and path != other for other in labels.values()):
            raise UsageError(
                f"two label files are called '{path.name}', and both go into the model's folder",
                "rename one of them",
            )
        labels[output] = path
    return labels
