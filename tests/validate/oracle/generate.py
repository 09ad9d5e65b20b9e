"""Repositories by chance: every field of ModelConfig, with values near the edges of the rules.

Values come from small pools, so that names meet and sizes collide; each field is mostly valid, so
that a case gets past the first check to the later ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from google.protobuf import text_format
from hypothesis import strategies as st

from trtbuild.modelconfig.schema import new_config

T = TypeVar("T")
Draw = Callable[[st.SearchStrategy[Any]], Any]
_BYTE = st.integers(0, 255)


class Chance:
    """What a case is made of, drawn from hypothesis so that failing cases shrink."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw

    def one_in(self, number: int) -> bool:
        """True once in `number` times; False is the simpler one."""
        return bool(self._draw(st.integers(0, number - 1)) == number - 1)

    def pick(self, *values: T) -> T:
        """One of `values`, the first the simplest."""
        return values[self._draw(st.integers(0, len(values) - 1))]

    def some(self, make: Callable[[], T], most: int) -> list[T]:
        """Up to `most` values."""
        return [make() for _ in range(self._draw(st.integers(0, most)))]

    def usually(self, value: T, *others: T, odd: int = 12) -> T:
        """`value`, and once in `odd` times one of `others`."""
        return self.pick(*others) if self.one_in(odd) else value


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


def model(c: Chance, backend: str = "stub") -> dict[str, Any]:
    """A config of a model that is no ensemble."""
    batch = c.usually(c.pick(0, 4, 1, 8), -1, odd=40)
    inputs = c.some(lambda: tensor(c), 3)
    made: dict[str, Any] = {
        "backend": backend,
        "max_batch_size": batch,
        "input": inputs,
        "output": c.some(lambda: tensor(c, output=True), 2),
        "instance_group": c.some(lambda: instance_group(c), 2) if c.one_in(3) else [],
        **rest(c),
        **batch_io(c),
    }
    if c.one_in(20):
        made["name"] = c.pick("m", "other")
    if c.one_in(10):
        made["version_policy"] = version_policy(c)
    if c.one_in(30):
        made["platform"] = c.pick("anything", "tensorrt_plan", "ensemble", "pytorch_libtorch")
    scheduler = c.pick("", "dynamic", "sequence")
    if scheduler == "dynamic":
        made["dynamic_batching"] = dynamic_batching(c, batch)
    elif scheduler == "sequence":
        made["sequence_batching"] = sequence_batching(c, batch)
    elif c.one_in(40):
        made["ensemble_scheduling"] = {"step": []}
    if c.one_in(6):
        made["model_warmup"] = c.some(lambda: warmup(c, inputs), 2)
    return made


FILES = {
    "labels.txt": b"cat\ndog\n",
    "warmup/warm.raw": bytes(4096),
    "warmup/short.raw": b"12",
    "warmup/strings.raw": b"\1\0\0\0x" * 4,
    "initial_state/state.raw": bytes(64),
    "initial_state/short.raw": b"12",
}


def folder(c: Chance, name: str, config: dict[str, Any], *versions: str) -> dict[str, bytes]:
    """A model's files around a config."""
    made = {f"{name}/config.pbtxt": text_of(config)}
    for version in versions or (c.pick("1", "1", "1", "2"),):
        made[f"{name}/{version}/"] = b""
    used = set("".join(map(chr, made[f"{name}/config.pbtxt"])).split('"'))
    made |= {f"{name}/{path}": data for path, data in FILES.items() if path.split("/")[-1] in used}
    return made


def text_of(config: dict[str, Any]) -> bytes:
    """The config as a text file."""
    return text_format.MessageToString(new_config(**config), as_utf8=True).encode()


def ensemble_repository(c: Chance) -> dict[str, bytes]:
    """An ensemble `m` over members `n`, `o`, `p`, of which `p` may be an ensemble."""
    files: dict[str, bytes] = {}
    members: dict[str, dict[str, Any]] = {}
    for member in ("n", "o"):
        members[member] = {
            "backend": c.usually("stub", "absent", odd=40),
            "max_batch_size": c.usually(c.pick(0, 4), 8, -1, odd=20),
            "input": [_port(c, name) for name in c.usually(["a"], ["a", "b"], ["a", "a"], odd=4)],
            "output": [_port(c, name) for name in c.usually(["x"], ["x", "y"], odd=3)],
        }
        if c.one_in(8):
            members[member]["model_transaction_policy"] = {"decoupled": True}
    if c.one_in(3):
        members["p"] = _ensemble(c, {key: members[key] for key in ("n", "o")})
    for member, config in members.items():
        if not c.one_in(60):
            files |= folder(c, member, config, *c.pick((), ("1", "2")))
    files |= folder(c, "m", _ensemble(c, members), "1")
    if c.one_in(40):
        del files["m/1/"]
    return files


def _port(c: Chance, name: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": name,
        "data_type": c.usually(11, 10, 0, odd=30),
        "dims": c.usually([4], [-1], [-1, 4], [2, 2], [5], odd=8),
    }
    if c.one_in(25):
        made["reshape"] = {"shape": [2, 2]}
    return made


def _ensemble(c: Chance, members: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Steps that follow each other, mostly well wired, and inputs and outputs that fit them."""
    written, steps, read = ["a"], [], {"a"}
    for number in range(c.pick(1, 2, 2, 3)):
        member = c.usually(c.pick(*members), "absent", "m", odd=60)
        config = members.get(member, {"input": [{"name": "a"}], "output": [{"name": "x"}]})
        inputs = {}
        for entry in config["input"]:
            source = c.usually(written[-1] if c.one_in(3) else c.pick(*written), "nowhere", odd=60)
            inputs[c.usually(entry["name"], "zz", odd=60)] = source
            read.add(source)
        outputs = {}
        for entry in config["output"]:
            if c.usually(True, False, odd=5):
                target = c.usually(f"t{number}{entry['name']}", "t0x", "a", odd=40)
                outputs[c.usually(entry["name"], "zz", odd=60)] = target
                written.append(target)
        steps.append(
            {
                "model_name": c.usually(member, "", odd=80),
                "model_version": c.usually(-1, 0, 1, 2, 7, odd=12),
                "input_map": inputs,
                "output_map": outputs,
            }
        )
    loose = [tensor for tensor in dict.fromkeys(written) if tensor not in read]
    returned = c.usually(loose, [*loose, "a"], loose[:1], [*loose, "never"], odd=10)
    made: dict[str, Any] = {
        "platform": c.usually("ensemble", "stub", "", odd=80),
        "max_batch_size": c.usually(0, 4, 8, odd=4),
        "input": [_port(c, entry) for entry in c.usually(["a"], ["a", "z"], [], odd=30)],
        "output": [_port(c, entry) for entry in returned],
        "ensemble_scheduling": {"step": c.usually(steps, [], steps[:1], odd=60)},
    }
    if c.one_in(60):
        made |= c.pick(
            {"backend": "stub"},
            {"instance_group": [{"count": 1}]},
            {"optimization": {}},
            {"model_warmup": [{"name": "w"}]},
        )
    if c.one_in(40):
        made["version_policy"] = version_policy(c)
    return made


PLATFORMS = (
    *("", "", "ensemble", "tensorrt_plan", "onnxruntime_onnx", "pytorch_libtorch", "libtorch"),
    *("tensorflow_savedmodel", "tensorflow_graphdef", "torch_aoti", "caffe2_netdef", "anything"),
)
BACKENDS = ("", "", "tensorrt", "onnxruntime", "pytorch", "tensorflow", "openvino", "stub")
MODEL_FILES = (
    *("model.plan", "model.onnx", "model.pt", "model.pt2", "model.xml", "model.graphdef"),
    *("model.savedmodel/", "model.onnx/", "model.plan/", "other.bin"),
)
# Without model.py: a load without an answer takes seconds; test_python.py has those cases.
VERSIONS = ("1", "2", "01", "0", "abc", "configs", "-1", "10", "00", "warmup", ".x", "1abc")


def layout_repository(c: Chance) -> dict[str, bytes]:
    """A model `m` with all kinds of folders and files, and platform and backend in all pairs."""
    port = {"data_type": 11, "dims": [4]}
    config: dict[str, Any] = {
        "platform": c.pick(*PLATFORMS),
        "backend": c.pick(*BACKENDS),
        "input": [{"name": "a", **port}],
        "output": [{"name": "b", **port}],
    }
    if c.one_in(3):
        config["default_model_filename"] = c.pick(*MODEL_FILES).rstrip("/")
    if c.one_in(3):
        config["version_policy"] = version_policy(c)
    if c.one_in(10):
        config["name"] = c.pick("m", "n")
    files = {"m/config.pbtxt": text_of(config)}
    for version in c.some(lambda: c.usually("1", *VERSIONS, odd=3), 3):
        files[f"m/{version}/"] = b""
        for file in c.some(lambda: c.pick(*MODEL_FILES), 2):
            if not {f"m/{version}/{file.rstrip('/')}", f"m/{version}/{file.rstrip('/')}/"} & set(
                files
            ):
                files[f"m/{version}/{file}"] = b""
    return files
