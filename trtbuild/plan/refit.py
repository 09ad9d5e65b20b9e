"""Give a plan weights from an ONNX file. Runs in worker processes, on the GPU the plan is for.

Sources: NVIDIA's NvInfer.h (IRefitter, ISerializationConfig) and NvOnnxParser.h
(IParserRefitter), the same in releases 10 and 11.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from trtbuild.artifacts import digest_of_files
from trtbuild.engine_from_plan import Loading, built_stripped, engine_from_plan
from trtbuild.errors import PlanError, first_line
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.plan.session import Session, session
from trtbuild.plan.words import bare


class RefittedPlan(msgspec.Struct, frozen=True):
    """A plan file with weights."""

    path: Path
    digest: str
    size_bytes: int


def refit(
    *, runtime: RuntimeInfo, plan: Path, onnx: Path, output: Path, loading: Loading
) -> RefittedPlan:
    """Write to `output` the plan `plan` with the weights of the ONNX file `onnx`.

    It can be given weights again afterwards. Raises `PlanError` where the plan does not load here
    as `loading` says, takes no weights, or takes others than the file has.
    """
    loaded = session(runtime)
    engine, _runtime = engine_from_plan(loaded.trt, loaded.log, plan, loading)
    if not engine.refittable and not built_stripped(loaded.trt, engine):
        raise PlanError(
            f"{plan} takes no weights: it was built without --refittable and --strip-weights",
            "convert the model again with one of them",
        )
    _give_weights(loaded, engine, plan, onnx)
    _write(output, _serialized(loaded, engine))
    return RefittedPlan(output, digest_of_files(output), output.stat().st_size)


def _give_weights(loaded: Session, engine: Any, plan: Path, onnx: Path) -> None:
    loaded.forget_errors()
    try:
        refitter = loaded.trt.Refitter(engine, loaded.logger)
    except Exception as error:  # the bindings raise where C++ makes none
        raise PlanError(
            f"{loaded.name} gives the plan {plan} no weights: {loaded.log.cause()} "
            f"({first_line(error)})",
            "convert the model again with --strip-weights --refittable any",
        ) from None
    parser = loaded.trt.OnnxParserRefitter(refitter, loaded.logger)
    if not parser.refit_from_file(str(onnx)):
        said = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise PlanError(
            f"the weights of {onnx} do not fit the plan {plan}: "
            f"{bare(said[0]) if said else _said(loaded)}",
            "give the ONNX model that the plan was built from, or one of the same graph",
        )
    if missing := list(refitter.get_missing_weights()):
        names = ", ".join(missing[:5])
        raise PlanError(
            f"{onnx} lacks {len(missing)} of the weights of the plan {plan}: {names}",
            "give the ONNX model that the plan was built from, or one of the same graph",
        )
    if not refitter.refit_cuda_engine():
        raise PlanError(f"{loaded.name} does not put the weights into {plan}: {_said(loaded)}")


def _serialized(loaded: Session, engine: Any) -> Any:
    """The plan with its weights: what was stripped is stripped again unless that is cleared."""
    config = engine.create_serialization_config()
    config.clear_flag(loaded.trt.SerializationFlag.EXCLUDE_WEIGHTS)
    data = engine.serialize_with_config(config)
    if data is None:
        raise PlanError(f"{loaded.name} does not write the plan: {_said(loaded)}")
    return data


def _said(loaded: Session) -> str:
    return bare(loaded.errors[0]) if loaded.errors else "it gives no reason"


def _write(path: Path, data: Any) -> None:
    try:
        with path.open("wb") as file:
            file.write(data)
    except OSError as error:
        raise PlanError(
            f"the plan cannot be written to '{path}': {error.strerror}", "make room there"
        ) from None
