"""A plan file as an engine: the plugins it needs, the code in it, what a refusal means.

The one way in which the build tool deserializes a file. Takes TensorRT's module, so that it runs in
worker processes only; the calls are those of TensorRT 10, 11 and RTX, which are the same here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from trtbuild.errors import PlanError
from trtbuild.plugin_registry import fill_registry, missing_creators
from trtbuild.plugins import PluginFile, UsedPlugin
from trtbuild.tensorrt_log import TensorRtLog


class Told(Protocol):
    """What a lock, or the build itself, says of a plan."""

    @property
    def plugins(self) -> tuple[UsedPlugin, ...]: ...
    @property
    def stripped(self) -> bool: ...


class Loading(msgspec.Struct, frozen=True):
    """How a plan is to be loaded: what the user gave, and what its lock says."""

    plugins: tuple[PluginFile, ...] = ()  # to be loaded before it
    runs_code: bool = False  # a version-compatible plan may run the code that is in it
    needs: tuple[UsedPlugin, ...] = ()  # plugins that it was built with, as far as that is known
    stripped: bool = False  # it is known to have no weights

    @classmethod
    def of(cls, plan: Told | None, plugins: tuple[PluginFile, ...], *, runs_code: bool) -> Loading:
        """With what is known of `plan`, None where nothing is."""
        if plan is None:
            return cls(plugins, runs_code)
        return cls(plugins, runs_code, plan.plugins, plan.stripped)


AS_IT_IS = Loading()  # nothing is needed, nothing is known


class Loaded(NamedTuple):
    """An engine, and what has to live as long."""

    engine: Any  # ICudaEngine
    runtime: Any  # IRuntime


def engine_from_plan(trt: Any, log: TensorRtLog, plan: Path, loading: Loading) -> Loaded:
    """Deserialize the plan file `plan` on the GPU of the calling thread.

    Raises `PlanError` where a plugin does not load or is not there, where the file cannot be read,
    and where TensorRT refuses it, with its own words and what to do about them.
    """
    fill_registry(trt, log.logger, loading.plugins)
    for used in loading.needs:
        if missing := missing_creators(trt, used):
            raise PlanError(
                f"the plan {plan} needs the plugin {', '.join(map(str, missing))}, which nothing "
                f"registers here: it was built with {used.file}",
                f"give that file: --plugins {used.file}",
            )
    runtime = trt.Runtime(log.logger)
    runtime.engine_host_code_allowed = loading.runs_code
    try:
        data = plan.read_bytes()
    except OSError as error:
        raise PlanError(f"the plan {plan} cannot be read: {error.strerror}") from None
    log.forget()
    engine = runtime.deserialize_cuda_engine(data)
    if engine is None:
        said = log.cause()
        raise PlanError(
            f"{trt.__name__} {trt.__version__} cannot load the plan {plan}: {said}",
            advice(said),
        )
    return Loaded(engine, runtime)


# What TensorRT says of a plan -> the next step. The texts are those of 10.6 where they were seen,
# else of NVIDIA's headers and documents; what none of them fits has the last one.
_ADVICE = (
    (
        r"host ?code|version.compatib",
        "its code is run with --version-compatible only: trust where it comes from",
    ),
    (r"plugin", "give the file with the plugin that it was built with: --plugins FILE.so"),
    (
        r"out ?of ?memory|not enough memory|memory allocation",
        "the GPU has too little free memory for it: end what else runs there, or take a larger one",
    ),
    (
        r"compute capability|incompatible device|different device|hardware",
        "load it on a GPU that it was built for, or convert the model on this one",
    ),
    (
        r"library version|version tag|serialized engine version|different version|expecting",
        "load it with the release of TensorRT that built it, or convert the model again",
    ),
    (
        r"serialization|magic|checksum",
        "the file is damaged: copy it again from where it was built, or convert the model again",
    ),
)
_ELSE = "load it with the release of TensorRT and on a GPU that it was built for"


def advice(said: str) -> str:
    """What to do about TensorRT's refusal of a plan, from its words."""
    found = (hint for pattern, hint in _ADVICE if re.search(pattern, said, re.IGNORECASE))
    return next(found, _ELSE)


def built_stripped(trt: Any, engine: Any) -> bool:
    """Whether `engine` was built to be stripped, also if it has been given weights since.

    The flags that it would be written with say so. `ICudaEngine.refittable` does not: in 10.6 it is
    false of plans that were built with REFIT_IDENTICAL.
    """
    config = engine.create_serialization_config()
    return bool(config.get_flag(trt.SerializationFlag.EXCLUDE_WEIGHTS))


def lacks_weights(trt: Any, engine: Any, size_bytes: int) -> bool:
    """Whether the plan of `size_bytes` that `engine` was made of was stripped of its weights.

    TensorRT 10 loads and runs such a plan without a word. Only one that was built to be stripped
    may lack them; written anew with and without, it is the one that its file is nearer to in size.
    """
    if not built_stripped(trt, engine):
        return False
    flag = trt.SerializationFlag.EXCLUDE_WEIGHTS
    sizes = []
    for without in (False, True):
        config = engine.create_serialization_config()
        (config.set_flag if without else config.clear_flag)(flag)
        data = engine.serialize_with_config(config)
        if data is None:
            return False  # it does not tell
        sizes.append(int(data.nbytes))
    whole, stripped = sizes
    return stripped < whole and abs(size_bytes - stripped) < abs(size_bytes - whole)


def check_weights(trt: Any, engine: Any, plan: Path, loading: Loading) -> None:
    """Raise `PlanError` where the plan file `plan` has no weights: it would compute nonsense."""
    if loading.stripped or lacks_weights(trt, engine, plan.stat().st_size):
        raise PlanError(
            f"the plan {plan} was built without its weights (--strip-weights)",
            f"give it those of its ONNX model: trtbuild refit {plan} --onnx FILE --output OUT",
        )
