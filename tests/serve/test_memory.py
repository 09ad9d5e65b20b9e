"""What a server holds for long is not looked at again and again."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from onnx import TensorProto, helper
from tritonclient.utils import InferenceServerException
from trtserve import memory
from trtserve.protocols.grpc import GrpcCall
from trtserve.protocols.http1 import HttpRequest
from trtserve.request import InferRequest

from tests.serve.conftest import Running
from tests.serve.gated import until
from tests.serve.models import CONFIG_16, Dims, model, plus, put


class Node:
    """May be part of a cycle."""

    other: Node


def test_what_became_garbage_while_it_was_set_aside_is_still_freed() -> None:
    first, second = Node(), Node()
    first.other, second.other = second, first
    seen = weakref.ref(first)
    memory.set_aside()
    del first, second
    gc.collect()
    assert seen() is not None  # a collection does not look there
    memory.set_aside()
    assert seen() is None
    gc.unfreeze()


def test_a_server_sets_aside_what_it_has_loaded(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    put(tmp_path, "model", plus(1), CONFIG_16)
    gc.unfreeze()
    server = start(tmp_path)
    try:
        until(lambda: gc.get_freeze_count() > 10_000)
        assert server.server.endpoints.server_ready()
    finally:
        server.stop()
        gc.unfreeze()


def failing() -> bytes:
    """Looks up what is not there: OUTPUT0 = constant[INPUT0], fp32 [batch, 16]."""
    dims: Dims = ["batch", 16]
    both = (TensorProto.FLOAT, dims)
    nodes = [
        helper.make_node("Cast", ["INPUT0"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["constant", "index"], ["OUTPUT0"]),
    ]
    constant = {"constant": np.zeros(1, np.float32)}
    return model(nodes, {"INPUT0": both}, {"OUTPUT0": both}, constant)


@pytest.mark.parametrize("client", [http_client, grpc_client], ids=["http", "grpc"])
def test_requests_are_freed_with_their_answers(
    start: Callable[..., Running], tmp_path: Path, client: Any
) -> None:
    """Not by the garbage collector, which comes once in hundreds: each may hold 64 MB."""
    put(tmp_path, "m", plus(1), CONFIG_16)
    put(tmp_path, "failing", failing(), CONFIG_16)
    gc.unfreeze()
    server = start(tmp_path)
    until(lambda: gc.get_freeze_count() > 10_000)  # which collects garbage, once
    good, bad = (client.InferInput(name, [1, 16], "FP32") for name in ("INPUT0", "INPUT9"))
    for each in (good, bad):
        each.set_data_from_numpy(np.ones((1, 16), np.float32))
    url = server.http if client is http_client else server.grpc

    def under_way() -> int:
        """Calls and requests that are in memory; a connection keeps one that it uses again."""
        kinds = (GrpcCall, HttpRequest, InferRequest)
        return sum(isinstance(each, kinds) for each in gc.get_objects())

    with client.InferenceServerClient(url) as asking:
        for _ in range(5):
            asking.infer("m", [good])
            with pytest.raises(InferenceServerException):
                asking.infer("failing", [good])
        gc.collect()
        gc.disable()
        try:
            before = under_way()
            for _ in range(20):
                asking.infer("m", [good])
                with pytest.raises(InferenceServerException):
                    asking.infer("m", [bad])
                with pytest.raises(InferenceServerException, match="onnx runtime error"):
                    asking.infer("failing", [good])
            until(lambda: under_way() <= before + 4, seconds=3)
        finally:
            gc.enable()
            gc.unfreeze()


FAULTS = """
import resource, sys
from trtserve import memory
if sys.argv[1] == "kept":
    assert memory.keep_freed()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    bytearray(602_112)
before = faults()
for _ in range(100):
    blocks = [bytearray(602_112) for _ in range(4)]
    del blocks
print(faults() - before)
"""


def test_tensors_use_the_same_memory_again() -> None:
    """glibc's own way gives it back and gets it anew, a page at a time."""

    def faults(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", FAULTS, how], check=True, capture_output=True)
        return int(done.stdout)

    assert faults("kept") < 1000 < faults("as it is")
