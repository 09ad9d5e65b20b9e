"""What the user says of serving, which a config is derived from beside the plans."""

from __future__ import annotations

import msgspec


class ConfigOptions(msgspec.Struct, frozen=True):
    """What the user says of serving."""

    instances: int = 1  # on each GPU
    max_queue_delay_us: int | None = None  # None: Triton's default, no waiting
    preferred_batch: tuple[int, ...] = ()  # none: the usual and the largest batches of profiles
    labels: dict[str, str] = {}  # output -> label file in the model's folder
    warmup: bool = False  # run the usual shapes once before the model is ready
    cuda_graphs: bool = False  # capture runs at load
    graph_batch: tuple[int, ...] = ()  # to capture; none: powers of two and the largest
