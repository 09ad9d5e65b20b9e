"""What TensorRT tells of the inside of a plan. Runs in worker processes, which alone import it.

It takes the runtime and a GPU that the plan is for: an engine has to be made of it. The text is
TensorRT's own JSON (`IEngineInspector`); `layers` reads it.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from trtbuild.errors import PlanError, first_line
from trtbuild.plan.layers import Inside, layers_from_text, weights_from_text


def look_inside(plan: Path, module: str) -> Inside:
    """Deserialize the plan file with the runtime `module` and ask it.

    Raises `PlanError` where the runtime does not take it, with its own words.
    """
    trt = importlib.import_module(module)
    words: list[str] = []
    logger = _logger(trt, words)
    runtime = trt.Runtime(logger)
    engine = runtime.deserialize_cuda_engine(plan.read_bytes())
    if engine is None:
        said = first_line(Exception(words[-1])) if words else "it says nothing"
        raise PlanError(
            f"{module} does not take {plan.name}: {said}",
            "look at it on a machine with its GPU and the TensorRT that built it",
        )
    text = inspector_text(trt, engine)
    return Inside(
        layers=layers_from_text(text),
        weights_bytes=weights_from_text(text),
        activations_bytes=_activations(engine),
        profiles=engine.num_optimization_profiles,
    )


def inspector_text(trt: Any, engine: Any) -> str:
    """The JSON of an engine's inspector."""
    inspector = engine.create_engine_inspector()
    return str(inspector.get_engine_information(trt.LayerInformationFormat.JSON))


def _activations(engine: Any) -> int:
    """`device_memory_size_v2` since 10.1, in 64 bits; before that its predecessor."""
    size = getattr(engine, "device_memory_size_v2", None)
    return int(engine.device_memory_size if size is None else size)


def _logger(trt: Any, words: list[str]) -> Any:
    severity = trt.ILogger.Severity

    class Logger(trt.ILogger):  # type: ignore[misc] # the module is loaded by name
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, level: Any, message: str) -> None:
            if level in (severity.INTERNAL_ERROR, severity.ERROR):
                words.append(message)

    return Logger()
