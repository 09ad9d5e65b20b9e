"""What only a GPU shows: the executor on the real driver, and a runtime that refuses the GPU.

    python tests/serve/backends/tensorrt/test_on_gpu.py

runs it without pytest, from the checkout's root. The engine is a stand-in (`stand_in.py`) that
copies within the GPU: no plan of TensorRT runs here. The refusal is TensorRT for RTX's own, and
needs a GPU that it does not support (compute capability 9.0, an H100 or H200) and its package.
"""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # a script finds the checkout by itself
    _ROOT = Path(__file__).resolve().parents[4]
    sys.path[:0] = [str(_ROOT), str(_ROOT / "serve")]

from tests.serve.backends.tensorrt.checks import CHECKS, executor, one_tensor, run
from tests.serve.backends.tensorrt.stand_in import values
from trtbuild.capability import Capability
from trtbuild.cuda import Cuda, lasting_context
from trtbuild.device import Gpu, gpus
from trtbuild.plan.runtimes import RuntimeInfo, installed_runtimes

UNSUPPORTED = Capability(9, 0)
GRAPH_RUNS = 1000


class Skipped(Exception):  # noqa: N818  # it is no error
    """Why a test cannot run on this machine."""


def gpu() -> Gpu:
    found = gpus()
    if not found.gpus:
        raise Skipped(f"this machine has no GPU that can be used {found.problem}".strip())
    return found.gpus[0]


def unsupported() -> tuple[Gpu, RuntimeInfo]:
    """A GPU that TensorRT for RTX refuses, and TensorRT for RTX."""
    found = gpu()
    if found.capability != UNSUPPORTED:
        raise Skipped(f"{found.name} has {found.capability}, which is not {UNSUPPORTED}")
    for runtime in installed_runtimes(gpus()):
        if runtime.name == "tensorrt-rtx":
            return found, runtime
    raise Skipped("the package tensorrt-rtx (or tensorrt-rtx-cu13) is not installed")


def repository(runtime: RuntimeInfo, folder: Path) -> Path:
    """A repository of one model, without config, whose plan is for 8.9 and 12.0."""
    import importlib

    import onnx
    from onnx import TensorProto, helper

    trt = importlib.import_module(runtime.module)
    value = helper.make_tensor_value_info
    nodes = [helper.make_node("Relu", ["INPUT0"], ["OUTPUT0"])]
    ends = [value(name, TensorProto.FLOAT, ["batch", 16]) for name in ("INPUT0", "OUTPUT0")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(model.SerializeToString())
    config = builder.create_builder_config()
    members = trt.ComputeCapability.__members__
    config.num_compute_capabilities = 2
    config.set_compute_capability(members["SM89"], 0)
    config.set_compute_capability(members["SM120"], 1)
    profile = builder.create_optimization_profile()
    profile.set_shape("INPUT0", (1, 16), (4, 16), (8, 16))
    config.add_optimization_profile(profile)
    plan = bytes(builder.build_serialized_network(network, config))
    version = folder / "m" / "1"
    version.mkdir(parents=True)
    (version / "model.onnx").write_bytes(model.SerializeToString())
    (version / "model.plan").write_bytes(plan)
    return folder


def refused_with_the_runtimes_own_words() -> None:
    """The backend itself, past the choice that would have ruled the plan out by its targets."""
    from trtserve.backends.tensorrt.engine import open_engine
    from trtserve.plans import PlanRefused

    found, runtime = unsupported()
    with tempfile.TemporaryDirectory() as folder:
        repo = repository(runtime, Path(folder))
        lasting_context(found.index).use()
        try:
            open_engine(runtime, repo / "m" / "1" / "model.plan", "cuda:0")
        except PlanRefused as refused:
            print(f"  {refused}")
            head = f"{runtime.name} {runtime.version} refuses model.plan on cuda:0: "
            assert refused.message.startswith(head)
            assert "it says nothing" not in refused.message
        else:
            raise AssertionError("TensorRT for RTX takes a 9.0 GPU")


def checked(repo: Path, **settings: Any) -> Any:
    try:
        from trtserve.checking import check
        from trtserve.settings import Settings
    except ImportError as error:
        raise Skipped(f"the server's packages are not installed: {error}") from None
    (row,) = check(Settings(repositories=(repo,), **settings))
    return row


def the_onnx_model_is_served_instead() -> None:
    """By choice where the targets tell, by the runtime's words where they do not."""
    found, runtime = unsupported()
    config = """backend: "tensorrt_rtx" max_batch_size: 8
      input { name: "INPUT0" data_type: TYPE_FP32 dims: [16] }
      output { name: "OUTPUT0" data_type: TYPE_FP32 dims: [16] }
      default_model_filename: "model.plan"
      cc_model_filenames { key: "12.0" value: "model.plan" }
      cc_model_filenames { key: "8.9" value: "model.plan" }"""
    with tempfile.TemporaryDirectory() as folder:
        repo = repository(runtime, Path(folder))
        (repo / "m" / "config.pbtxt").write_text(config)
        row = checked(repo)
        print(f"  {row}")
        assert row.runs_on.startswith("onnxruntime on "), row
        assert row.why == (
            "runs model.onnx on ONNX Runtime: its plans are for compute capability 8.9, 12.0; "
            f"this machine has {found.name} ({found.capability})"
        )
        plan = repo / "m" / "1" / "model.plan"
        data = bytearray(plan.read_bytes())
        data[32] |= 0x40  # "no target was declared": nothing but the runtime can tell
        plan.write_bytes(data)
        row = checked(repo)  # it is for each later GPU, by what it says: its refusal is an error
        print(f"  {row}")
        assert row.problem.startswith("model 'm' cannot run here: tensorrt-rtx")
        row = checked(repo, fallback="onnx")
        print(f"  {row}")
        assert f"tensorrt-rtx {runtime.version} refuses model.plan on cuda:0: " in row.why
        row = checked(repo, fallback="none")
        print(f"  {row}")
        assert row.problem.startswith("model 'm' cannot run here: tensorrt-rtx")


def a_graph_runs_a_thousand_times_with_other_data() -> None:
    from trtserve.backends.tensorrt.graphs import Graph
    from trtserve.backends.tensorrt.options import Options

    cuda = Cuda(gpu().index)
    handle = one_tensor(cuda)
    instance = executor(cuda, handle, Options(graphs=True))
    instance.capture([Graph({"x": (8, 4)}, 8)])
    before = handle.enqueued
    for seed in range(GRAPH_RUNS):
        given = values((8, 4), seed=seed)
        assert (run(instance, given) == given).all(), f"run {seed}"
    assert handle.enqueued == before
    instance.unload()


def _on_the_gpu(check: Callable[[Cuda], None]) -> Callable[[], None]:
    def on_the_gpu() -> None:
        check(Cuda(gpu().index))

    on_the_gpu.__name__ = check.__name__
    return on_the_gpu


ALL = (
    *map(_on_the_gpu, CHECKS),
    a_graph_runs_a_thousand_times_with_other_data,
    refused_with_the_runtimes_own_words,
    the_onnx_model_is_served_instead,
)


def main() -> int:
    """Run all. Returns 1 where one failed."""
    failed = 0
    for test in ALL:
        try:
            test()
        except Skipped as why:
            print(f"skipped {test.__name__}: {why}")
        except Exception:
            failed += 1
            traceback.print_exc()
            print(f"FAILED  {test.__name__}")
        else:
            print(f"passed  {test.__name__}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())

try:
    import pytest
except ImportError:  # the machine with the GPU need not have it
    pass
else:

    @pytest.mark.gpu
    @pytest.mark.parametrize("test", ALL, ids=lambda test: test.__name__)
    def test_on_a_gpu(test: Callable[[], None]) -> None:
        try:
            test()
        except Skipped as why:
            pytest.skip(str(why))
