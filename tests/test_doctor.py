import importlib.metadata

import pytest

from trtbuild import doctor


def test_a_package_is_found_under_any_of_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name in ("onnx", "onnx-graphsurgeon", "onnxruntime-gpu"):
            return "1.2"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    onnx, tensorflow, *_ = doctor.diagnose().frameworks
    assert onnx.packages == {"onnx": "1.2", "onnx-graphsurgeon": "1.2", "onnxruntime-gpu": "1.2"}
    assert onnx.install == ""
    assert tensorflow.packages == {"tensorflow-cpu": "", "tf2onnx": ""}
    assert tensorflow.install == 'pip install "trtbuild[tensorflow]"'


def test_the_pip_commands_name_extras_that_exist() -> None:
    provided = importlib.metadata.metadata("trtbuild").get_all("Provides-Extra") or []
    wanted = {row.extra for row in doctor.FRAMEWORKS if row.extra}
    assert wanted == set(provided) - {"all"}
