"""Fields of a ModelConfig by chance: mostly valid, with values near the edges of the rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.validate.oracle.chance import Chance

_BYTE = st.integers(0, 255)


def name(c: Chance) -> str:
    return c.usually(c.pick("a", "b", "c"), "", "d", odd=25)


def data_type(c: Chance) -> int:
    return c.usually(c.pick(11, 11, 8, 13, 6), 0, 14, 99, 1, odd=15)


def dims(c: Chance) -> list[int]:
    pool = (4, 2, 1, -1, 3)
    return c.usually(
        [c.pick(*pool) for _ in range(c.pick(1, 1, 2, 3))], [], [0], [-2], [4, 1], odd=15
    )


def tensor(c: Chance, *, output: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name(c), "data_type": data_type(c), "dims": dims(c)}
    if c.one_in(8):
        made["reshape"] = {
            "shape": c.pick([], made["dims"], [1, *made["dims"]], [2, 2], [-1], [4], [0])
        }
    if c.one_in(25):
        made[c.pick("is_shape_tensor", "is_non_linear_format_io")] = True
    if output:
        if c.one_in(25):
            made["label_filename"] = c.pick("labels.txt", "none.txt")
        return made
    if c.one_in(10):
        made["format"] = c.pick(0, 1, 2, 7)
    if c.one_in(8):
        made["optional"] = True
    if c.one_in(10):
        made["allow_ragged_batch"] = True
    return made


def queue_policy(c: Chance) -> dict[str, Any]:
    return {
        "timeout_action": c.pick(0, 1, 1, 7),
        "default_timeout_microseconds": c.pick(0, 100),
        "allow_timeout_override": c.one_in(2),
        "max_queue_size": c.pick(0, 5),
    }


def dynamic_batching(c: Chance, batch: int) -> dict[str, Any]:
    made: dict[str, Any] = {"preserve_ordering": c.one_in(3)}
    if c.one_in(3):
        made["preferred_batch_size"] = c.some(lambda: c.usually(max(batch, 1), 0, -1, batch + 1), 2)
    if c.one_in(3):
        made["priority_levels"] = c.pick(1, 2, 3)
        made["default_priority_level"] = c.usually(1, 0, 2, 4, odd=4)
    if c.one_in(3):
        made["default_queue_policy"] = queue_policy(c)
    if c.one_in(4):
        made["priority_queue_policy"] = {c.pick(1, 2, 4, 0): queue_policy(c)}
    if c.one_in(4):
        made["max_queue_delay_microseconds"] = 100
    return made


def control(c: Chance) -> dict[str, Any]:
    kind = c.usually(c.pick(0, 1, 2, 3), 9, odd=30)
    made: dict[str, Any] = {"kind": kind}
    if kind == 3:
        made["data_type"] = c.usually(c.pick(5, 9, 4, 8, 13), 0, 11, odd=8)
    for field in ("int32_false_true", "fp32_false_true", "bool_false_true"):
        wanted = field == "int32_false_true" and kind != 3
        if c.usually(wanted, not wanted, odd=20):
            made[field] = c.usually([0, 1], [0], [0, 1, 1], [], odd=15)
    return made


def state(c: Chance) -> dict[str, Any]:
    made: dict[str, Any] = {
        "input_name": c.pick("si", "sj"),
        "output_name": c.pick("so", "sp"),
        "data_type": 11,
        "dims": c.pick([4], [-1], [2, 2]),
        "use_growable_memory": c.one_in(8),
        "use_same_buffer_for_input_output": c.one_in(8),
    }
    if c.one_in(2):
        fitting = [4 if dim == -1 else dim for dim in made["dims"]]
        initial: dict[str, Any] = {
            "name": c.usually("n", "", odd=15),
            # A wrong type ends the server in a minute of restarts, so it is rare.
            "data_type": c.usually(11, 10, odd=60),
            "dims": c.usually(fitting, [-1], [4, 1], odd=40),
        }
        data = c.pick("zero", "zero", "file", "short", "none")
        if data == "zero":
            initial["zero_data"] = c.one_in(2)
        elif data != "none" or c.one_in(2):
            initial["data_file"] = {"file": "state.raw", "short": "short.raw"}.get(
                data, "absent.raw"
            )
        made["initial_state"] = c.usually([initial], [initial, initial], odd=25)
    return made


def sequence_batching(c: Chance, batch: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    names = iter(("start", "end", "ready", "id", "more"))

    def control_input() -> dict[str, Any]:
        own = next(names)
        return {
            "name": c.usually(own, "", "start", "a", odd=15),
            "control": c.usually([control(c)], [], [control(c), control(c)], odd=8),
        }

    made["control_input"] = c.some(control_input, 3)
    made["state"] = c.some(lambda: state(c), 2) if c.one_in(2) else []
    strategy = c.pick("", "direct", "oldest")
    if strategy == "direct":
        made["direct"] = {"minimum_slot_utilization": c.usually(0.5, 0.0, 1.0, -0.5, 1.5, odd=3)}
    elif strategy == "oldest":
        made["oldest"] = {
            "max_candidate_sequences": c.pick(4, 0, -1, 1),
            "preferred_batch_size": c.some(
                lambda: c.usually(max(batch, 1), 0, batch + 1, odd=8), 1
            ),
            "preserve_ordering": c.one_in(4),
        }
    if c.one_in(4):
        made["max_sequence_idle_microseconds"] = c.pick(0, 5)
    made["iterative_sequence"] = c.one_in(10)
    return made


def instance_group(c: Chance) -> dict[str, Any]:
    made: dict[str, Any] = {
        "kind": c.usually(c.pick(0, 2, 3), 1, 9, odd=15),
        "count": c.pick(1, 0, 2, -1),
        "passive": c.one_in(5),
    }
    if c.one_in(3):
        made["name"] = c.pick("g", "h")
    if c.one_in(20):
        made["gpus"] = c.pick([0], [-1], [0, 1])
    if c.one_in(15):
        made["profile"] = c.pick(["0"], ["1x"], ["x"], ["-1"], ["0", "1"], [""], [" 2"])
    if c.one_in(8):
        made["rate_limiter"] = {
            "priority": c.pick(0, 2),
            "resources": c.some(
                lambda: {"name": c.pick("r", "s"), "count": c.pick(1, 3), "global": c.one_in(2)}, 2
            ),
        }
    if c.one_in(20):
        made["secondary_devices"] = [{"kind": 0, "device_id": 1}]
    if c.one_in(20):
        made["host_policy"] = "policy"
    return made


def warmup(c: Chance, inputs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sample: dict[str, Any] = {
        "name": c.pick("w", ""),
        "batch_size": c.usually(1, 0, 2, odd=6),
        "count": c.pick(0, 1, 2),
        "inputs": {},
    }
    for entry in inputs:
        if c.usually(True, False, odd=12):
            fitting = [2 if dim < 1 else dim for dim in entry["dims"]]
            value: dict[str, Any] = {
                "data_type": c.usually(entry["data_type"], 11, 0, odd=15),
                "dims": c.usually(fitting, [-1], [*fitting, 1], [], [-3], [0], odd=15),
            }
            kind = c.usually("zero_data", "random_data", "input_data_file", "", odd=4)
            if kind:
                file = c.pick("warm.raw", "short.raw", "absent.raw", "strings.raw")
                value[kind] = file if kind == "input_data_file" else c.one_in(2)
            sample["inputs"][entry["name"]] = value
    if c.one_in(8):
        sample["inputs"]["extra"] = {"data_type": 11, "dims": c.pick([1], [-1]), "zero_data": True}
    return sample


def version_policy(c: Chance) -> dict[str, Any]:
    return c.pick(
        {"latest": {"num_versions": 1}},
        {"latest": {"num_versions": 2}},
        {"all": {}},
        {"specific": {"versions": [1]}},
        {"specific": {"versions": [2, 3]}},
        {"specific": {"versions": [1, 9]}},
        {"specific": {}},
        {"latest": {}},
        {},
    )


def rest(c: Chance) -> dict[str, Any]:
    """The fields that Triton's core hardly looks at."""
    made: dict[str, Any] = {}
    if c.one_in(10):
        made["optimization"] = {
            "graph": {"level": c.pick(0, 1, -1)},
            "priority": c.pick(0, 1, 2),
            "cuda": {"graphs": c.one_in(2), "busy_wait_events": c.one_in(2)},
            "input_pinned_memory": {"enable": c.one_in(2)},
            "gather_kernel_buffer_threshold": c.pick(0, 9),
            "eager_batching": c.one_in(2),
            "execution_accelerators": {"gpu_execution_accelerator": [{"name": "tensorrt"}]},
        }
    if c.one_in(12):
        made["metric_tags"] = {c.usually(c.pick("x", "", "1a", "A_9"), "__x", "a-b", odd=12): "v"}
    if c.one_in(12):
        made["parameters"] = {c.pick("x", "EXECUTION_ENV_PATH"): {"string_value": "v"}}
    if c.one_in(40):
        path = c.pick("/nowhere.so", "")
        made["parameters"] = {"TRITON_BATCH_STRATEGY_PATH": {"string_value": path}}
    if c.one_in(20):
        made["cc_model_filenames"] = {c.pick("8.6", "sm_86"): "plan"}
    if c.one_in(12):
        made["model_transaction_policy"] = {"decoupled": c.one_in(2)}
    if c.one_in(10):
        made["response_cache"] = {"enable": c.one_in(2)}
    if c.one_in(30):
        made["model_operations"] = {"op_library_filename": ["op.so"]}
    if c.one_in(30):
        made["runtime"] = c.pick("", "../lib.so", "libtriton_stub.so")
    return made


def batch_io(c: Chance) -> dict[str, Any]:
    def batch_input() -> dict[str, Any]:
        return {
            "kind": c.usually(c.pick(0, 1, 2, 3, 4, 5), 9, odd=20),
            "target_name": c.pick(["t"], [], ["t", "u"]),
            "data_type": c.usually(c.pick(8, 11), 9, 0, odd=10),
            "source_input": c.usually(["a"], ["b"], [], ["a", "a"], ["zz"], odd=6),
        }

    def batch_output() -> dict[str, Any]:
        return {
            "kind": c.usually(0, 3, odd=20),
            "target_name": c.usually(["b"], ["a"], [], ["b", "b"], ["zz"], odd=6),
            "source_input": c.usually(["a"], ["b"], [], ["zz"], odd=8),
        }

    made: dict[str, Any] = {}
    if c.one_in(12):
        made["batch_input"] = c.some(batch_input, 2)
    if c.one_in(12):
        made["batch_output"] = c.some(batch_output, 2)
    return made
