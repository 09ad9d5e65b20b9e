"""What an ensemble knows of its members."""

from __future__ import annotations

from pathlib import Path

from tests.validate.opened import opened
from trtbuild.validate.peers import Port, peer_of
from trtbuild.validate.words import data_type_number


def test_of_a_model(tmp_path: Path) -> None:
    text = """backend: "identity" max_batch_size: 4
input { name: "a" data_type: TYPE_FP32 dims: [ 4, -1 ] optional: true }
output { name: "b" dims: [ ] }
model_transaction_policy { decoupled: true }
"""
    peer = peer_of(opened(tmp_path, text))
    fp32 = data_type_number("TYPE_FP32")
    assert peer.inputs == (Port("a", fp32, (4, -1), optional=True),)
    assert peer.outputs == (Port("b", 0, ()),)
    assert peer.loads
    assert peer.complete
    assert peer.decoupled
    assert peer.versions == frozenset({1})
    assert not peer_of(opened(tmp_path, text), "a reason").loads


def test_dims_that_will_be_filled_in_are_unknown(tmp_path: Path) -> None:
    peer = peer_of(opened(tmp_path, 'platform: "tensorrt_plan" input { name: "a" }'))
    assert peer.inputs == (Port("a", 0, None),)
    assert not peer.complete


def test_of_an_ensemble(tmp_path: Path) -> None:
    text = 'platform: "ensemble" ensemble_scheduling { step { model_name: "n" } }'
    assert peer_of(opened(tmp_path, text)).steps == ("n",)
