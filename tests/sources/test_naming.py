import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbuild.sources.naming import name_from_location
from trtbuild.users_code import split_factory


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("light_resnet50.onnx", "light_resnet50"),
        ("/models/resnet 50 (v2).onnx", "resnet_50_v2"),
        ("/models/resnet50/1/model.onnx", "resnet50"),
        ("/models/bert/saved_model", "bert"),
        ("/models/bert/1/model.savedmodel", "bert"),
        ("/models/yolo/frozen_graph.pb", "yolo"),
        ("/models/net.tar.keras", "net.tar"),
        ("/models/.hidden.h5", "hidden"),
        ("/models/größe.onnx", "gr_e"),
        ("/1/2/3.onnx", "model"),
        ("recipes/resnet_torch/source.py:factory", "resnet_torch"),
        ("/code/nets.py:resnet18", "resnet18"),
        ("/code/nets.py:make_model", "nets"),
        ("company.vision.resnet:factory", "resnet"),
        ("company.vision.models:Classifier.build", "Classifier.build"),
    ],
)
def test_names(location: str, name: str) -> None:
    assert name_from_location(location) == name


def test_a_relative_path_is_seen_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mobilenet"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert name_from_location("model.onnx") == "mobilenet"
    assert name_from_location(".") == "mobilenet"


@given(st.text(min_size=1, max_size=40).filter(lambda text: "\0" not in text))
def test_any_name_is_one_that_triton_takes(location: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name_from_location(location))


def test_split_factory(tmp_path: Path) -> None:
    assert split_factory("a/b.py:make") == ("a/b.py", "make")
    assert split_factory("a.b:C.make") == ("a.b", "C.make")
    assert split_factory("a/b.onnx") == ("a/b.onnx", "")
    assert split_factory("C:\\models\\x.onnx") == ("C:\\models\\x.onnx", "")
    odd = tmp_path / "a.py:b"  # a file may be called so
    odd.touch()
    assert split_factory(str(odd)) == (str(odd), "")
