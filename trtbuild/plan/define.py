"""A user's function -> a TensorRT network, by TensorRT's own API. Runs in worker processes.

The function is called as `define(network, weights)`: an empty INetworkDefinition, and the arrays of
the file of weights by name. It adds layers, names its inputs and outputs and marks the latter;
`import tensorrt` in its file is the TensorRT of the run, so one file serves both runtimes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trtbuild.artifacts import digest_of_files
from trtbuild.errors import SourceError
from trtbuild.network_model import NetworkModel, Precision
from trtbuild.plan.network import Parsed, typed
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.plan.session import Session, session
from trtbuild.plugins import PluginFile
from trtbuild.tensor import Dim, TensorSpec, dtype_from_tensorrt
from trtbuild.users_code import function_in, import_code, split_factory, tensorrt_is, users_errors
from trtbuild.weights_file import load_weights

_BATCH = "batch"
# Float types of TensorRT, the least exact first -> the precision that numbers are judged by.
_PRECISIONS: dict[str, Precision] = {"FP4": "fp8", "FP8": "fp8", "BF16": "bf16", "HALF": "fp16"}


def describe(
    location: str,
    weights: Path | None,
    runtime: RuntimeInfo,
    plugins: tuple[PluginFile, ...],
    directory: Path,
) -> NetworkModel:
    """Define the network once, and tell what it is. Raises `SourceError` for the user's errors."""
    loaded = session(runtime)
    loaded.plugins(plugins)
    file, _ = split_factory(location)
    parts = [Path(file)] if file.endswith(".py") else []
    parts += [weights] if weights else []
    network = _defined(loaded, location, weights, typed(loaded)).network
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    return NetworkModel(
        directory=directory,
        location=location,
        weights=weights,
        digest=digest_of_files(*parts),
        size_bytes=sum(part.stat().st_size for part in parts),
        inputs=tuple(_spec(location, tensor) for tensor in inputs),
        outputs=tuple(_spec(location, tensor) for tensor in outputs),
        layers=dict(Counter(layer.type.name for layer in layers).most_common()),
        precision=_precision(layers),
        producer=loaded.name,
    )


def network_from_definition(session: Session, model: NetworkModel, flags: int) -> Parsed:
    """The network of `model`, defined anew. Raises `SourceError` for the user's errors."""
    return _defined(session, model.location, model.weights, flags)


def _defined(session: Session, location: str, weights: Path | None, flags: int) -> Parsed:
    arrays = load_weights(weights) if weights else {}
    tensorrt_is(session.trt)
    file, name = split_factory(location)
    with users_errors(location, file):
        namespace = import_code(file)
    define = function_in(namespace, name, location)
    session.forget_errors()
    builder = session.new_builder()
    network = builder.create_network(flags)
    with users_errors(location, file):
        define(network, arrays)
    _check(session, location, network)
    return Parsed(builder, network, arrays)  # whose memory the network reads


def _check(session: Session, location: str, network: Any) -> None:
    if not network.num_outputs or not network.num_inputs:
        what = "output" if network.num_inputs else "input"
        said = f": {session.name} says: {session.errors[0]}" if session.errors else ""
        raise SourceError(
            f"'{location}' defines a network without an {what}{said}",
            "name an input with network.add_input(name, dtype, shape), an output with "
            "network.mark_output(layer.get_output(0))",
        )
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        if tensor.is_shape_tensor:
            raise SourceError(
                f"the values of input '{tensor.name}' of '{location}' set the shape of other "
                "tensors; trtbuild makes no plans with such inputs",
                "make it a constant in the network",
            )


def _spec(location: str, tensor: Any) -> TensorSpec:
    row = dtype_from_tensorrt(tensor.dtype.name)
    if row is None or len(tensor.shape) < 0:
        raise SourceError(f"'{tensor.name}' of '{location}' is {tensor.dtype.name} {tensor.shape}")
    return TensorSpec(tensor.name, row.name, tuple(_dims(tensor)))


def _dims(tensor: Any) -> Iterator[Dim]:
    """The dims of a tensor: one that varies has its own name, else the first is the batch."""
    for axis, size in enumerate(tensor.shape):
        if size >= 0:
            yield int(size)
        else:
            named = tensor.get_dimension_name(axis)
            yield named or (f"{tensor.name}_{axis}" if axis else _BATCH)


def _precision(layers: list[Any]) -> Precision:
    found = {
        layer.get_output(index).dtype.name for layer in layers for index in range(layer.num_outputs)
    }
    return next((name for dtype, name in _PRECISIONS.items() if dtype in found), "fp32")
