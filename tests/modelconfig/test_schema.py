"""The schema is tritonclient's own, and costs next to nothing to load."""

import importlib.util
import json
import subprocess
import sys

import pytest

from trtbuild.errors import MissingPackageError
from trtbuild.modelconfig.schema import new_config, schema


def run(code: str) -> object:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_loads_without_grpc_and_numpy() -> None:
    loaded = run(
        "import json, sys\n"
        "from trtbuild.modelconfig.schema import schema\n"
        "schema()\n"
        "print(json.dumps(sorted({'grpc', 'numpy', 'tritonclient'} & set(sys.modules))))"
    )
    assert loaded == []


@pytest.mark.parametrize("order", ["ours first", "theirs first"])
def test_is_the_same_class_as_the_packages_own(order: str) -> None:
    ours = "from trtbuild.modelconfig.schema import schema; ours = schema().ModelConfig"
    theirs = "from tritonclient.grpc import model_config_pb2; theirs = model_config_pb2.ModelConfig"
    first, second = (ours, theirs) if order == "ours first" else (theirs, ours)
    code = f"{first}\n{second}\n"
    code += "whole = theirs(ensemble_scheduling={}); whole.MergeFrom(ours(name='a'))\n"
    assert run(code + "import json; print(json.dumps([ours is theirs, whole.name]))")[1] == "a"  # type: ignore[index]  # a list, by the line above


def test_new_config_takes_nested_dicts() -> None:
    config = new_config(name="a", input=[{"name": "x", "dims": [3, -1]}])
    assert list(config.input[0].dims) == [3, -1]


def test_says_how_to_install_tritonclient(monkeypatch: pytest.MonkeyPatch) -> None:
    schema.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    sys.modules.pop("tritonclient.grpc.model_config_pb2", None)
    with pytest.raises(MissingPackageError) as caught:
        schema()
    assert str(caught.value) == (
        "config.pbtxt needs the package 'tritonclient' (2.50 or newer), which is not installed\n"
        "  pip install 'tritonclient>=2.50'"
    )
    monkeypatch.undo()
