"""Small model files made from one line: `x:fp32[N,4] -> y:fp32[N,4]`, `aoti(image)`."""

from __future__ import annotations

import functools
import gzip
import io
import re
import struct
from typing import Any

from trtbuild.artifacts import Range
from trtbuild.tensor import TensorSpec

_TENSOR = re.compile(r"(\w+):(\w+)\[([^\]]*)\]")


@functools.cache
def make(interface: str) -> bytes:
    """The bytes of a model file with this interface."""
    if interface.startswith("forward"):
        return _torchscript(interface)
    if interface.startswith("aoti"):
        return _aoti(interface)
    if interface.startswith("lock of"):
        return _lock(interface)
    if interface.startswith("bytes "):
        return interface.removeprefix("bytes ").encode()
    if interface == "archive":
        return gzip.compress(b"", mtime=0)
    if "plan" in interface.split():
        return _plan(interface)
    return _onnx(interface)


def _onnx(interface: str) -> bytes:
    """An ONNX model of one Identity.

    `with FILE` keeps a weight in FILE, `opset N` is its opset, `ir N` its IR version, the inputs
    that `given` names have a value in it; a shape `[*]` is left out.
    """
    from onnx import TensorProto, helper

    text, _, ir = interface.partition(" ir ")
    text, _, opset = text.partition(" opset ")
    text, _, given = text.partition(" given ")
    text, _, weights = text.partition(" with ")
    inputs, outputs = (_onnx_values(side) for side in text.split("->"))
    nodes = [helper.make_node("Identity", [inputs[0].name], [out.name]) for out in outputs]
    graph = helper.make_graph(nodes, "graph", inputs, outputs)
    if weights:
        weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=weights)
        graph.initializer.append(weight)
    for name in given.split():
        value = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], float_data=[1.0])
        graph.initializer.append(value)
    opsets = [helper.make_opsetid("", int(opset or 20))]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=int(ir or 10))
    return bytes(made.SerializeToString())


def _onnx_values(side: str) -> list[Any]:
    """The `onnx.ValueInfoProto`s of `x:fp32[N,4] s:fp32[]`."""
    from onnx import TensorProto, helper

    names = {
        "fp32": TensorProto.FLOAT,
        "fp16": TensorProto.FLOAT16,
        "int32": TensorProto.INT32,
        "int64": TensorProto.INT64,
    }

    def shape(dims: str) -> list[int | str] | None:
        sizes = (int(d) if d.isdecimal() else d for d in dims.split(",") if d)
        return None if dims == "*" else list(sizes)

    return [
        helper.make_tensor_value_info(name, names[dtype], shape(dims))
        for name, dtype, dims in _TENSOR.findall(side)
    ]


def _torchscript(interface: str) -> bytes:
    """A file laid out as torch.jit.save does, with a `forward` of these arguments."""
    import zipfile

    arguments = interface[len("forward(") : -1].replace(",", " ").split()
    code = "class Net(Module):\n  __parameters__ = []\n  def forward(self: __torch__.Net"
    code += "".join(f",\n    {name}: Tensor" for name in arguments) + ") -> Tensor:\n    return x\n"
    pickled = b"\x80\x02c__torch__\nNet\nq\x00)\x81}(X\x08\x00\x00\x00trainingq\x01\x89ub."
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("model/data.pkl", pickled)
        archive.writestr("model/code/__torch__.py", code)
        archive.writestr("model/version", "3\n")
    return made.getvalue()


def _aoti(interface: str) -> bytes:
    """A file laid out as AOTInductor's packages are: `aoti(image, *, scale)` gives one tensor."""
    import json
    import zipfile

    leaf: dict[str, object] = {"type": None, "context": None, "children_spec": []}
    words = interface[len("aoti(") : -1].replace(",", " ").split()
    named = words[words.index("*") + 1 :] if "*" in words else []
    count = words.index("*") if "*" in words else len(words)
    tuples = [
        {"type": "builtins.tuple", "context": "null", "children_spec": [leaf] * count},
        {
            "type": "builtins.dict",
            "context": json.dumps(named),
            "children_spec": [leaf] * len(named),
        },
    ]
    call = [1, {"type": "builtins.tuple", "context": "null", "children_spec": tuples}]
    source = (
        f'    in_spec_ = R"({json.dumps(call)})";\n    out_spec_ = R"({json.dumps([1, leaf])})";\n'
    )
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("model/data/aotinductor/model/c0.wrapper.cpp", source)
        archive.writestr("model/data/aotinductor/model/c0.wrapper.so", b"\x7fELF")
        archive.writestr("model/archive_format", "pt2")
    return made.getvalue()


def _plan(interface: str) -> bytes:
    """A plan's header: `rtx plan 1.7.1.116 for 8.6 8.9`, `tensorrt plan 10.9.0.34`."""
    runtime, _, version, *targets = interface.replace(" for ", " ").split()
    bits = {"7.5": 1, "8.0": 2, "8.6": 4, "8.9": 8, "12.0": 16, "12.1": 32}
    head = bytearray(64)
    head[:4] = b"vtrt" if runtime == "rtx" else b"ftrt"
    struct.pack_into("<Q", head, 16, 128)
    head[24:28] = bytes(int(part) for part in version.split("."))
    head[32] = sum(bits[target] for target in targets)
    return bytes(head) + bytes(64)


def _specs(side: str) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(n, t, tuple(int(d) if d.isdecimal() else d for d in dims.split(",")))
        for n, t, dims in _TENSOR.findall(side)
    )


def _profile(words: list[str], inputs: tuple[TensorSpec, ...]) -> dict[str, Range]:
    """What `batch SIZE` says of every input; nothing where it is not said."""
    if "batch" not in words:
        return {}
    size = int(words[words.index("batch") + 1])
    found = {}
    for spec in inputs:
        rest = tuple(d for d in spec.shape[1:] if isinstance(d, int))
        found[spec.name] = Range((1, *rest), (size, *rest), (size, *rest))
    return found


def _lock(interface: str) -> bytes:
    """`lock of FILE=CONTENT`, or `lock of PLAN x:fp32[N,4] -> y:fp32[N,4] batch 8 ranges 2`.

    A last word `stripped`: the plan is without its weights.
    """
    import hashlib

    from trtbuild.artifacts import VerifyReport
    from trtbuild.capability import Capability
    from trtbuild.repository import lock as locks

    words = interface.split()[2:]
    file, _, content = words[0].partition("=")
    left, _, right = interface.partition("->")
    inputs = _specs(left)
    data = content.encode()
    count = int(words[words.index("ranges") + 1]) if "ranges" in words else 0
    files = {file: locks.LockedFile(hashlib.sha256(data).hexdigest(), len(data))} if data else {}
    plan = locks.LockedPlan(
        file,
        (Capability(8, 6),),
        "tensorrt-rtx",
        "1.7.1.116",
        1.0,
        stripped="stripped" in words,
    )
    return locks.lock_text(
        locks.Lock(
            trtbuild="0",
            created="2026-01-01T00:00:00Z",
            name="demo",
            version=1,
            source=locks.LockedSource("onnx", "model.onnx", None, ""),
            onnx=locks.LockedOnnx(("model.onnx",), "", 20, inputs, _specs(right), False),
            profile=_profile(words, inputs),
            plans=() if content else (plan,),
            failures=(),
            report=VerifyReport((), {}),
            passes=(),
            options={},
            config_digest="",
            files=files,
            profiles=(_profile(words, inputs),) * count,
        )
    )
