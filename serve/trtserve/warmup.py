"""Warm-up: the requests of `model_warmup`, run on every instance before a version is served.

Rules W1-W7 of Triton's GenerateWarmupData (core/src/backend_model_instance.cc).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trtbuild.errors import ForeignNameError
from trtbuild.foreign import open_inside
from trtserve.contract import Contract
from trtserve.errors import Kind, ServeError, invalid
from trtserve.limits import check_warm_up
from trtserve.request import Buffer, CallInput, InferRequest, InferResponse
from trtserve.schedulers.policy import Batch
from trtserve.tensors import SIZES, check_bytes, wire_from_elements

_RANDOM_SEED = 0
_MOST_STRING_BYTES = 1 << 30  # of a file of strings, whose size nothing else bounds


def samples(config: Any, contract: Contract, directory: Path) -> Iterator[tuple[Batch, int]]:
    """The batches that one instance is to run, and how often; each made when it is asked for.

    Raises `ServeError` for a sample that cannot be.
    """
    for sample in config.model_warmup:
        if sample.batch_size == 0 and contract.max_batch_size:
            continue  # W1: such a sample is skipped
        try:
            check_warm_up(sample)
            batch = _batch(sample, contract, directory)
        except ServeError as error:
            raise invalid(f"warm-up sample '{sample.name}': {error}") from None
        yield batch, max(1, sample.count)
        del batch  # it must not be held while the next one is made


def _batch(sample: Any, contract: Contract, directory: Path) -> Batch:
    batch = (sample.batch_size,) if contract.max_batch_size else ()
    inputs = [_input(name, stated, contract, batch) for name, stated in sample.inputs.items()]
    call = contract.call("", inputs, [], {}, binary=True)  # so nothing is made that is too large
    data = [
        bytes(_data(each, sample.inputs[each.name], math.prod(each.shape[len(batch) :]), directory))
        * (sample.batch_size if batch else 1)
        for each in call.inputs
    ]
    request = InferRequest(call, data, _ignored, 0)
    return Batch([request], call.rows, call)


def _ignored(_request: InferRequest, _answer: InferResponse | ServeError) -> None:
    """A warm-up request has no client."""


def _input(name: str, stated: Any, contract: Contract, batch: tuple[int, ...]) -> CallInput:
    rule = contract.inputs.get(name)
    if rule is None:
        raise invalid(f"the model has no input '{name}'")
    if any(dim < 0 for dim in stated.dims):
        raise invalid(f"input '{name}': all variable-size dimensions must be specified")
    return CallInput(name, rule.dtype, (*batch, *stated.dims))


def _data(tensor: CallInput, stated: Any, count: int, directory: Path) -> Buffer:
    """One batch entry's data in wire form; `count`: its elements."""
    name, dtype, _ = tensor
    choice = stated.WhichOneof("input_data_type")
    if choice is None:
        raise invalid(f"input '{name}' must have one of zero_data, random_data, input_data_file")
    if choice == "input_data_file":
        return _from_file(name, stated.input_data_file, dtype, count, directory)
    if dtype == "BYTES":
        return wire_from_elements([b""] * count)  # W5: random strings are empty ones
    if choice == "zero_data":
        return bytes(count * SIZES[dtype])
    return np.random.default_rng(_RANDOM_SEED).bytes(count * SIZES[dtype])


def _from_file(name: str, file: str, dtype: str, count: int, directory: Path) -> bytes:
    folder = directory / "warmup"
    size = _MOST_STRING_BYTES if dtype == "BYTES" else count * SIZES[dtype]
    try:
        with open_inside(folder, file) as opened:
            data = opened.read(size)  # what follows is not looked at, as in Triton
    except ForeignNameError:
        raise invalid(f"'{file}' must stay within the model's folder 'warmup'") from None
    except OSError as error:
        raise ServeError(Kind.INTERNAL, f"cannot read {error.filename}: {error.strerror}") from None
    if dtype == "BYTES":
        check_bytes(data, (count,), name)
    elif len(data) < size:
        raise invalid(f"input '{name}' expects {size} bytes, '{file}' has {len(data)}")
    return data
