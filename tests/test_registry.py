import pytest

from trtbuild.registry import load
from trtbuild.store import Store


def test_a_line_of_a_table_is_resolved() -> None:
    assert load("trtbuild.store:Store") is Store
    assert load("trtbuild.store:Store.cached") is Store.cached


@pytest.mark.parametrize("wrong", ["trtbuild.nowhere:x", "trtbuild.store:Nothing"])
def test_a_wrong_line_fails_as_python_does(wrong: str) -> None:
    with pytest.raises((ImportError, AttributeError)):
        load(wrong)
