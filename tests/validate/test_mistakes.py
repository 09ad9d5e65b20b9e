"""Repositories with the mistakes that people ask about, put together from their questions.

The repositories are `data/mistakes/NAME.txt` (see files.py); of each, here, where it comes from and
what has to be said of it, place by place.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.validate.conftest import Judge
from trtbuild.validate.finding import Severity

MISTAKES = {
    "pipeline": (  # server issues 4560 (a key copied) and 7616 (a space behind a folder's name)
        "full-pipeline:17:11 E007",
        "full-pipeline:25:19 E009",
        "full-pipeline:35:7 C010",
        "full-pipeline:47:7 E008",
        "preprocess :0:0 L013",
        "preprocess :1:7 L007",
    ),
    "detection": (  # server issues 2688, 4815 and 1889; tutorials, pull request 137
        "my_ssd:8:16 F004",
        "my_ssd:9:13 I008",
        "my_ssd:10:20 C001",
        "test_onnx:3:17 F006",
        "test_onnx:7:11 F003",
        "text_recognition:6:11 F003",
        "text_recognition:13:11 F003",
        "veh-onnx-model:3:17 F006",
        "veh-onnx-model:8:13 I008",
    ),
    "speech": (  # server issues 915 and 1123
        "simple_sequence:2:11 B004",
        "simple_sequence:5:86 L011",
        "stateful:10:19 F013",
        "stateful:19:19 F013",
    ),
    "llm": (  # tensorrtllm_backend issues 501, 207 and 86; TensorRT-LLM issue 2758
        "ensemble:3:17 C007",
        "ensemble:5:18 E007",
        "ensemble:6:44 E011",
        "ensemble:6:125 E008",
        "preprocessing:24:27 C007",
        "tensorrt_llm:5:29 D001",
        "tensorrt_llm:10:1 R001",
        "tensorrt_llm:11:40 C003",
    ),
    "plans": (  # server issues 4657, 3687 and 5164
        ".ipynb_checkpoints:0:0 L001",
        ".ipynb_checkpoints:0:0 L008",
        "resnet:0:0 L001",
        "yolo:0:0 L001",
        "yolo:1:7 L007",
        "yolo:2:11 B004",
        "yolo:7:10 P001",
    ),
}


def text(name: str) -> str:
    return (Path(__file__).with_name("data") / "mistakes" / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_is_told_once_and_in_its_place(name: str, judge: Judge) -> None:
    found = [finding for finding in judge(text(name)) if finding.level >= Severity.WARNING]
    assert tuple(f"{f.model}:{f.line}:{f.column} {f.code}" for f in found) == MISTAKES[name]
    for finding in found:
        assert finding.hint or finding.code == "C001"


def test_hints_say_what_to_do(judge: Judge) -> None:
    controls = [f.hint for f in judge(text("speech")) if f.code == "F013"]
    assert controls[0].startswith("write START__N")
    (renamed,) = (f for f in judge(text("pipeline")) if f.code == "L007")
    assert renamed.hint == "rename the folder to 'preprocess'"
    assert not renamed.fix
    moved = [f.hint for f in judge(text("plans")) if f.code == "L001"]
    assert moved[1:] == [
        "create the folder 1/ and move model.plan into it",
        "a version's folder is called by its number: rename v1/ to 1/",
    ]
