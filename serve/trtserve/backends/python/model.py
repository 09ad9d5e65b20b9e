"""A `TritonPythonModel` in its process: loading it, running batches, and what its errors say.

Texts and checks follow Triton's stub (python_backend/src/pb_stub.cc), tried on Triton 2.51.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from trtserve.backends.python import triton_python_backend_utils as pb_utils
from trtserve.backends.python.inference import InferenceRequest, InferenceResponse, TritonError
from trtserve.backends.python.layout import MAX_SIGNATURES, Part, Signature, Spec

Encoded = tuple[Signature, list[Part]]


class ModelError(Exception):
    """What a model did wrong, in Triton's words."""


def described(error: BaseException, own_files: str) -> str:
    """An exception as Triton prints it: type, text, and the model's frames, innermost first.

    Frames of files below `own_files`, the server's, are left out.
    """
    try:
        text = str(error) or "<EMPTY MESSAGE>"
    except Exception:
        text = "<NO TEXT: its __str__ raised>"
    frames = _frames(error.__traceback__, own_files)
    at = "\n\nAt:\n" + "".join(f"  {frame}\n" for frame in frames) if frames else ""
    return f"{type(error).__name__}: {text}{at}"


def _frames(traceback: TracebackType | None, own_files: str) -> list[str]:
    frames: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        hidden = code.co_filename.startswith((own_files, "<frozen importlib"))
        if not hidden:
            frames.append(f"{code.co_filename}({traceback.tb_lineno}): {code.co_name}")
        traceback = traceback.tb_next
    return frames[::-1]


def import_model(file: Path) -> ModuleType:
    """Import `REPOSITORY/MODEL/VERSION/model.py` as `VERSION.model`, so that `from .x` works."""
    version = file.parent
    sys.modules["triton_python_backend_utils"] = pb_utils
    pb_utils._model_directory = str(version)
    sys.path += [str(version), str(version.parent)]
    sys.dont_write_bytecode = True  # the repository is not ours to write to
    name = f"{version.name}.{file.stem}"
    __import__(name)  # importlib's own frames would be named in errors
    return sys.modules[name]


def completed_config(module: ModuleType, config: str) -> str:
    """The config with what the model's `auto_complete_config` fills in. Raises `ModelError`."""
    model_class: Any = module.TritonPythonModel
    if not hasattr(model_class, "auto_complete_config"):
        return config
    found = model_class.auto_complete_config(pb_utils.ModelConfig(config))
    if not isinstance(found, pb_utils.ModelConfig):
        name = json.loads(config)["name"]
        raise ModelError(
            f"auto_complete_config function in model '{name}' must return a valid "
            "pb.ModelConfig object."
        )
    return json.dumps(found.as_dict())


class Model:
    """One instance of a model."""

    def __init__(self, module: ModuleType, arguments: dict[str, str]) -> None:
        model_class: Any = module.TritonPythonModel
        self._file = module.__file__
        self._instance: Any = model_class()
        if hasattr(self._instance, "initialize"):
            self._instance.initialize(arguments)

    def finalize(self) -> None:
        """Call the model's `finalize` if it has one."""
        if hasattr(self._instance, "finalize"):
            self._instance.finalize()

    def execute(self, requests: list[InferenceRequest]) -> list[InferenceResponse]:
        """One response for each request. Raises `ModelError`, and whatever the model raises."""
        if not hasattr(self._instance, "execute"):
            raise ModelError(f"Python model {self._file} does not implement `execute` method.")
        count = len(requests)  # the list is the model's: it may empty it
        responses = self._instance.execute(requests)
        if type(responses) is not list and inspect.iscoroutine(responses):
            responses = asyncio.run(responses)
        _check_responses(responses, count)
        checked: list[InferenceResponse] = responses
        return checked


def _check_responses(responses: Any, count: int) -> None:
    if not isinstance(responses, list):
        raise ModelError(f"Expected a list in the execute return, found type '{type(responses)}'.")
    if len(responses) != count:
        raise ModelError(
            "Number of InferenceResponse objects do not match the number of InferenceRequest "
            f"objects. InferenceRequest(s) size is:{count}, and InferenceResponse(s) size is:"
            f"{len(responses)}\n"
        )
    for response in responses:
        if not isinstance(response, InferenceResponse):
            raise ModelError(
                "Expected an 'InferenceResponse' object in the execute function return list, "
                f"found type '{type(response)}'."
            )


class Encoder:
    """Responses in the form that goes to the server; equal signatures become one object."""

    def __init__(self) -> None:
        self._signatures: dict[Any, Signature] = {}

    def encode(self, response: InferenceResponse, wanted: Sequence[str]) -> Encoded:
        """An error, or those outputs that are wanted: as Triton, others are dropped."""
        error = response.error()
        if error is not None:
            return encoded_error(error)
        sent = [tensor.sent() for tensor in response.output_tensors() if tensor.name() in wanted]
        specs = tuple([spec for spec, _ in sent])
        data = [part for _, part in sent]
        note = response.has_parameters()
        if note:
            data.append(response.parameters().encode())
        signature = self._signatures.get((specs, note))
        if signature is None:
            if len(self._signatures) > MAX_SIGNATURES:
                self._signatures.clear()
            signature = Signature(tuple(Spec(*spec) for spec in specs), note=note)
            self._signatures[specs, note] = signature
        return signature, data


def encoded_error(error: TritonError) -> Encoded:
    """An error in the form that goes to the server."""
    text = error.message().encode(errors="replace")
    return Signature((), (error.code().name,), note=True), [text]
