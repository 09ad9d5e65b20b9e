"""Networks that code defines, with the real TensorRT for RTX, in worker processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.network_api.recipes import location, weights_of
from trtbuild.errors import SourceError
from trtbuild.network_model import NetworkModel
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.tensor import TensorSpec
from trtbuild.workers.pool import Pool

HEAD = """
import numpy as np
import tensorrt as trt

def define(network, weights):
    x = network.add_input("x", trt.float32, (-1, 4, -1))
"""


def described(
    rtx: RuntimeInfo, folder: Path, where: str, weights: Path | None = None
) -> NetworkModel:
    with Pool() as pool, pool.worker() as worker:
        return worker.call(
            "trtbuild.plan.define:describe",
            NetworkModel,
            location=where, weights=weights, runtime=rtx, plugins=(), directory=folder,
        )  # fmt: skip


def code(folder: Path, body: str, head: str = HEAD) -> str:
    (folder / "net.py").write_text(head + "".join(f"    {line}\n" for line in body.splitlines()))
    return f"{folder}/net.py:define"


def test_a_recipe_is_described(rtx: RuntimeInfo, tmp_path: Path) -> None:
    found = described(rtx, tmp_path, location("mlp", "define"), weights_of("mlp", tmp_path))
    assert found.inputs == (TensorSpec("x", "fp32", ("batch", 16)),)
    assert found.outputs == (TensorSpec("scores", "fp32", ("batch", 4)),)
    assert found.layers == {
        "CONSTANT": 6, "MATRIX_MULTIPLY": 3, "ELEMENTWISE": 3, "ACTIVATION": 2,
    }  # fmt: skip
    assert (found.precision, found.producer) == ("fp32", f"tensorrt-rtx {rtx.version}")


def test_dims_keep_their_names_and_types_set_the_precision(
    rtx: RuntimeInfo, tmp_path: Path
) -> None:
    body = (
        'x.set_dimension_name(2, "tokens")\n'
        "y = network.add_cast(x, trt.float16).get_output(0)\n"
        'y.name = "y"\nnetwork.mark_output(y)'
    )
    found = described(rtx, tmp_path, code(tmp_path, body))
    assert found.inputs[0].shape == ("batch", 4, "tokens")
    assert (found.outputs[0].dtype, found.precision) == ("fp16", "fp16")


def test_code_and_weights_are_in_the_digest(rtx: RuntimeInfo, tmp_path: Path) -> None:
    body = "network.mark_output(network.add_identity(x).get_output(0))"
    weights = tmp_path / "w.npz"
    digests = set()
    for text, value in ((body, 1), (body + "\n# changed", 1), (body, 2)):
        np.savez(weights, w=np.array([value]))
        digests.add(described(rtx, tmp_path, code(tmp_path, text), weights).digest)
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return None", r"net.py:define' defines a network without an output"),
        ("raise ValueError('no such layer')", r"ValueError: no such layer \(.*net.py, line 7"),
        ("weights['conv']", r"KeyError: 'conv' \(.*net.py, line 7, in define\)"),
    ],
)
def test_what_the_user_did_wrong(rtx: RuntimeInfo, tmp_path: Path, body: str, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        described(rtx, tmp_path, code(tmp_path, body))


def test_a_network_without_an_input(rtx: RuntimeInfo, tmp_path: Path) -> None:
    where = code(tmp_path, "pass", "def define(network, weights):\n")
    with pytest.raises(SourceError, match="defines a network without an input") as caught:
        described(rtx, tmp_path, where)
    assert "network.add_input(name, dtype, shape)" in caught.value.hint
