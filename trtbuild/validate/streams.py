"""Which answers of decoupled models meet in an ensemble.

Source: Triton core, ensemble_utils.cc (ValidateEnsembleConfig): tensors carry the label of the
decoupled step they come from, 0 for none; tensors that meet must carry the same one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from trtbuild.validate.ensemble import Graph
from trtbuild.validate.peers import Peer


def labels(graph: Graph, peers: Mapping[str, Peer]) -> tuple[dict[str, int], int | None]:
    """Label of each tensor, and the first step that joins different ones."""
    label = dict.fromkeys(graph.inputs, 0)
    waiting, count = list(graph.steps), 0
    while True:
        ready = [step for step in waiting if all(t in label for t in step.inputs.values())]
        if not ready:
            return label, None
        for step in ready:
            waiting.remove(step)
            joined = {label[tensor] for tensor in step.inputs.values()}
            if len(joined) > 1:
                return label, step.number
            peer = peers.get(step.model)
            own = min(joined, default=0)
            if peer is not None and peer.decoupled:
                own = count = count + 1
            for tensor in step.outputs.values():
                label.setdefault(tensor, own)


def mixed_streams(graph: Graph, peers: Mapping[str, Peer]) -> int | Literal["outputs"] | None:
    """The step that joins tensors of different decoupled models; "outputs": the ensemble does."""
    label, step = labels(graph, peers)
    if step is not None:
        return step
    returned = {label[name] for name in graph.outputs if name in label}
    return "outputs" if len(returned) > 1 else None


def is_decoupled(graph: Graph, peers: Mapping[str, Peer]) -> bool:
    """Whether the ensemble itself answers a request any number of times."""
    label, _ = labels(graph, peers)
    return any(label.get(name) for name in graph.outputs)
