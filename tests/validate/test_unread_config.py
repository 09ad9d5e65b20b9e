"""Configs under other names: told by their own place, not by that of a file that is not there."""

from __future__ import annotations

import pytest

from tests.validate.conftest import Judge
from trtbuild.validate.finding import Severity

CONFIG = 'backend: "python"\nmax_batch_size: 8\n'
TEMPLATE = "this looks like a template: fill it in, and save it as m/config.pbtxt"
NAMES = {
    "config.pbtxt.txt": "rename it to config.pbtxt",
    "Config.pbtxt": "rename it to config.pbtxt",
    "config.pbtx": "rename it to config.pbtxt",
    "confg.pbtxt": "rename it to config.pbtxt",
    "config.pbtxt.bak": "rename it to config.pbtxt",
    "config.prototxt": "rename it to config.pbtxt",
    "model_config.pbtxt": "rename it to config.pbtxt",
    "config_gpu.pbtxt": "rename it to config.pbtxt",
    "m.pbtxt": "rename it to config.pbtxt",
    "config_template.pbtxt": TEMPLATE,
    "config.pbtxt.j2": TEMPLATE,
    "1/config.pbtxt": "move it to m/config.pbtxt",
    "conf/config.pbtxt": "move it to m/config.pbtxt",
}
OTHERS = [
    "config.json",
    "config.yaml",
    "1/saved_model.pbtxt",
    "labels.pbtxt",
    "config.py",
    "README",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("file", ["model.py", "model.bin"])  # with and without a backend to guess
def test_one_that_is_not_read_is_named(name: str, file: str, judge: Judge) -> None:
    found = judge(f"-- m/{name} --\n{CONFIG}-- m/1/{file} --\nclass TritonPythonModel: ...\n")
    (unread,) = (f for f in found if f.code == "L016")
    assert unread.level == Severity.WARNING
    assert unread.message == f"there is no config.pbtxt, and '{name}' is not read"
    assert unread.hint == NAMES[name]
    assert all(f.file is not None and f.file.exists() for f in found)
    assert ("B001" in {f.code for f in found}) == (file == "model.bin")


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_none(name: str, judge: Judge) -> None:
    found = judge(f"-- m/{name} --\n{CONFIG}-- m/1/model.py --\n")
    assert "L016" not in {f.code for f in found}


def test_nor_is_one_beside_the_config(judge: Judge) -> None:
    found = judge(f"-- m/config.pbtxt --\n{CONFIG}-- m/config.pbtxt.bak --\n-- m/1/model.py --\n")
    assert "L016" not in {f.code for f in found}
