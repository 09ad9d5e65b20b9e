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


def test_bindings_alone_are_a_runtime_in_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "tensorrt-cu12-bindings":
            return "10.6.0"
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = doctor.diagnose().frameworks[-1]
    assert found.packages == {"tensorrt-cu12-bindings": "10.6.0"}
    assert found.problem == ("tensorrt_bindings does not load: No module named 'tensorrt_bindings'")
    assert found.install == 'pip install --force-reinstall "trtbuild[tensorrt]"'
