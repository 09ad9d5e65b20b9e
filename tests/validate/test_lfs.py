"""Pointers of git lfs in the place of any file of a model: one sentence."""

from __future__ import annotations

import pytest

from tests.validate.conftest import Judge
from trtbuild.validate.finding import Severity

POINTER = """version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 12345
"""
IO = """input { name: "x" data_type: TYPE_FP32 dims: [4] }
output { name: "y" data_type: TYPE_FP32 dims: [4] label_filename: "labels.txt" }
"""
TORCH = """
input { name: "INPUT__0" data_type: TYPE_FP32 dims: [4] }
output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [4] }
"""
# config, the file that is a pointer, and whether loading the model reads it
FILES = {
    "an ONNX file": ('platform: "onnxruntime_onnx"', "1/model.onnx", True),
    "a plan": ('platform: "tensorrt_plan"', "1/model.plan", True),
    "a plan for one GPU": (
        'platform: "tensorrt_plan" cc_model_filenames { key: "8.6" value: "a.plan" }',
        "1/a.plan",
        True,
    ),
    "a TorchScript file": ('platform: "pytorch_libtorch"' + TORCH, "1/model.pt", True),
    "a package of AOTInductor": ('platform: "torch_aoti"' + TORCH, "1/model.pt2", True),
    "a SavedModel": (
        'platform: "tensorflow_savedmodel"', "1/model.savedmodel/saved_model.pb", True
    ),
    "a Python model": ('backend: "python"', "1/model.py", True),
    "OpenVINO's weights": ('backend: "openvino"', "1/model.bin", True),
    "OpenVINO's graph": ('backend: "openvino"', "1/model.xml", True),
    "what a Python model may read": ('backend: "python"', "1/tokenizer/vocab.json", False),
    "a file of a backend of one's own": ('backend: "mine"', "1/weights.bin", False),
    "labels": ('backend: "python"\n' + IO, "labels.txt", True),
    "a file named otherwise": (
        'backend: "python" default_model_filename: "a.py"', "1/a.py", True
    ),
}  # fmt: skip
PYTHON = "class TritonPythonModel:\n    def execute(self, requests):\n        return []\n"


@pytest.mark.parametrize("case", FILES)
def test_each_file_is_called_a_pointer(case: str, judge: Judge) -> None:
    config, path, loaded = FILES[case]
    text = f"-- m/config.pbtxt --\n{config}\n-- m/{path} --\n{POINTER}"
    if 'backend: "python"' in config and not path.endswith(".py"):
        text += f"-- m/1/model.py --\n{PYTHON}"
    if path.endswith(".bin"):
        text += "-- m/1/model.xml --\n<net/>\n"
    found = [f for f in judge(text) if f.level >= Severity.WARNING and f.code != "B005"]
    assert [(f.code, f.level) for f in found] == [
        ("F018", Severity.ERROR if loaded else Severity.WARNING)
    ]
    assert found[0].message == f"{path} is a pointer of git lfs"
    assert "git lfs pull" in found[0].hint


def test_weights_beside_an_onnx_file(judge: Judge) -> None:
    text = (
        '-- m/config.pbtxt --\nplatform: "onnxruntime_onnx"\n'
        "-- m/1/model.onnx = x:fp32[4] -> y:fp32[4] with weights.bin --\n"
        f"-- m/1/weights.bin --\n{POINTER}"
    )
    (found,) = (f for f in judge(text) if f.level >= Severity.WARNING)
    assert (found.code, found.level) == ("F018", Severity.ERROR)


def test_a_config(judge: Judge) -> None:
    text = f"-- m/config.pbtxt --\n{POINTER}-- m/1/model.py --\n"
    (found,) = judge(text)
    assert (found.code, found.message) == ("C012", "config.pbtxt is a pointer of git lfs")


def test_a_version_that_is_not_loaded_and_other_texts_are_none(judge: Judge) -> None:
    text = f"""-- m/config.pbtxt --
backend: "python" # {POINTER.partition(chr(10))[0]}
-- m/1/model.py --
{POINTER}
-- m/2/model.py --
{PYTHON}
-- m/2/README --
see {POINTER}
"""
    assert [f for f in judge(text) if f.level >= Severity.WARNING] == []
