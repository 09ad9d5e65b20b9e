"""Config and plans disagree on inputs and outputs.

What: by the lock, the plans' inputs and outputs have other names, data types or dims than the
config says.
Why: TensorRT's backend refuses the model.

Example:
    # trtbuild: fixture --server trtbuild
    -- demo/config.pbtxt --
    backend: "tensorrt_rtx"
    max_batch_size: 8
    input { name: "image" data_type: TYPE_FP32 dims: [4] }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.plan = rtx plan 1.7.1.116 for 8.6 --
    -- demo/1/trtbuild.lock.json = lock of model.plan x:fp32[N,4] -> y:fp32[N,4] batch 8 --

Instead:

    # trtbuild: fixture --server trtbuild
    -- demo/config.pbtxt --
    backend: "tensorrt_rtx"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [4] }
    output { name: "y" data_type: TYPE_FP32 dims: [4] }
    -- demo/1/model.plan = rtx plan 1.7.1.116 for 8.6 --
    -- demo/1/trtbuild.lock.json = lock of model.plan x:fp32[N,4] -> y:fp32[N,4] batch 8 --

Source: TensorRT backend, instance_state.cc.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from trtbuild.tensor import DTYPES, TensorSpec
from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Fix, Severity
from trtbuild.validate.fixes import without_batch_dim
from trtbuild.validate.locks import lock_of
from trtbuild.validate.model import Model
from trtbuild.validate.rules.files.versions import declared
from trtbuild.validate.rules.plans.files import is_plan_model

NAME = "plan-interface"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a fault."""
    if not is_plan_model(model):
        return
    for version, folder in model.version_folders.items():
        lock = lock_of(folder)
        if lock is None:
            continue
        for role, specs in (("input", lock.onnx.inputs), ("output", lock.onnx.outputs)):
            yield from _role(model, version, role, specs)


def _role(model: Model, version: int, role: str, specs: Sequence[TensorSpec]) -> Iterator[Finding]:
    there = {spec.name: spec for spec in specs}
    stated = declared(model, role)
    if not stated and not model.settings.strict_config:
        return
    for index, entry in enumerate(getattr(model.config, role)):
        spec = there.get(entry.name)
        if spec is None:
            yield Finding(
                message=f"the plans of version {version} have no {role} '{entry.name}'; "
                f"they have {words.one_of(there)}",
                at=(role, index, "name"),
                hint="write the name that the plans have",
            )
        elif problem := _problem(spec, entry, batches=model.config.max_batch_size > 0):
            yield Finding(
                message=f"{role} '{entry.name}' {problem}: the plans of version {version} have "
                f"{spec}",
                at=(role, index),
                hint="write what the plans have",
                fix=_fix(model, role, index, spec),
            )
    for name in sorted(there.keys() - stated.keys()):
        yield Finding(
            message=f"the {role} '{name}' of the plans of version {version} is not in the config",
            at=(role,),
            hint="declare every input and output of the plans",
        )


def _fix(model: Model, role: str, index: int, spec: TensorSpec) -> Fix:
    if model.config.max_batch_size < 1:
        return ()
    whole = tuple(-1 if isinstance(dim, str) else dim for dim in spec.shape)
    return without_batch_dim(model, role, index, whole)


def _problem(spec: TensorSpec, entry: Any, *, batches: bool) -> str:
    wanted = words.data_type_number(DTYPES[spec.dtype].triton)
    if wanted and entry.data_type and entry.data_type != wanted:
        return f"is {words.data_type(entry.data_type)}"
    if not entry.dims or (batches and not spec.shape):
        return ""
    have = list(entry.reshape.shape if entry.HasField("reshape") else entry.dims)
    want = [-1 if isinstance(d, str) else d for d in spec.shape[1 if batches else 0 :]]
    if not want and have == [1]:
        return ""
    agree = len(have) == len(want) and all(
        h == w or -1 in (h, w) for h, w in zip(have, want, strict=True)
    )
    return "" if agree else f"has the dims {words.dims(have)}"
