"""Sound files that the readers are tried with: small, and with something of every kind inside."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def branching_onnx(path: Path) -> Path:
    """Convolution, a branch, a constant to fold, a loop, external data, a function of its own."""
    value, node, rng = helper.make_tensor_value_info, helper.make_node, np.random.default_rng(0)
    weights = {
        "w": rng.standard_normal((4, 2, 3, 3)).astype(np.float32),
        "large": rng.standard_normal((4, 2000)).astype(np.float32),
        "shape": np.array([0, -1]),
        "n": np.array(3),
        "true": np.array(True),
        "two": np.array([2.0], np.float32),
    }
    then = helper.make_graph(
        [node("Relu", ["c"], ["t"])], "then", [], [value("t", TensorProto.FLOAT, None)]
    )
    other = helper.make_graph(
        [node("Sigmoid", ["c"], ["o"])], "other", [], [value("o", TensorProto.FLOAT, None)]
    )
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"]), node("Add", ["v", "two"], ["u"])],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("v", TensorProto.FLOAT, None),
        ],
        [value("on", TensorProto.BOOL, []), value("u", TensorProto.FLOAT, None)],
    )
    nodes = [
        node("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("If", ["true"], ["b"], then_branch=then, else_branch=other),
        node("GlobalAveragePool", ["b"], ["g"]),
        node("Reshape", ["g", "shape"], ["r"]),
        node("MatMul", ["r", "large"], ["m"]),
        node("Constant", [], ["k"], value=numpy_helper.from_array(np.ones(3, np.float32))),
        node("ReduceSum", ["k"], ["s"], keepdims=0),
        node("Mul", ["m", "s"], ["z"]),
        node("Loop", ["n", "true", "z"], ["l"], body=body),
        node("Twice", ["l"], ["y"], domain="own"),
    ]
    twice = helper.make_function(
        "own", "Twice", ["a"], ["d"], [node("Add", ["a", "a"], ["d"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, ["batch", 2, 8, 8])],
        [value("y", TensorProto.FLOAT, ["batch", 2000])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, functions=[twice], ir_version=9)
    onnx.save(model, path)
    return path


def locked_version(repo: Path) -> Path:
    """A version folder with its lock, as a conversion writes it."""
    import trtbuild
    from tests.models import linear

    os.environ["TRTBUILD_CACHE_DIR"] = str(repo.parent / "cache")
    repo.parent.mkdir(exist_ok=True)
    done = trtbuild.convert(linear(repo.parent / "m.onnx"), repo, targets=("8.6",))
    return done.directory / str(done.version)


def torchscript(path: Path) -> Path:
    """A traced module of one layer."""
    import torch

    torch.jit.trace(torch.nn.Linear(4, 2), torch.ones(2, 4)).save(str(path))  # type: ignore[no-untyped-call] # torch's own
    return path


def exported(path: Path) -> Path:
    """A program of one layer whose batch varies."""
    import torch

    shapes = ({0: torch.export.Dim("batch", max=8)},)
    program = torch.export.export(torch.nn.Linear(4, 2), (torch.ones(2, 4),), dynamic_shapes=shapes)
    torch.export.save(program, str(path))
    return path


def saved_model(path: Path) -> Path:
    """A SavedModel with a variable and a function in a function."""
    from trtbuild.sources.tf_export import tensorflow

    tf = tensorflow()
    module = tf.Module()
    module.weight = tf.Variable([[1.0, 2.0]])
    inner = tf.function(lambda x: x + module.weight)
    module.serve = tf.function(
        lambda x: {"y": inner(x)},
        input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")],
    )
    tf.saved_model.save(module, str(path), signatures=module.serve)
    return path
