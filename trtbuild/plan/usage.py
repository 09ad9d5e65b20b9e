"""What to do about a network that no target can be built for: other shapes, or a cut.

Runs in worker processes only.
"""

from __future__ import annotations

import re
from typing import Any

from trtbuild.plan.words import is_limit, is_of_sizes

_SHAPES = (
    "give those it takes with --min-shapes, --opt-shapes, --max-shapes, --max-batch and --profile"
)

# TensorRT checks both branches of an If, also the one that these inputs would not take.
_BRANCHES = (
    "a branch that the inputs never take has to fit as well: decide it with --bind NAME=VALUE, "
    "which makes a constant of the input that it hangs on"
)
_OF_PARSER = "ONNXTRT"  # in the names of tensors that the ONNX parser adds


def usage_hint(network: Any, reason: str) -> str:
    """The hint for `reason`, TensorRT's own words about `network`.

    Shapes are named only where TensorRT complains of sizes. A limit (TopK gives at most 3840
    elements) is no matter of the profile, unless what is over it is computed from shapes.
    """
    limit = is_limit(reason)
    if is_of_sizes(reason) and not limit:
        hint = f"the model does not take every shape of the profile: {_SHAPES}"
        return f"{hint}; {_BRANCHES}" if _has_branches(network) else hint
    computed = _computed_inputs(network, reason)
    sizes = [each for each in computed if "INT" in str(each.dtype) and len(each.shape) <= 1]
    cuts = [each.name for each in computed if each not in sizes and _OF_PARSER not in each.name]
    end = f"end the model before it, with --outputs {','.join(cuts)}, or " if cuts else ""
    what = "that is a limit of TensorRT on every target" if limit else "no target takes it"
    of_shapes = is_of_sizes(reason) or bool(sizes)
    smaller = "smaller shapes may keep within it; else " if limit and of_shapes else ""
    return f"{what}: {smaller}{end}export the model without it"


def _has_branches(network: Any) -> bool:
    layers = (network.get_layer(index) for index in range(network.num_layers))
    return any("CONDITION" in str(layer.type) for layer in layers)


def _computed_inputs(network: Any, reason: str) -> list[Any]:
    """The tensors that the layer which `reason` names reads from other layers."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    named = [each for each in layers if re.search(rf"(?<!\S){re.escape(each.name)}:", reason)]
    if not named:
        return []
    inputs = {network.get_input(index).name for index in range(network.num_inputs)}
    fixed: set[str] = set()  # what constants alone determine
    for each in layers:
        if {tensor.name for tensor in _read(each)} <= fixed:
            fixed |= {each.get_output(index).name for index in range(each.num_outputs)}
    return [tensor for tensor in _read(named[0]) if tensor.name not in inputs | fixed]


def _read(layer: Any) -> list[Any]:
    tensors = [layer.get_input(index) for index in range(layer.num_inputs)]
    return [tensor for tensor in tensors if tensor is not None]
