"""ONNX models of a node or two, written into model repositories."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Dims = list[int | str]


def model(nodes: list[onnx.NodeProto], inputs: dict[str, tuple[int, Dims]],
          outputs: dict[str, tuple[int, Dims]], constants: dict[str, np.ndarray] | None = None,
          ) -> bytes:  # fmt: skip
    graph = helper.make_graph(
        nodes, "graph",
        [helper.make_tensor_value_info(name, *info) for name, info in inputs.items()],
        [helper.make_tensor_value_info(name, *info) for name, info in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def identity(dtype: int = TensorProto.FLOAT, dims: Dims | None = None) -> bytes:
    """OUTPUT0 = INPUT0, [batch, 16] unless `dims` says otherwise."""
    dims = ["batch", 16] if dims is None else dims
    node = helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"])
    return model([node], {"INPUT0": (dtype, dims)}, {"OUTPUT0": (dtype, dims)})


def add_sub(batched: bool = True) -> bytes:
    """OUTPUT0 = INPUT0 + INPUT1, OUTPUT1 = INPUT0 - INPUT1, int32 [batch, 16]."""
    dims: Dims = ["batch", 16] if batched else [16]
    both = (TensorProto.INT32, dims)
    nodes = [
        helper.make_node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"]),
        helper.make_node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"]),
    ]
    return model(nodes, {"INPUT0": both, "INPUT1": both}, {"OUTPUT0": both, "OUTPUT1": both})


def plus(value: float) -> bytes:
    """OUTPUT0 = INPUT0 + value, fp32 [batch, 16]."""
    dims: Dims = ["batch", 16]
    node = helper.make_node("Add", ["INPUT0", "value"], ["OUTPUT0"])
    both = (TensorProto.FLOAT, dims)
    constant = {"value": np.array(value, np.float32)}
    return model([node], {"INPUT0": both}, {"OUTPUT0": both}, constant)


def slow(iterations: int) -> bytes:
    """Takes time in proportion to `iterations`: a Loop of matrix products; fp32 [batch, 16]."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["work", "eye"], ["next"]),
            helper.make_node("Identity", ["condition"], ["go_on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
            helper.make_tensor_value_info("work", TensorProto.FLOAT, [128, 128]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [128, 128]),
        ],
    )
    nodes = [
        # From the input, so that nothing of it is folded into a constant.
        helper.make_node("ReduceSum", ["INPUT0"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Add", ["eye", "nothing"], ["begin"]),
        helper.make_node("Loop", ["count", "", "begin"], ["end"], body=body),
        helper.make_node("ReduceSum", ["end"], ["total"], keepdims=0),
        helper.make_node("Mul", ["total", "zero"], ["none"]),
        helper.make_node("Add", ["INPUT0", "none"], ["OUTPUT0"]),
    ]
    constants: dict[str, np.ndarray] = {
        "count": np.array(iterations, np.int64),
        "eye": np.eye(128, dtype=np.float32),
        "zero": np.array(0, np.float32),
    }
    both: tuple[int, Dims] = (TensorProto.FLOAT, ["batch", 16])
    return model(nodes, {"INPUT0": both}, {"OUTPUT0": both}, constants)


CONFIG_16 = """
max_batch_size: 64
input { name: "INPUT0" data_type: TYPE_FP32 dims: [16] }
output { name: "OUTPUT0" data_type: TYPE_FP32 dims: [16] }
"""


def put(repository: Path, name: str, content: bytes, config: str | None = None,
        version: int = 1) -> Path:  # fmt: skip
    """Write one version of an ONNX model; without `config` the server has to complete it."""
    folder = repository / name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    if config is not None:
        (repository / name / "config.pbtxt").write_text(config)
    return repository / name


def put_python(repository: Path, name: str, code: str, config: str) -> Path:
    """Write version 1 of a Python model."""
    folder = repository / name / "1"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(code)
    (repository / name / "config.pbtxt").write_text(config)
    return repository / name
