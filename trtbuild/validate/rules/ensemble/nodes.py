"""The ensemble's tensors with the type and dims that each model states for them.

Source: Triton core, ensemble_utils.cc (TensorNode, ValidateTensorMapping). A tensor's type and
dims are those of the first model that states them: the ensemble, then the steps in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from trtbuild.validate.finding import FieldPath
from trtbuild.validate.model import Model
from trtbuild.validate.peers import Port


class Use(NamedTuple):
    """One model's view of an ensemble tensor."""

    model: str
    port: Port
    batches: bool | None  # None: auto-complete decides
    at: FieldPath


def clashes(model: Model) -> Iterator[tuple[str, Use, Use]]:
    """Tensor, first use and later use, for every later use of every tensor."""
    first: dict[str, Use] = {}
    for tensor, use in _own(model):
        first.setdefault(tensor, use)
    for tensor, use in _of_steps(model):
        if tensor in first:
            yield tensor, first[tensor], use
        else:
            first[tensor] = use


def _own(model: Model) -> Iterator[tuple[str, Use]]:
    batches = model.config.max_batch_size > 0
    for role in ("input", "output"):
        for index, entry in enumerate(getattr(model.config, role)):
            reshaped = entry.HasField("reshape")
            dims = tuple(entry.reshape.shape if reshaped else entry.dims)
            port = Port(entry.name, entry.data_type, dims)
            yield entry.name, Use(model.name, port, batches, (role, index))


def _of_steps(model: Model) -> Iterator[tuple[str, Use]]:
    for step in model.graph.steps:
        peer = (model.peers or {}).get(step.model)
        if peer is None or not peer.loads:
            continue
        for field, keys, ports in (
            ("input_map", step.inputs, peer.inputs),
            ("output_map", step.outputs, peer.outputs),
        ):
            for port in ports:
                if port.name in keys:
                    at = step.at(field, port.name)
                    batches = peer.max_batch_size > 0 if peer.keeps_batch_size else None
                    yield keys[port.name], Use(peer.name, port, batches, at)
