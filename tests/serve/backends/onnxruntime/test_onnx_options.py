"""What a config says to ONNX Runtime, by Triton's names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from trtserve.backends.onnxruntime.backend import load
from trtserve.backends.onnxruntime.options import providers, session_options, shares_session
from trtserve.errors import Kind, ServeError
from trtserve.processors import cores

from tests.serve.backends.onnxruntime.onnx_models import load_request
from tests.serve.models import plus
from trtbuild.modelconfig.schema import new_config

LEVELS = onnxruntime.GraphOptimizationLevel


def config(parameters: dict[str, str] | None = None, **fields: Any) -> Any:
    stated = {name: {"string_value": value} for name, value in (parameters or {}).items()}
    return new_config(name="m", parameters=stated, **fields)


def test_without_a_word_they_are_onnx_runtimes_own_but_do_not_spin() -> None:
    options, own = session_options(config()), onnxruntime.SessionOptions()
    same = ("inter_op_num_threads", "execution_mode",
            "graph_optimization_level", "enable_cpu_mem_arena", "enable_mem_pattern")  # fmt: skip
    for name in same:
        assert getattr(options, name) == getattr(own, name), name
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.get_session_config_entry("session.inter_op.allow_spinning") == "0"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system ties no threads")
def test_threads_are_as_many_as_may_run_and_tied_to_no_processor(tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    assert 1 <= session_options(config()).intra_op_num_threads <= len(allowed)
    tasks = Path("/proc/self/task")
    before = set(tasks.iterdir())
    executor = load(load_request(tmp_path, plus(1)))
    started = set(tasks.iterdir()) - before
    assert bool(started) == (cores() > 1)
    assert all(os.sched_getaffinity(int(each.name)) == allowed for each in started)
    executor.unload()


def test_one_instance_alone_stays_awake_within_its_runs_and_not_after() -> None:
    options = session_options(config(), alone=True)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "1"
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"


@pytest.mark.parametrize("count", [1, 2])
def test_who_is_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    asked: list[bool] = []

    def noting(*args: Any, alone: bool, sessions: int) -> onnxruntime.SessionOptions:
        asked.append(alone)
        return session_options(*args, alone=alone, sessions=sessions)

    monkeypatch.setattr("trtserve.backends.onnxruntime.backend.session_options", noting)
    load(load_request(tmp_path, plus(1), devices=("cpu",) * count)).unload()
    assert asked == [count == 1]


@pytest.mark.parametrize(
    ("name", "value", "option", "expected"),
    [
        ("intra_op_thread_count", "3", "intra_op_num_threads", 3),
        ("inter_op_thread_count", "2", "inter_op_num_threads", 2),
        ("execution_mode", "1", "execution_mode", onnxruntime.ExecutionMode.ORT_PARALLEL),
        ("execution_mode", "0", "execution_mode", onnxruntime.ExecutionMode.ORT_SEQUENTIAL),
        ("enable_mem_arena", "0", "enable_cpu_mem_arena", False),
        ("enable_mem_pattern", "false", "enable_mem_pattern", False),
        ("enable_mem_pattern", "True", "enable_mem_pattern", True),
    ],
)
def test_parameters(name: str, value: str, option: str, expected: Any) -> None:
    assert getattr(session_options(config({name: value})), option) == expected


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (-1, LEVELS.ORT_ENABLE_BASIC),
        (0, LEVELS.ORT_ENABLE_ALL),
        (1, LEVELS.ORT_ENABLE_EXTENDED),
        (2, LEVELS.ORT_DISABLE_ALL),
        (7, LEVELS.ORT_ENABLE_ALL),
    ],
)
def test_graph_levels_are_tritons(level: int, expected: Any) -> None:
    made = session_options(config(optimization={"graph": {"level": level}}))
    assert made.graph_optimization_level == expected


def test_a_session_entry() -> None:
    name = "session.use_device_allocator_for_initializers"
    assert session_options(config({name: "1"})).get_session_config_entry(name) == "1"


def refusal(made: Any) -> str:
    with pytest.raises(ServeError) as caught:
        session_options(made), providers(made, "cuda:0")
    assert caught.value.kind is Kind.INVALID_ARG
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "possible"),
    [
        ("intra_op_thread_count", "many", "a number, 0 or more"),
        ("inter_op_thread_count", "-1", "a number, 0 or more"),
        ("execution_mode", "2", "one of 0, 1"),
        ("enable_mem_arena", "yes", "one of 0, false, 1, true"),
        ("gpu_mem_limit", "2GB", "a number, 0 or more"),
        ("cudnn_conv_algo_search", "EXHAUSTIVE", "one of 0, 1, 2"),
        ("arena_extend_strategy", "2", "one of 0, 1"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str, possible: str) -> None:
    said = refusal(config({name: value}))
    assert said == f"parameter '{name}' must be {possible}, got '{value}'"


def cuda_options(made: Any, device: str = "cuda:1") -> dict[str, str]:
    (name, options), last = providers(made, device)
    assert (name, last) == ("CUDAExecutionProvider", "CPUExecutionProvider")
    return dict(options)


HEURISTIC = {"cudnn_conv_algo_search": "HEURISTIC"}


def test_the_cuda_provider_by_default() -> None:
    assert cuda_options(config()) == HEURISTIC | {"device_id": "1"}


def test_a_session_each_unless_they_are_to_share_one() -> None:
    assert not shares_session(config())
    assert shares_session(config({"share_session_between_instances": "true"}))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("cudnn_conv_algo_search", "0", "EXHAUSTIVE"),
        ("cudnn_conv_algo_search", "1", "HEURISTIC"),
        ("cudnn_conv_algo_search", "2", "DEFAULT"),
        ("arena_extend_strategy", "1", "kSameAsRequested"),
        ("do_copy_in_default_stream", "0", "0"),
        ("gpu_mem_limit", "4294967200", "4294967200"),
    ],
)
def test_parameters_of_the_cuda_provider(name: str, value: str, expected: str) -> None:
    assert cuda_options(config({name: value})) == HEURISTIC | {name: expected, "device_id": "1"}


def accelerators(kind: str, name: str, **parameters: str) -> Any:
    each = {"name": name, "parameters": parameters}
    return config(
        optimization={"execution_accelerators": {f"{kind}_execution_accelerator": [each]}}
    )


def test_the_accelerator_cuda_hands_its_parameters_on() -> None:
    made = accelerators("gpu", "cuda", use_tf32="0", prefer_nhwc="1", device_id="7")
    assert cuda_options(made) == HEURISTIC | {
        "use_tf32": "0", "prefer_nhwc": "1", "device_id": "1"
    }  # fmt: skip
    made = accelerators("gpu", "cuda", cudnn_conv_algo_search="DEFAULT")
    assert cuda_options(made)["cudnn_conv_algo_search"] == "DEFAULT"


@pytest.mark.parametrize(("kind", "name"), [("gpu", "tensorrt"), ("cpu", "openvino")])
def test_accelerators_that_are_not_there(kind: str, name: str) -> None:
    said = refusal(accelerators(kind, name))
    assert said.startswith(f"unknown Execution Accelerator '{name}' is requested")


def test_on_the_cpu_nothing_of_the_gpu_counts() -> None:
    assert providers(accelerators("gpu", "tensorrt"), "cpu") == ["CPUExecutionProvider"]


def test_a_wrong_value_ends_the_load(tmp_path: Path) -> None:
    stated = {"execution_mode": {"string_value": "both"}}
    with pytest.raises(ServeError, match="'execution_mode' must be one of 0, 1, got 'both'"):
        load(load_request(tmp_path, plus(1), parameters=stated))


@pytest.mark.parametrize("name", ["gpu_external_alloc", "gpu_external_free", "user_compute_stream"])
def test_addresses_of_functions_are_refused(name: str) -> None:
    """ONNX Runtime calls what such an option says: a config, which a load may bring, is no code."""
    made = config()
    accelerators = made.optimization.execution_accelerators.gpu_execution_accelerator
    accelerators.add(name="cuda").parameters[name] = "4198400"
    assert f"option '{name}' of 'cuda' is an address" in refusal(made)
