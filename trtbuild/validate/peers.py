"""What an ensemble must know of the models it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from trtbuild.validate.completion import KEEP_BATCH_SIZE

if TYPE_CHECKING:
    from trtbuild.validate.model import Model


class Port(NamedTuple):
    """One input or output of a model, as its config (or its file) states it."""

    name: str
    data_type: int  # a number of enum DataType; 0: not stated, so not compared
    dims: tuple[int, ...] | None  # without the batch dim; None: not stated
    optional: bool = False


class Peer(NamedTuple):
    """One model of the repository, after it was judged."""

    name: str
    loads: bool  # False: it has an error
    versions: frozenset[int]  # those its policy selects
    max_batch_size: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    complete: bool  # False: auto-complete may add inputs and outputs that we cannot see
    decoupled: bool
    steps: tuple[str, ...] = ()  # the models of an ensemble's steps
    keeps_batch_size: bool = True  # False: auto-complete may set another than the config's
    reason: str = ""  # its first error, where it does not load


def peer_of(model: Model, reason: str = "", *, decoupled: bool = False) -> Peer:
    """What others must know of `model`; `reason` is the message of its first error."""
    config = model.config
    unknown = model.fills_tensors
    inputs, outputs = (
        tuple(
            Port(
                entry.name,
                entry.data_type,
                tuple(entry.dims) or (None if unknown else ()),
                optional,
            )
            for entry, optional in entries
        )
        for entries in (
            [(entry, entry.optional) for entry in config.input],
            [(entry, False) for entry in config.output],
        )
    )
    ensemble = config.HasField("ensemble_scheduling")
    return Peer(
        name=model.name,
        loads=not reason,
        versions=frozenset(model.versions),
        max_batch_size=config.max_batch_size,
        inputs=inputs,
        outputs=outputs,
        complete=not unknown,
        keeps_batch_size=not unknown
        or (config.max_batch_size > 0 and model.backend in KEEP_BATCH_SIZE),
        decoupled=decoupled or (not ensemble and config.model_transaction_policy.decoupled),
        steps=tuple(step.model_name for step in config.ensemble_scheduling.step)
        if ensemble
        else (),
        reason=reason,
    )
