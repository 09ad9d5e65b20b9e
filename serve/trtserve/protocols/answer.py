"""The tensors that answer a call: as they are, or as classes (classification extension).

A class is the BYTES element `value:index[:label]`, the value printed as C++'s std::to_string
prints it (core of Triton: server/src/classification.cc).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from trtserve.contract import MAX_CLASSES_ELEMENTS, UNCLASSIFIED, Contract
from trtserve.errors import invalid
from trtserve.request import Call, CallOutput, Form, InferResponse, OutputTensor
from trtserve.tensors import Array, array_from_wire, wire_from_elements


def answered(contract: Contract, call: Call, response: InferResponse) -> list[OutputTensor]:
    """The outputs of `response` in the form that `call` asks for. Raises `ServeError`."""
    outputs = response.outputs
    if not any(wanted.classification for wanted in call.outputs):
        return outputs
    return [
        classes(each, wanted.classification, contract) if wanted.classification else each
        for each, wanted in zip(outputs, asked_of(call, response.form), strict=True)
    ]


def asked_of(call: Call, form: Form) -> Sequence[CallOutput]:
    """What `call` says of each output of an answer.

    A Python model answers in an order of its own, and may leave an output out or give it twice:
    what there is is answered as it comes, and matched by name, as Triton does it.
    """
    names = tuple([spec.name for spec in form.outputs])
    if names == call.wanted:
        return call.outputs
    stated = {each.name: each for each in call.outputs}
    return [stated[name] for name in names]


def differs_in_data_alone(call: Call, form: Form) -> bool:
    """Whether answers of this form to `call` are the same up to their tensors' values.

    Not where classes stand in for values, and not with BYTES, whose sizes are values too.
    """
    return (
        form.parameters is None
        and bool(form.outputs)
        and not any(wanted.classification for wanted in call.outputs)
        and not any(spec.dtype == "BYTES" for spec in form.outputs)
    )


def classes(output: OutputTensor, count: int, contract: Contract) -> OutputTensor:
    """The `count` largest elements of each batch entry, [N, count] BYTES. Raises `ServeError`."""
    if output.dtype in UNCLASSIFIED:  # a Python model's may be another than the config says
        raise invalid(
            f"class result not available for output '{output.name}' of model '{contract.name}' "
            f"due to unsupported type '{output.dtype}'"
        )
    if math.prod(output.shape) > MAX_CLASSES_ELEMENTS:
        raise invalid(f"output '{output.name}' of model '{contract.name}' is too large to classify")
    values = array_from_wire(output.data, output.dtype, output.shape)
    batch = output.shape[:1] if contract.max_batch_size else ()
    rows = values.reshape(*(batch or (1,)), math.prod(output.shape[len(batch) :]))
    count = min(count, rows.shape[1])
    labels = contract.outputs[output.name].labels
    elements = [text for row in rows for text in _row(row, count, labels)]
    return OutputTensor(output.name, "BYTES", (*batch, count), wire_from_elements(elements))


def _row(row: Array, count: int, labels: Sequence[str]) -> list[bytes]:
    order = np.argsort(-row.astype(np.float64), kind="stable")[:count]
    return [_class(row[index], int(index), labels).encode() for index in order]


def _class(value: np.generic, index: int, labels: Sequence[str]) -> str:
    text = f"{float(value):f}" if isinstance(value, np.floating) else str(value)
    label = f":{labels[index]}" if index < len(labels) else ""
    return f"{text}:{index}{label}"
