"""Run the graph as it is in ONNX Runtime, on seeded values, to find out what cannot be proved."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_graphsurgeon as gs

from trtbuild import onnx_session
from trtbuild.onnx_model import interface
from trtbuild.samples import sample
from trtbuild.surgery.graph import Array, model_from_graph, session
from trtbuild.surgery.options import SurgeryOptions
from trtbuild.tensor import TensorSpec

Shapes = dict[str, tuple[int, ...]]

# Sizes for dims that vary and that nobody gave: whole for most strides, patches and windows.
_SIZES = (64, 224, 32, 128, 16, 8, 1)


def inputs_of(graph: gs.Graph) -> tuple[TensorSpec, ...]:
    """The inputs of `graph`; dims that vary have names."""
    return interface(model_from_graph(graph))[0]


def shapes_to_try(graph: gs.Graph, options: SurgeryOptions) -> Iterator[Shapes]:
    """Shapes for the inputs, likely ones first: those of the options, else one size for all."""
    specs = inputs_of(graph)
    if all(not spec.dynamic_dims or spec.name in options.sample_shapes for spec in specs):
        given = options.sample_shapes
        yield {spec.name: _within(spec, given.get(spec.name, ())) for spec in specs}
        return
    for size in _SIZES:
        yield {spec.name: _filled(spec, size) for spec in specs}


def _within(spec: TensorSpec, given: tuple[int, ...]) -> tuple[int, ...]:
    """The shape `given` for `spec`; a dim that is fixed has its size, whatever it is to become."""
    if len(given) != len(spec.shape):
        return _filled(spec, 1)
    return tuple(d if isinstance(d, int) else g for d, g in zip(spec.shape, given, strict=True))


def _filled(spec: TensorSpec, size: int) -> tuple[int, ...]:
    """The shape of `spec` with a batch of 1 and `size` for every other dim that varies."""
    return tuple(
        dim if isinstance(dim, int) else 1 if axis == 0 else size
        for axis, dim in enumerate(spec.shape)
    )


def values_for(graph: gs.Graph, shapes: Shapes, seed: int) -> dict[str, Array]:
    """Seeded values for the inputs of `graph`."""
    return sample(model_from_graph(graph), inputs_of(graph), shapes, seed)


def run(graph: gs.Graph, *feeds: dict[str, Array]) -> list[dict[str, Array]]:
    """The outputs of `graph` for each of `feeds`. Raises what ONNX Runtime raises."""
    held = session(graph)
    return [onnx_session.run(held, feed) for feed in feeds]
