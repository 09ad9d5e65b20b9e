"""Repositories by chance: every field of ModelConfig, with values near the edges of the rules.

Values come from small pools, so that names meet and sizes collide; each field is mostly valid, so
that a case gets past the first check to the later ones.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import text_format

from tests.validate.oracle.chance import Chance
from tests.validate.oracle.fields import (
    batch_io,
    dynamic_batching,
    instance_group,
    rest,
    sequence_batching,
    tensor,
    version_policy,
    warmup,
)
from trtbuild.modelconfig.schema import new_config


def model(c: Chance, backend: str = "identity") -> dict[str, Any]:
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
            "backend": c.usually("identity", "absent", odd=40),
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


def _step(
    c: Chance, number: int, member: str, config: dict[str, Any], written: list[str]
) -> dict[str, Any]:
    """One step; what it writes is added to `written`."""
    inputs = {}
    for entry in config["input"]:
        source = c.usually(written[-1] if c.one_in(3) else c.pick(*written), "nowhere", odd=60)
        inputs[c.usually(entry["name"], "zz", odd=60)] = source
    outputs = {}
    for entry in config["output"]:
        if c.usually(True, False, odd=5):
            target = c.usually(f"t{number}{entry['name']}", "t0x", "a", odd=40)
            outputs[c.usually(entry["name"], "zz", odd=60)] = target
            written.append(target)
    return {
        "model_name": c.usually(member, "", odd=80),
        "model_version": c.usually(-1, 0, 1, 2, 7, odd=12),
        "input_map": inputs,
        "output_map": outputs,
    }


def _ensemble(c: Chance, members: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Steps that follow each other, mostly well wired, and inputs and outputs that fit them."""
    written, steps, read = ["a"], [], {"a"}
    for number in range(c.pick(1, 2, 2, 3)):
        member = c.usually(c.pick(*members), "absent", "m", odd=60)
        config = members.get(member, {"input": [{"name": "a"}], "output": [{"name": "x"}]})
        steps.append(_step(c, number, member, config, written))
        read |= set(steps[-1]["input_map"].values())
    loose = [tensor for tensor in dict.fromkeys(written) if tensor not in read]
    returned = c.usually(loose, [*loose, "a"], loose[:1], [*loose, "never"], odd=10)
    made: dict[str, Any] = {
        "platform": c.usually("ensemble", "identity", "", odd=80),
        "max_batch_size": c.usually(0, 4, 8, odd=4),
        "input": [_port(c, entry) for entry in c.usually(["a"], ["a", "z"], [], odd=30)],
        "output": [_port(c, entry) for entry in returned],
        "ensemble_scheduling": {"step": c.usually(steps, [], steps[:1], odd=60)},
    }
    if c.one_in(60):
        made |= c.pick(
            {"backend": "identity"},
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
BACKENDS = ("", "", "tensorrt", "onnxruntime", "pytorch", "tensorflow", "openvino", "identity")
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
