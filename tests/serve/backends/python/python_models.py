"""Python models written into version directories, and requests to them."""

import json
from collections.abc import Callable
from pathlib import Path
from textwrap import indent
from typing import Any

import numpy as np
from trtserve.backends.python.instance import PythonInstance, PythonModel
from trtserve.backends.python.translation import Answer
from trtserve.errors import ServeError
from trtserve.request import Call, CallInput, CallOutput, InferRequest, InferResponse
from trtserve.tensors import NUMPY, array_from_wire, wire_from_array

WIRE = {dtype: name for name, dtype in NUMPY.items() if name != "BF16"}

# Does what a request's input `do` says, an expression with `r`, `requests` and `pb_utils`.
DOES = """
def execute(self, requests):
    names = globals() | {"r": requests[0], "requests": requests, "self": self}
    return eval(requests[0].inputs()[0].as_numpy()[0].decode(), names)
"""
ECHO = "pb_utils.InferenceResponse([pb_utils.Tensor('y', {})])"
ONE = np.arange(16, dtype=np.float32).reshape(1, 16)
Load = Callable[..., PythonInstance]  # (methods, top, **config)

IDENTITY = """
def execute(self, requests):
    return [
        pb_utils.InferenceResponse(
            [pb_utils.Tensor(t.name(), t.as_numpy()) for t in request.inputs()]
        )
        for request in requests
    ]
"""


def write_model(directory: Path, methods: str, top: str = "") -> Path:
    """`directory`/model/1/model.py with a class of these methods."""
    version = directory / "model" / "1"
    version.mkdir(parents=True, exist_ok=True)
    file = version / "model.py"
    file.write_text(
        "import os, sys, time\nimport numpy as np\nimport triton_python_backend_utils as pb_utils\n"
        + top
        + "\nclass TritonPythonModel:\n"
        + indent(methods, "    ")
    )
    return file


def model(directory: Path, methods: str, top: str = "", **config: Any) -> PythonModel:
    limit = {"limit_bytes": config.pop("limit_bytes")} if "limit_bytes" in config else {}
    file = write_model(directory, methods, top)
    return PythonModel("model", "1", file, json.dumps({"name": "model"} | config), **limit)


def instance(directory: Path, methods: str, top: str = "", **config: Any) -> PythonInstance:
    return PythonInstance(model(directory, methods, top, **config), "model_0")


def request(
    *outputs: str, id_: str = "", parameters: dict[str, Any] | None = None, **inputs: Any
) -> InferRequest:
    """A request with arrays as inputs; without outputs it asks for those named as its inputs."""
    arrays = {name: np.asarray(value) for name, value in inputs.items()}
    dtypes = {name: WIRE[array.dtype] for name, array in arrays.items()}
    described = tuple(CallInput(n, dtypes[n], array.shape) for n, array in arrays.items())
    wanted = tuple(CallOutput(name) for name in outputs or inputs)
    sizes = tuple(array.nbytes for array in arrays.values())
    timeout = (parameters or {}).get("timeout", 0)
    call = Call(
        id_,
        described,
        wanted,
        1,
        None,
        parameters or {},
        0,
        timeout,
        sizes,
        tuple(each.name for each in wanted),
    )
    data = [wire_from_array(array, dtypes[name]) for name, array in arrays.items()]
    return InferRequest(call, data, lambda *_: None, 0)


def outputs(answer: Answer) -> dict[str, np.ndarray]:
    """The outputs of an answer that is none but outputs."""
    assert isinstance(answer, InferResponse), answer
    return {
        each.name: array_from_wire(each.data, each.dtype, each.shape) for each in answer.outputs
    }


def failed(answer: Answer) -> ServeError:
    """An answer that is an error."""
    assert isinstance(answer, ServeError), answer
    return answer


def do(doer: PythonInstance, what: str, *wanted: str, **facts: Any) -> Any:
    """What a model of `DOES` answers to one request that says `what`."""
    (answer,) = doer.execute(
        [request(*wanted or ("y",), do=np.array([what.encode()], object), **facts)]
    )
    return answer


def told(doer: PythonInstance, expression: str, *wanted: str, **facts: Any) -> Any:
    """What an expression gives in the model's process, by way of JSON."""
    array = f"np.array([json.dumps({expression}).encode()], object)"
    answer = do(doer, f"[{ECHO.format(array)} for json in [__import__('json')] for r in requests]",
                *wanted, **facts)  # fmt: skip
    return json.loads(outputs(answer)["y"][0])
