"""Which models cannot run in CUDA graphs. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from trtbuild.errors import UsageError

# A run that waits for the GPU amid its work cannot be captured: to learn the size of an output
# that depends on values, or which way a branch or another turn of a loop goes (TensorRT's
# developer guide, "CUDA Graphs": data-dependent shapes, loops, conditionals).
_WAIT_FOR_VALUES = frozenset(("Compress", "If", "Loop", "NonMaxSuppression", "NonZero", "Unique"))


def check_capturable(ops: Mapping[str, int]) -> None:
    """Raise `UsageError` where a model with these ops, counted by name, cannot be captured."""
    if found := sorted(_WAIT_FOR_VALUES & ops.keys()):
        raise UsageError(
            f"--cuda-graphs: runs of this model cannot be captured, since {', '.join(found)} "
            f"{'waits' if len(found) == 1 else 'wait'} for values from the GPU",
            "give --no-cuda-graphs, or cut that part off with --outputs",
        )
