"""How much a config may ask for: it comes from whoever wrote the model, or from a client.

Far above what a machine can use, far below what would take it down: each instance is a thread with
a session or a process of its own, and a session's threads are as many again.
"""

from __future__ import annotations

from typing import Any

from trtserve.errors import invalid

MAX_INSTANCES = 1024  # of a version, over all groups and devices
MAX_SESSION_THREADS = 1024  # that one session is told to use
MAX_THREADS = 16_384  # of a version's sessions together
MAX_WARM_UPS = 10_000  # of one sample on one instance


def check_instances(model: str, count: int) -> None:
    """Raise `ServeError` for more instances than a version may have."""
    if count > MAX_INSTANCES:
        raise invalid(
            f"'instance_group' of model '{model}' asks for {count} instances; there may be "
            f"{MAX_INSTANCES}: lower 'count'"
        )


def check_threads(model: str, parameter: str, threads: int, sessions: int) -> None:
    """Raise `ServeError` for more threads than sessions may have, each and together."""
    if threads > MAX_SESSION_THREADS:
        raise invalid(
            f"parameter '{parameter}' of model '{model}' asks for {threads} threads; there may be "
            f"{MAX_SESSION_THREADS}: more than the machine has processors do not help"
        )
    if threads * sessions > MAX_THREADS:
        raise invalid(
            f"{sessions} instances of model '{model}' with {threads} threads each by parameter "
            f"'{parameter}' are more than the {MAX_THREADS} that there may be: lower one of them"
        )


def check_warm_up(sample: Any) -> None:
    """Raise `ServeError` for a sample of `model_warmup` that is run too often."""
    if sample.count > MAX_WARM_UPS:
        raise invalid(f"it is to run {sample.count} times; it may {MAX_WARM_UPS} times")
