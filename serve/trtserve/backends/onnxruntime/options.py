"""What a config says to ONNX Runtime: session options, and options of its CUDA provider.

Names, values and defaults are those of Triton's ONNX Runtime backend (README and
ModelState::LoadModel in onnxruntime.cc), but for two. cuDNN's algorithms are found by its
heuristics, not by trying all of them, which takes seven times as long at every new batch size and
found none that was faster (docs/benchmarks.md). A session that is not told how many threads to use
takes as many as this process may use cores; ONNX Runtime would take one for each of the machine's,
whatever its cgroup allows, and tie each to a processor, where it waits for whoever else is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime

from trtserve.errors import invalid
from trtserve.limits import check_threads
from trtserve.placement import CPU, gpu_index
from trtserve.processors import cores

_LEVELS = onnxruntime.GraphOptimizationLevel
# optimization.graph.level -> ONNX Runtime's; every other number: all optimizations.
_GRAPH_LEVELS = {
    -1: _LEVELS.ORT_ENABLE_BASIC, 1: _LEVELS.ORT_ENABLE_EXTENDED, 2: _LEVELS.ORT_DISABLE_ALL,
}  # fmt: skip
_MODES = {
    "0": onnxruntime.ExecutionMode.ORT_SEQUENTIAL,
    "1": onnxruntime.ExecutionMode.ORT_PARALLEL,
}
_SWITCHES = {"0": False, "false": False, "1": True, "true": True}
# Parameter -> the values that it can have -> what the CUDA provider is told.
_CUDA_CHOICES = {
    "cudnn_conv_algo_search": {"0": "EXHAUSTIVE", "1": "HEURISTIC", "2": "DEFAULT"},
    "arena_extend_strategy": {"0": "kNextPowerOfTwo", "1": "kSameAsRequested"},
    "do_copy_in_default_stream": {"0": "0", "1": "1", "false": "0", "true": "1"},
}
# Options of the CUDA provider that are addresses: of functions it calls, of a stream it uses. Who
# writes them into a config has them called; no other process's addresses mean anything here.
_CUDA_ADDRESSES = frozenset({
    "gpu_external_alloc", "gpu_external_free", "gpu_external_empty_cache", "user_compute_stream",
    "has_user_compute_stream", "default_memory_arena_cfg",
})  # fmt: skip
_THREAD_COUNTS = ("intra_op_thread_count", "inter_op_thread_count")
_SESSION_ENTRIES = ("session.use_device_allocator_for_initializers",)


def session_options(
    config: Any, *, alone: bool = False, sessions: int = 1
) -> onnxruntime.SessionOptions:
    """The session options that a config's parameters ask for. Raises `ServeError`.

    alone: one instance computes on the CPU's processors, as far as this model goes. sessions: how
    many there will be.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong comes back as an exception
    stated = _stated(config)
    threads = {name: _number(stated, name) for name in _THREAD_COUNTS}
    for name, count in threads.items():
        check_threads(config.name, name, count, sessions)
    intra, inter = threads.values()
    options.intra_op_num_threads, options.inter_op_num_threads = intra or cores(), inter
    options.execution_mode = _choice(stated, "execution_mode", _MODES, "0")
    options.enable_cpu_mem_arena = _choice(stated, "enable_mem_arena", _SWITCHES, "1")
    options.enable_mem_pattern = _choice(stated, "enable_mem_pattern", _SWITCHES, "1")
    if config.optimization.HasField("graph"):
        level = config.optimization.graph.level
        options.graph_optimization_level = _GRAPH_LEVELS.get(level, _LEVELS.ORT_ENABLE_ALL)
    for name in _SESSION_ENTRIES:
        if name in stated:
            options.add_session_config_entry(name, stated[name])
    # Within a run a session's threads wait for each other many times. They stay awake for that
    # where no other run needs the processor, and never after the last run: an idle server sleeps.
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(alone)))
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def shares_session(config: Any) -> bool:
    """Whether the instances of a GPU are to share a session, and so its weights on the GPU."""
    return bool(_choice(_stated(config), "share_session_between_instances", _SWITCHES, "0"))


def providers(config: Any, device: str) -> Sequence[Any]:
    """Execution providers in their order, with options, for `device`. Raises `ServeError`."""
    accelerators = config.optimization.execution_accelerators
    for each in accelerators.cpu_execution_accelerator:
        raise invalid(f"unknown Execution Accelerator '{each.name}' is requested for the CPU")
    if device == CPU:
        return ["CPUExecutionProvider"]
    return [("CUDAExecutionProvider", _cuda_options(config, device)), "CPUExecutionProvider"]


def _cuda_options(config: Any, device: str) -> dict[str, str]:
    options = {"cudnn_conv_algo_search": "HEURISTIC"}
    for each in config.optimization.execution_accelerators.gpu_execution_accelerator:
        if each.name != "cuda":
            raise invalid(
                f"unknown Execution Accelerator '{each.name}' is requested; there is 'cuda'"
            )
        for name in _CUDA_ADDRESSES & set(each.parameters):
            raise invalid(f"option '{name}' of 'cuda' is an address within a process: leave it out")
        options |= each.parameters
    stated = _stated(config)
    for name, values in _CUDA_CHOICES.items():
        if name in stated:
            options[name] = _choice(stated, name, values, "")
    if "gpu_mem_limit" in stated:
        options["gpu_mem_limit"] = str(_number(stated, "gpu_mem_limit"))
    return {**options, "device_id": str(gpu_index(device))}


def _stated(config: Any) -> Mapping[str, str]:
    return {name: each.string_value for name, each in config.parameters.items()}


def _number(stated: Mapping[str, str], name: str) -> int:
    text = stated.get(name, "0")
    if not (text.isascii() and text.isdecimal()):
        raise invalid(f"parameter '{name}' must be a number, 0 or more, got '{text}'")
    return int(text)


def _choice(stated: Mapping[str, str], name: str, values: Mapping[str, Any], default: str) -> Any:
    text = stated.get(name, default)
    if text.lower() not in values:
        raise invalid(f"parameter '{name}' must be one of {', '.join(values)}, got '{text}'")
    return values[text.lower()]
