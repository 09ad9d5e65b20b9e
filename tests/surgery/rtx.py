"""Real builds with TensorRT-RTX, which needs no GPU: does the graph that surgery made build."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest


@functools.cache
def _logger() -> Any:
    """One for the process, which is what TensorRT wants; messages are kept."""
    trt = pytest.importorskip("tensorrt_rtx")

    class Logger(trt.ILogger):  # type: ignore[name-defined,misc] # the bindings have no types
        def __init__(self) -> None:
            super().__init__()
            self.words: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.Severity.ERROR:
                self.words.append(message)

    return Logger()


def build(path: Path, *capabilities: str) -> str:
    """Build the model at `path` for `capabilities` ("SM80"); "" or what TensorRT says."""
    trt = pytest.importorskip("tensorrt_rtx")
    logger = _logger()
    logger.words.clear()
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(path)):
        return "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
    config = builder.create_builder_config()
    config.num_compute_capabilities = len(capabilities)
    for index, name in enumerate(capabilities):
        config.set_compute_capability(getattr(trt.ComputeCapability, name), index)
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        small, large = (tuple(n if d < 0 else d for d in tensor.shape) for n in (1, 4))
        profile.set_shape(tensor.name, small, small, large)
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    return "" if plan is not None else "; ".join(logger.words) or "no plan"
