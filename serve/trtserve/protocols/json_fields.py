"""The fields of a v2 request's JSON: read, and refused where they are of another type."""

from __future__ import annotations

from typing import Any

import orjson

from trtserve.contract import check_parameter
from trtserve.errors import invalid
from trtserve.request import CallInput, CallOutput, Parameters
from trtserve.tensors import NUMPY


def parsed(text: bytes) -> Any:
    """A JSON text as a value. Raises `ServeError`."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise invalid(f"failed to parse the request JSON buffer: {error}") from None


def object_of(value: Any) -> dict[str, Any]:
    """The request itself. Raises `ServeError`."""
    if not isinstance(value, dict):
        raise invalid("the request must be a JSON object")
    return value


def array_of(holder: dict[str, Any], key: str, of: str, default: Any = None) -> list[Any]:
    """An array of objects. Raises `ServeError`."""
    value = holder.get(key, default)
    if value is None:
        raise invalid(f"the {of} has no '{key}'")
    if not isinstance(value, list | tuple) or not all(isinstance(each, dict) for each in value):
        raise invalid(f"'{key}' must be an array of objects")
    return list(value)


def text_of(holder: dict[str, Any], key: str, of: str) -> str:
    """A string. Raises `ServeError`."""
    value = holder.get(key)
    if not isinstance(value, str):
        raise invalid(f"{of} needs '{key}', a string")
    return value


def id_of(request: dict[str, Any]) -> str:
    """The request's id. Raises `ServeError`."""
    value = request.get("id", "")
    if not isinstance(value, str):
        raise invalid("'id' must be a string")
    return value


def parameters_of(holder: dict[str, Any], of: str) -> Parameters:
    """The parameters of a request or a tensor. Raises `ServeError`."""
    value = holder.get("parameters", {})
    if not isinstance(value, dict):
        raise invalid(f"'parameters' of the {of} must be an object")
    for name, each in value.items():
        if not isinstance(each, str | int | float):
            raise invalid(f"parameter '{name}' must be a string, a number or true or false")
        check_parameter(name, of)
    return value


def input_of(value: dict[str, Any]) -> CallInput:
    """An input without its data. Raises `ServeError`."""
    name = text_of(value, "name", "an input")
    dtype = text_of(value, "datatype", f"input '{name}'")
    if dtype not in NUMPY:
        raise invalid(f"input '{name}' has the datatype '{dtype}'; there are {', '.join(NUMPY)}")
    shape = value.get("shape")
    if not isinstance(shape, list) or not all(type(dim) is int for dim in shape):
        raise invalid(f"input '{name}' needs 'shape', an array of integers")
    return CallInput(name, dtype, tuple(shape))


def output_of(value: dict[str, Any]) -> CallOutput:
    """An output that is asked for. Raises `ServeError`."""
    name = text_of(value, "name", "an output")
    stated = parameters_of(value, f"output '{name}'")
    classes = stated.get("classification", 0)
    if type(classes) is not int or classes < 0:
        raise invalid(f"output '{name}': 'classification' must be a number of classes")
    # As Triton does: `binary_data_output` is for requests that name no outputs.
    flag = stated.get("binary_data", False)
    if not isinstance(flag, bool):
        raise invalid(f"output '{name}': 'binary_data' must be true or false")
    return CallOutput(name, classes, flag)
