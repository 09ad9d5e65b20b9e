"""What a config's `optimization` says to the TensorRT backend, by Triton's names and defaults.

An instance has up to three batches in flight. With `eager_batching` the second is begun however
small it is, else it waits until it is full or as large as the one that runs: Triton waits, without
the option, until the first batch's inputs were read. Without effect: `cuda.output_copy_stream`,
since outputs come back beside the next batch's kernels anyway, and
`gather_kernel_buffer_threshold`, since inputs are gathered on the host.
"""

from __future__ import annotations

from typing import Any, NamedTuple

_URGENCY = {0: 0, 1: 1, 2: -1}  # ModelOptimizationPolicy.ModelPriority: DEFAULT, MAX, MIN


class Options(NamedTuple):
    """How instances run."""

    graphs: bool = False  # capture CUDA graphs
    spin: bool = False  # wait for the GPU awake: microseconds less, a core more
    urgency: int = 0  # of the streams; see `trtbuild.cuda.Stream`
    pinned_inputs: bool = True
    pinned_outputs: bool = True


def options_of(config: Any) -> Options:
    """The options of a config."""
    stated = config.optimization
    return Options(
        stated.cuda.graphs,
        stated.cuda.busy_wait_events,
        _URGENCY[stated.priority],
        not stated.HasField("input_pinned_memory") or stated.input_pinned_memory.enable,
        not stated.HasField("output_pinned_memory") or stated.output_pinned_memory.enable,
    )
