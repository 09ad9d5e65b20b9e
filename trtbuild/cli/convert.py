"""`trtbuild convert`: parse, call `trtbuild.convert`, show the result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from trtbuild.errors import UsageError

PARTLY = 4  # some targets failed, the others are in the repository

_SOURCE, _NUMBERS, _PLANS, _CONFIG, _RUN = (
    "Source model",
    "Numbers",
    "Plans",
    "Configuration",
    "This run",
)


def _option(panel: str, *flags: str, **more: Any) -> Any:
    return typer.Option(*flags, rich_help_panel=panel, **more)


def _many(texts: list[str] | None) -> tuple[str, ...]:
    """Repeatable options of tensor names and tags also take comma lists."""
    return tuple(part.strip() for text in texts or () for part in text.split(",") if part.strip())


def command(  # noqa: PLR0917 - Typer makes options of parameters
    source: Annotated[
        str,
        typer.Argument(help="A model file or folder, or file.py:factory, package.module:factory."),
    ],
    repo: Annotated[Path, typer.Option(help="The model repository to write to; made when absent.")],
    name: Annotated[str | None, typer.Option(help="The model's name in the repository.")] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="Write this version; default: the next one.")
    ] = None,
    add: Annotated[
        bool, typer.Option("--add", help="Add targets to the version that is there.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the version that is there.")
    ] = False,
    kind: Annotated[
        Literal[
            "auto",
            "onnx",
            "savedmodel",
            "graphdef",
            "keras",
            "torch",
            "torchscript",
            "exported",
            "network",
        ],
        _option(_SOURCE, help="What the source is."),
    ] = "auto",
    input_: Annotated[
        list[str] | None,
        _option(
            _SOURCE,
            "--input",
            metavar="NAME=DTYPE[DIMS]",
            help="An input's name, data type and dims, such as 'image=fp32\\[batch,3,224,224]': "
            "required for some PyTorch models, renames and overrides elsewhere. Repeatable.",
        ),
    ] = None,
    signature: Annotated[
        str | None, _option(_SOURCE, help="SavedModel: the signature to convert.")
    ] = None,
    tag: Annotated[
        list[str] | None, _option(_SOURCE, help="SavedModel: the tags of its graph. Repeatable.")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        _option(_SOURCE, metavar="[NEW=]TENSOR", help="GraphDef, ONNX: cut the graph here."),
    ] = None,
    outputs: Annotated[
        list[str] | None,
        _option(_SOURCE, metavar="[NEW=]TENSOR", help="GraphDef, ONNX: cut the graph here."),
    ] = None,
    bind: Annotated[
        list[str] | None,
        _option(
            _SOURCE,
            metavar="NAME=VALUE",
            help="Make a constant of an input, such as rate=16000; branches on it are decided. "
            "Repeatable.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        _option(
            _SOURCE,
            metavar="FILE",
            help="The source is a function(network, weights) that defines a TensorRT network: its "
            "weights, a .npz, .safetensors or .wts.",
        ),
    ] = None,
    trust_source: Annotated[
        bool,
        _option(
            _SOURCE,
            "--trust-source",
            help="Run a model of TensorFlow or PyTorch even where its ops may touch files, "
            "processes or the network: it may then do all that you may.",
        ),
    ] = False,
    opset: Annotated[
        int | None, _option(_SOURCE, min=7, help="The ONNX opset to convert to.")
    ] = None,
    precision: Annotated[
        Literal["keep", "fp32", "fp16", "bf16"], _option(_NUMBERS, help="Of weights and compute.")
    ] = "keep",
    io_precision: Annotated[
        Literal["keep", "match"],
        _option(_NUMBERS, help="Under fp16 and bf16: keep inputs and outputs, or match them."),
    ] = "keep",
    keep_fp32: Annotated[
        list[str] | None,
        _option(
            _NUMBERS,
            metavar="PATTERN",
            help="Under fp16 and bf16: nodes, or makers of tensors, that stay in fp32, such as "
            "'*norm*'. Repeatable, comma lists.",
        ),
    ] = None,
    verify: Annotated[
        bool, _option(_NUMBERS, help="Compare with the source framework and stop when it differs.")
    ] = True,
    verify_timeout: Annotated[
        float,
        _option(
            _NUMBERS,
            min=0.001,
            metavar="SECONDS",
            help="How long each step that loads, exports or compares the model may take.",
        ),
    ] = 3600,
    reference: Annotated[
        str | None,
        _option(
            _NUMBERS,
            metavar="FILE.py:FUNCTION",
            help="Compare plans with this function of NumPy, which takes the inputs by name, and "
            "the weights if there are, and returns the outputs.",
        ),
    ] = None,
    samples: Annotated[
        Path | None,
        _option(
            _NUMBERS,
            metavar="FILE.npz|DIR",
            help="Compare with these inputs, by name, in place of seeded ones; plans also with the "
            "outputs that lie beside them. A folder: a point for each .npz.",
        ),
    ] = None,
    rtol: Annotated[float | None, _option(_NUMBERS, min=0, help="Default: by precision.")] = None,
    atol: Annotated[float | None, _option(_NUMBERS, min=0, help="Default: by precision.")] = None,
    target: Annotated[
        list[str] | None,
        _option(
            _PLANS,
            help="A compute capability (8.6, sm_86), a GPU (A10, 'RTX 4090'), 'all' or 'current'. "
            "Repeatable, comma lists. Default: the GPU at hand, without one 8.0, 8.6, 8.9, 12.0.",
        ),
    ] = None,
    runtime: Annotated[
        Literal["auto", "tensorrt", "tensorrt-rtx"],
        _option(_PLANS, help="auto: tensorrt where it and a GPU are there, else tensorrt-rtx."),
    ] = "auto",
    plans: Annotated[
        Literal["shared", "per-target"],
        _option(_PLANS, help="tensorrt-rtx: one plan file for many targets, or one each."),
    ] = "shared",
    max_batch: Annotated[
        int | None, _option(_PLANS, min=1, help="Largest batch of the plans.")
    ] = None,
    min_shapes: Annotated[
        list[str] | None, _option(_PLANS, metavar="NAME:1x3x224x224", help="Smallest input shapes.")
    ] = None,
    opt_shapes: Annotated[
        list[str] | None, _option(_PLANS, metavar="NAME:8x3x224x224", help="Usual input shapes.")
    ] = None,
    max_shapes: Annotated[
        list[str] | None, _option(_PLANS, metavar="NAME:8x3x224x224", help="Largest input shapes.")
    ] = None,
    profile: Annotated[
        list[str] | None,
        _option(
            _PLANS,
            metavar="DIM=MINxOPTxMAX,...",
            help="An optimization profile, such as batch=1x8x32,seq=1x64x128; dims that it leaves "
            "out are as the other options say. Repeatable: one profile each.",
        ),
    ] = None,
    workspace: Annotated[
        int | None, _option(_PLANS, min=1, metavar="MIB", help="Memory limit for tactics.")
    ] = None,
    opt_level: Annotated[
        int | None, _option(_PLANS, min=0, max=5, help="How long the builder may search.")
    ] = None,
    timing_cache: Annotated[
        Path | None, _option(_PLANS, metavar="FILE", help="tensorrt: read and update this cache.")
    ] = None,
    plugins: Annotated[
        list[Path] | None,
        _option(
            _PLANS,
            metavar="FILE",
            help="tensorrt: a library (.so) or Python file (.py) with TensorRT plugins, whose code "
            "is run. Repeatable.",
        ),
    ] = None,
    require_timing_cache: Annotated[
        bool,
        _option(
            _PLANS, "--require-timing-cache", help="tensorrt: what it does not know is an error."
        ),
    ] = False,
    hardware_compat: Annotated[
        Literal["none", "same-compute-capability", "ampere-plus"] | None,
        _option(
            _PLANS,
            help="tensorrt: the GPUs a plan fits; default: those of one capability, where it can.",
        ),
    ] = None,
    version_compatible: Annotated[
        Literal["with-lean-runtime", "without-lean-runtime"] | None,
        _option(_PLANS, help="tensorrt: plans that later releases load; see convert.md."),
    ] = None,
    weak: Annotated[
        list[str] | None,
        _option(
            _PLANS,
            metavar="DTYPE",
            help="tensorrt 10: may also compute in fp16, bf16, int8, fp8e4m3fn, int4. Comma lists.",
        ),
    ] = None,
    refittable: Annotated[
        Literal["identical", "any"] | None,
        _option(_PLANS, help="tensorrt: `refit` may give the weights again, or other ones."),
    ] = None,
    strip_weights: Annotated[
        bool,
        _option(_PLANS, "--strip-weights", help="tensorrt: leave the weights to `refit`."),
    ] = False,
    tactic_sources: Annotated[
        list[str] | None,
        _option(_PLANS, metavar="SOURCE", help="tensorrt: these alone, or none. Comma lists."),
    ] = None,
    instances: Annotated[
        int | None, _option(_CONFIG, min=1, help="Instances for each GPU; default: 1.")
    ] = None,
    max_queue_delay_us: Annotated[
        int | None, _option(_CONFIG, min=0, help="How long dynamic batching may wait.")
    ] = None,
    preferred_batch: Annotated[
        list[int] | None, _option(_CONFIG, min=1, help="Preferred batch size. Repeatable.")
    ] = None,
    labels: Annotated[
        list[str] | None, _option(_CONFIG, metavar="OUTPUT=FILE", help="Class labels of an output.")
    ] = None,
    warmup: Annotated[bool, _option(_CONFIG, "--warmup", help="Write a warm-up request.")] = False,
    cuda_graphs: Annotated[
        bool | None,
        _option(
            _CONFIG,
            help="Have runs captured in CUDA graphs at load; default: as the config there has it.",
        ),
    ] = None,
    graph_batch: Annotated[
        list[int] | None,
        _option(
            _CONFIG,
            min=1,
            help="A batch size to capture, smaller ones being padded to it; default: powers of two "
            "and the largest. Repeatable.",
        ),
    ] = None,
    portable: Annotated[
        bool, _option(_CONFIG, help="Keep model.onnx beside the plans, as fallback.")
    ] = True,
    keep_layers: Annotated[
        bool, _option(_PLANS, "--keep-layers", help="tensorrt: write layer information beside.")
    ] = False,
    workers: Annotated[
        int | None, _option(_RUN, min=1, help="Worker processes for plans; default: one a core.")
    ] = None,
    json: Annotated[bool, _option(_RUN, "--json", help="The result as JSON on stdout.")] = False,
    quiet: Annotated[bool, _option(_RUN, "--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Convert a trained model into a repository with a plan for every compute capability."""
    if add and replace:
        raise UsageError("--add and --replace contradict each other", "give one of them")
    from trtbuild.cli import render
    from trtbuild.pipeline import convert
    from trtbuild.request import ConvertRequest

    request = ConvertRequest(
        source=source,
        repo=repo,
        name=name,
        version=version,
        mode="add" if add else "replace" if replace else "next",
        kind=kind,
        signature=signature,
        tags=_many(tag),
        inputs=_many(inputs),
        outputs=_many(outputs),
        input=tuple(input_ or ()),
        bind=tuple(bind or ()),
        trust_source=trust_source,
        opset=opset,
        keep_fp32=_many(keep_fp32),
        precision=precision,
        io_precision=io_precision,
        verify=verify,
        verify_timeout_s=verify_timeout,
        weights=weights,
        reference=reference,
        samples=samples,
        rtol=rtol,
        atol=atol,
        targets=tuple(target or ()),
        runtime=runtime,
        plans=plans,
        max_batch=max_batch,
        min_shapes=tuple(min_shapes or ()),
        opt_shapes=tuple(opt_shapes or ()),
        max_shapes=tuple(max_shapes or ()),
        profiles=tuple(profile or ()),
        workspace_mib=workspace,
        opt_level=opt_level,
        timing_cache=timing_cache,
        require_timing_cache=require_timing_cache,
        hardware_compat=hardware_compat,
        version_compatible=version_compatible,
        weak=_many(weak),
        refittable=refittable,
        strip_weights=strip_weights,
        tactic_sources=_many(tactic_sources),
        keep_layers=keep_layers,
        plugins=tuple(plugins or ()),
        workers=workers,
        instances=instances,
        max_queue_delay_us=max_queue_delay_us,
        preferred_batch=tuple(preferred_batch or ()),
        labels=tuple(labels or ()),
        warmup=warmup,
        cuda_graphs=cuda_graphs,
        graph_batch=tuple(graph_batch or ()),
        portable=portable,
    )
    with render.progress(quiet=quiet) as on_progress:
        result = convert(request, on_progress)
    if json:
        render.json(result)
    else:
        render.conversion(result)
    if result.failures:
        raise typer.Exit(PARTLY)
