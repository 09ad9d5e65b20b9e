"""The same repository of Python models, served by Triton 2.51 and by us, asked the same.

What may differ stands in differential/differences.py; everything else is a failure.
"""

from __future__ import annotations

import gzip
import json
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format
from prometheus_client.parser import text_string_to_metric_families
from tritonclient.grpc import service_pb2

from tests.serve.conftest import Running
from tests.serve.differential import endpoints, grpc_corpus
from tests.serve.differential.corpus import MODELS, Question, questions
from tests.serve.differential.differences import (
    DIFFERENCES,
    Difference,
    explained,
    same_meaning,
    table,
)
from tests.serve.differential.peers import Answer, Client, Peer, fill
from tests.tritonserver import PYTHON, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("triton")]
with_triton = pytest.mark.skipif(
    not PYTHON.exists(), reason="no tritonserver: nvidia-pytriton is not installed"
)
COUNT = 1000
DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes, "gzip": gzip.decompress, "deflate": zlib.decompress,
}  # fmt: skip
_SEEN: set[Difference] = set()  # rows that some question has shown
_ASKED: list[int] = []  # how many questions each test asked


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    fill(folder)
    return folder


@pytest.fixture(scope="module")
def peer(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    peer = Peer(repository, tmp_path_factory.mktemp("triton"))
    yield peer
    peer.stop()


@pytest.fixture(scope="module")
def server(start: Callable[..., Running], repository: Path) -> Running:
    return start(repository, control="explicit", load_models=("*",), allow_overrides=True)


@pytest.fixture(scope="module")
def ours(server: Running) -> Iterator[Client]:
    client = Client(server.http, server.grpc)
    yield client
    client.close()


def allowed(theirs: Answer, ours: Answer, meaning: Callable[[Answer], Any]) -> bool:
    """Both answers say the same, or the table allows the difference."""
    if theirs.good and ours.good:
        return bool(meaning(theirs) == meaning(ours))
    if not ours.good:
        assert ours.error, ours  # every refusal says why
    if not theirs.good and not ours.good and same_meaning(theirs.line, ours.line):
        return True
    row = explained(theirs.line, ours.line)
    if row is not None:
        _SEEN.add(row)
    return row is not None


def check(wrong: list[Any], same: int, count: int) -> None:
    _ASKED.append(count)
    kinds = {theirs.line: f"{theirs.line}\n  ours: {ours.line}\n  asked: {asked!r:.300}"
             for theirs, ours, asked in wrong}  # fmt: skip
    text = "\n".join(kinds.values())
    assert not wrong, f"{len(wrong)} answers differ:\n{text[:9000]}"
    assert same > count * 0.7


def inferred(answer: Answer, dtype: str) -> Any:
    """A good answer to an inference over HTTP: header, tensors, the headers that say so."""
    headers, body = answer.headers, answer.value
    coding = headers.get("content-encoding", "identity")
    body = DECODERS[coding](body)
    length = headers.get("inference-header-content-length")
    header = json.loads(body if length is None else body[: int(length)])
    for output in header["outputs"]:
        if "data" in output and dtype == "FP32" and output["datatype"] == "FP32":
            # We write the shortest decimal of a float, Triton that of the double it becomes.
            output["data"] = np.array(output["data"], np.float32).tolist()
    tensors = b"" if length is None else body[int(length) :]
    # A count of bytes that stands for the JSON's length differs where numbers are shorter.
    return header, tensors, headers["content-type"], length is None, coding


def model_of(question: Question) -> str:
    parts = question.path.split("/")
    return parts[3] if len(parts) > 4 else ""


@with_triton
def test_a_thousand_requests_over_http(peer: Peer, ours: Client) -> None:
    same, wrong = 0, []
    for question in questions(COUNT):
        asked = (question.method, question.path, question.body, question.headers)
        theirs, mine = peer.ask(*asked), ours.ask(*asked)
        dtype = MODELS.get(model_of(question), ("",))[0]
        same += theirs.status == mine.status
        if not allowed(theirs, mine, partial(inferred, dtype=dtype)):
            wrong.append((theirs, mine, question))
    check(wrong, same, COUNT)


def response(answer: Answer) -> Any:
    return service_pb2.ModelInferResponse.FromString(answer.value)


@with_triton
def test_a_thousand_calls_over_grpc(peer: Peer, ours: Client) -> None:
    same, wrong = 0, []
    for message in grpc_corpus.calls(COUNT):
        theirs, mine = peer.call("ModelInfer", message), ours.call("ModelInfer", message)
        same += theirs.status == mine.status
        if not allowed(theirs, mine, response):
            wrong.append((theirs, mine, message))
    check(wrong, same, COUNT)


@with_triton
def test_every_other_path(peer: Peer, ours: Client) -> None:
    wrong = []
    for asked in endpoints.PATHS:
        theirs, mine = peer.ask(*asked), ours.ask(*asked)
        if not allowed(theirs, mine, lambda answer: endpoints.body(answer.value)):
            wrong.append((theirs, mine, asked))
    check(wrong, len(endpoints.PATHS), len(endpoints.PATHS))


@with_triton
def test_every_other_call(peer: Peer, ours: Client) -> None:
    wrong = []
    for name, request in endpoints.CALLS:
        sent = request.SerializeToString()
        theirs, mine = peer.call(name, sent), ours.call(name, sent)

        def meaning(answer: Answer, name: str = name) -> Any:
            made = getattr(service_pb2, f"{name}Response").FromString(answer.value)
            return endpoints.comparable(
                json_format.MessageToDict(made, preserving_proto_field_name=True)
            )

        if not allowed(theirs, mine, meaning):
            wrong.append((theirs, mine, (name, request)))
    check(wrong, len(endpoints.CALLS), len(endpoints.CALLS))


@with_triton
def test_statistics_count_alike(peer: Peer, ours: Client) -> None:
    body = json.dumps({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [3, 16],
                                   "data": [0] * 48}]}).encode()  # fmt: skip
    bad = body.replace(b"48", b"47").replace(b"[3, 16]", b"[3, 15]")

    def statistics(client: Client | Peer) -> Any:
        (found,) = json.loads(client.ask("GET", "/v2/models/float/stats").value)["model_stats"]
        return found

    def change(client: Client | Peer) -> Any:
        before = statistics(client)
        for sent in (body, body, bad):
            client.ask("POST", "/v2/models/float/infer", sent)
        after = statistics(client)
        counts = {
            name: after[name] - before[name] for name in ("inference_count", "execution_count")
        }
        parts = after["inference_stats"]
        counts |= {k: v["count"] - before["inference_stats"][k]["count"] for k, v in parts.items()}
        return counts, endpoints.shape(after)

    assert change(ours) == change(peer)


@with_triton
def test_metrics_have_the_same_names_and_labels(peer: Peer, server: Running) -> None:
    def families(address: str) -> dict[str, tuple[str, frozenset[str]]]:
        with urllib.request.urlopen(f"http://{address}/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain")
            text = answer.read().decode()
        return {
            each.name: (each.type, frozenset(label for s in each.samples for label in s.labels))
            for each in text_string_to_metric_families(text)
        }

    theirs = families(f"127.0.0.1:{peer.triton.metrics_port}")
    mine = families(server.metrics)
    missing = {name: row for name, row in theirs.items() if mine.get(name) != row}
    # There is no such pool here.
    pool = {name for name in missing if name.startswith("nv_pinned_memory_pool_")}
    assert set(missing) == pool != set()


def test_the_docs_show_what_differs() -> None:
    assert table() in (ROOT / "docs/serve.md").read_text()


@with_triton
def test_every_row_was_shown() -> None:
    """After the others of this file: a row that nothing shows is no difference (any more)."""
    if len(_ASKED) < 4:
        pytest.skip("not all questions were asked in this run")
    assert [row.triton for row in DIFFERENCES if row.theirs and row not in _SEEN] == []
