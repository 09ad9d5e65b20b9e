"""What every rewrite is held to: the same numbers, and a real TensorRT build of the result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.reference

from tests.surgery import rtx
from tests.surgery.models import Array, job, note, operated, ops, run
from trtbuild.artifacts import OnnxModel
from trtbuild.surgery.contract import Done
from trtbuild.surgery.lower.apply import LowerOps

_NEWEST_IN_ORT = 26  # opset; ONNX Runtime 1.31 loads no newer one


def check_rewritten(
    folder: Path, made: onnx.ModelProto, *, by_reference: bool = False, **inputs: Array
) -> OnnxModel:
    """`made` is rewritten by surgery, computes the same, and TensorRT builds it.

    `by_reference`: what is right is told by onnx's reference, where ONNX Runtime has no kernel.
    """
    result = operated(folder, made, batch="keep")
    assert note(result, "lower_ops").changed
    if by_reference:
        names = [value.name for value in made.graph.output]
        answers = onnx.reference.ReferenceEvaluator(made).run(None, dict(inputs))
        expected = dict(zip(names, answers, strict=True))
    else:
        expected = run(made, **inputs)
    if result.model.opset > _NEWEST_IN_ORT:
        after = onnx.load(result.onnx.path)
        ran = onnx.reference.ReferenceEvaluator(after).run(None, dict(inputs))
        got = dict(zip((value.name for value in after.graph.output), ran, strict=True))
    else:
        got = run(result.onnx, **inputs)
    for name, array in expected.items():
        assert got[name].dtype == array.dtype
        np.testing.assert_allclose(
            got[name].astype(np.float64), array.astype(np.float64), rtol=1e-4, atol=1e-5
        )
    assert rtx.build(result.onnx.path, "SM89") == ""
    return result.onnx


def check_left_alone(made: onnx.ModelProto) -> None:
    """Nothing of `made` is rewritten."""
    work = job(made)
    before = ops(work.graph)
    done = LowerOps().apply(work)
    assert done == Done(False, "every op has a form that TensorRT does right")
    assert ops(work.graph) == before
