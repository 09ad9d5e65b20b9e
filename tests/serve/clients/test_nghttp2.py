"""h2load and nghttp: HTTP/2 from another hand, with windows and frames of odd sizes."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from tests.serve.clients.served import Served
from tests.serve.clients.tools import program, run

INFER = "/inference.GRPCInferenceService/ModelInfer"
_GRPC = ("-H", "content-type: application/grpc", "-H", "te: trailers")


def message(model: str, values: np.ndarray) -> bytes:
    """A gRPC message, with its prefix, as the body of a POST."""
    request = service_pb2.ModelInferRequest(model_name=model, raw_input_contents=[values.tobytes()])
    request.inputs.add(name="INPUT0", datatype="FP32", shape=values.shape)
    data: bytes = request.SerializeToString()
    return b"\0" + struct.pack(">I", len(data)) + data


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "small"
    path.write_bytes(message("identity", np.ones((1, 16), np.float32)))
    return str(path)


@pytest.fixture
def large(tmp_path: Path) -> str:
    path = tmp_path / "large"
    values = np.arange(4 * 3 * 224 * 224, dtype=np.float32).reshape(4, 3, 224, 224)
    path.write_bytes(message("image", values))
    return str(path)


def h2load(url: str, *arguments: str) -> str:
    """Run h2load and check that everything was answered with 200 and nothing failed."""
    output = run(program("h2load", "nghttp2-client"), *_GRPC, *arguments, url).decode()
    found = re.search(r"requests: (\d+) total, .* (\d+) succeeded, 0 failed, 0 errored", output)
    assert found is not None, output
    assert found[1] == found[2]
    assert f"status codes: {found[1]} 2xx, 0 3xx, 0 4xx, 0 5xx" in output
    return output


@pytest.mark.parametrize(("clients", "streams"), [(1, 1), (1, 100), (8, 16)])
def test_h2load(served: Served, small: str, clients: int, streams: int) -> None:
    h2load(f"http://{served.grpc}{INFER}", "-n400", f"-c{clients}", f"-m{streams}", "-d", small)


# Bits of the client's stream and connection window: the smallest hold a few bytes of an answer.
@pytest.mark.parametrize(("stream", "connection"), [(1, 30), (4, 16), (16, 16), (30, 16), (30, 30)])
def test_h2load_with_odd_windows(served: Served, small: str, stream: int, connection: int) -> None:
    windows = (f"-w{stream}", f"-W{connection}")
    h2load(f"http://{served.grpc}{INFER}", "-n40", "-c2", "-m10", *windows, "-d", small)


@pytest.mark.parametrize(("stream", "connection"), [(10, 16), (16, 16), (30, 30)])
def test_h2load_with_large_answers(
    served: Served, large: str, stream: int, connection: int
) -> None:
    windows = (f"-w{stream}", f"-W{connection}")
    output = h2load(f"http://{served.grpc}{INFER}", "-n6", "-c2", "-m3", *windows, "-d", large)
    # Every byte of every answer: 6 times 4 images, besides frames and headers.
    data = re.search(r"\((\d+)\) data", output)
    assert data is not None
    assert 6 * 4 * 3 * 224 * 224 * 4 < int(data[1]) < 6 * (4 * 3 * 224 * 224 * 4 + 200)


@pytest.mark.parametrize("options", [(), ("--window-bits=5",), ("--padding=200",),
                                     ("--no-dep", "--header-table-size=0"),
                                     ("--peer-max-concurrent-streams=1",)])  # fmt: skip
def test_nghttp(served: Served, small: str, options: tuple[str, ...]) -> None:
    command = (program("nghttp", "nghttp2-client"), *_GRPC, *options, f"--data={small}",
               f"http://{served.grpc}{INFER}")  # fmt: skip
    text = run(*command, "--verbose").decode("latin-1")
    assert ":status: 200" in text
    assert "grpc-status: 0" in text
    assert "GOAWAY" not in text.split("grpc-status: 0")[0]
    assert np.ones((1, 16), np.float32).tobytes() in run(*command)


def test_nghttp_many_on_one_connection(served: Served, small: str) -> None:
    output = run(program("nghttp", "nghttp2-client"), "-v", "-n", "-m5", *_GRPC, f"-d{small}",
                 f"http://{served.grpc}{INFER}")  # fmt: skip
    assert output.decode("latin-1").count("grpc-status: 0") == 5
