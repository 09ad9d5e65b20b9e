"""Tensors whose bytes contradict themselves (CVE-2020-15206; of its kind, in BYTES)."""

from __future__ import annotations

import json
import struct

import pytest
from trtserve.protocols.messages import message

from tests.serve.conftest import Running
from tests.serve.sockets.wire import asked, called, goes_on

pytestmark = pytest.mark.usefixtures("no_traceback")
# Data of a BYTES tensor of 2 elements.
TORN = [
    b"", b"\1", b"\0\0\0", b"\4\0\0\0abc", struct.pack("<I", 2**32 - 1) + b"a",
    b"\1\0\0\0a", b"\1\0\0\0a\1\0\0\0", b"\1\0\0\0a\1\0\0\0bc", b"\1\0\0\0a" * 3,
    struct.pack("<I", 2**31) + bytes(100), b"\xff" * 64,
]  # fmt: skip


@pytest.mark.parametrize("data", TORN)
def test_bytes_elements_that_do_not_add_up(served: Running, data: bytes) -> None:
    parameters = {"binary_data_size": len(data)}
    given = {"name": "INPUT0", "datatype": "BYTES", "shape": [2], "parameters": parameters}
    header = json.dumps({"inputs": [given]}).encode()
    length = f"Inference-Header-Content-Length: {len(header)}"
    answer = asked(served, header + data, length, model="text")
    assert (answer.status, "'INPUT0'" in answer.error) == (400, True)
    request = message("ModelInferRequest")(model_name="text")
    request.inputs.add(name="INPUT0", datatype="BYTES", shape=[2])
    request.raw_input_contents.append(data)
    code, text = called(served, request)
    assert (code, "'INPUT0'" in text) == (3, True)
    goes_on(served)
