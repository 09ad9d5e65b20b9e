"""Names and bounds of shared memory (CVE-2025-23319, CVE-2025-23320, CVE-2025-23334).

There, an error told the name of the memory between server and model process, and a client could
register that name as its own region. Here a client can register nothing, and the memory to model
processes has no name (a memfd).
"""

from __future__ import annotations

import pytest
from trtserve.backends.python import slab

from tests.serve.conftest import Running
from tests.serve.sockets.wire import asked, called, exchange, framed, good_message, inputs

pytestmark = pytest.mark.usefixtures("no_traceback")
REGION = {"shared_memory_region": "triton_python_backend_shm_region_1",
          "shared_memory_offset": 2**64 - 1, "shared_memory_byte_size": 64}  # fmt: skip


@pytest.mark.parametrize("verb", ["register", "unregister", "status"])
@pytest.mark.parametrize("kind", ["systemsharedmemory", "cudasharedmemory"])
def test_there_is_nothing_to_register_at(served: Running, kind: str, verb: str) -> None:
    for path in (f"/v2/{kind}/{verb}", f"/v2/{kind}/region/a/{verb}"):
        (answer,) = exchange(served, f"POST {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert answer.status == 404
    rpc = {"systemsharedmemory": "SystemSharedMemory", "cudasharedmemory": "CudaSharedMemory"}
    path = f"/inference.GRPCInferenceService/{rpc[kind]}{verb.title()}"
    assert called(served, framed(b""), (":path", path))[0] == 12


def test_no_tensor_lies_in_a_region(served: Running) -> None:
    answer = asked(served, inputs(data=None, parameters=REGION))
    assert (answer.status, "shared memory is not served" in answer.error) == (501, True)
    answer = asked(served, inputs() | {"outputs": [{"name": "OUTPUT0", "parameters": REGION}]})
    assert (answer.status, "shared memory is not served" in answer.error) == (501, True)
    request = good_message()
    request.inputs[0].parameters["shared_memory_region"].string_param = "a"
    assert called(served, request)[0] == 12


def test_the_memory_to_model_processes_has_no_name() -> None:
    made, fd = slab.create(4096)
    assert made.size == 4096
    assert not slab.attach(fd).bytes[0]
    assert "shm_open" not in slab.__dict__
