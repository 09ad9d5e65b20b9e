"""What TensorRT tells of the inside of a plan. Runs in worker processes, which alone import it.

It takes the runtime and a GPU that the plan is for: an engine has to be made of it. The text is
TensorRT's own JSON (`IEngineInspector`); `layers` reads it.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from trtbuild.engine_from_plan import Loading, engine_from_plan, lacks_weights
from trtbuild.plan.layers import Inside, layers_from_text, weights_from_text
from trtbuild.tensorrt_log import log_of


def look_inside(plan: Path, module: str, loading: Loading) -> Inside:
    """Deserialize the plan file with the runtime `module` and ask it.

    Raises `PlanError` where the runtime does not take it, with its own words.
    """
    trt = importlib.import_module(module)
    loaded = engine_from_plan(trt, log_of(trt), plan, loading)
    text = inspector_text(trt, loaded.engine)
    return Inside(
        layers=layers_from_text(text),
        weights_bytes=weights_from_text(text),
        activations_bytes=_activations(loaded.engine),
        profiles=loaded.engine.num_optimization_profiles,
        stripped=lacks_weights(trt, loaded.engine, plan.stat().st_size),
    )


def inspector_text(trt: Any, engine: Any) -> str:
    """The JSON of an engine's inspector."""
    inspector = engine.create_engine_inspector()
    return str(inspector.get_engine_information(trt.LayerInformationFormat.JSON))


def _activations(engine: Any) -> int:
    """`device_memory_size_v2` since 10.1, in 64 bits; before that its predecessor."""
    size = getattr(engine, "device_memory_size_v2", None)
    return int(engine.device_memory_size if size is None else size)
