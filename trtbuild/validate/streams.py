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
    label, count = dict.fromkeys(graph.inputs, 0), 0
    ready, waiting = graph.first_steps(label)
    while ready:
        fresh: list[str] = []  # tensors that got their label in this round
        for step in (graph.steps[number] for number in sorted(ready)):
            joined = {label[tensor] for tensor in step.inputs.values()}
            if len(joined) > 1:
                return label, step.number
            peer = peers.get(step.model)
            own = min(joined, default=0)
            if peer is not None and peer.decoupled:
                own = count = count + 1
            for tensor in step.outputs.values():
                if tensor not in label:
                    label[tensor] = own
                    fresh.append(tensor)
        ready = [number for tensor in fresh for number in graph.steps_set_free(tensor, waiting)]
    return label, None


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
