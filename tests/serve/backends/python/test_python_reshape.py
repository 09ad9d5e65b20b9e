import pytest
from trtserve.backends.python.reshape import Reshapes


@pytest.mark.parametrize(
    ("max_batch", "dims", "reshape", "client", "model"),
    [
        (4, [4], [2, 2], (3, 4), (3, 2, 2)),
        (0, [4], [2, 2], (4,), (2, 2)),
        (4, [1], [], (3, 1), (3,)),  # a scalar for the model: dims cannot be empty
        (0, [2, -1, 6], [-1, 12], (2, 5, 6), (5, 12)),
        (1, [2, 4, -1, 6], [8, -1, 1, 6], (1, 2, 4, 9, 6), (1, 8, 9, 1, 6)),
    ],
)
def test_there_and_back(
    max_batch: int, dims: list[int], reshape: list[int], client: tuple[int, ...],
    model: tuple[int, ...],
) -> None:  # fmt: skip
    tensor = {"name": "x", "dims": dims, "reshape": {"shape": reshape}}
    rules = Reshapes({"max_batch_size": max_batch, "input": [tensor]}, "input")
    assert rules
    assert rules.to_model("x", client) == model
    assert rules.to_client("x", model) == client
    assert rules.to_model("other", (7, 7)) == (7, 7)


def test_a_shape_that_the_config_does_not_foresee_is_left_alone() -> None:
    tensor = {"name": "x", "dims": [4], "reshape": {"shape": [2, 2]}}
    rules = Reshapes({"max_batch_size": 0, "output": [tensor]}, "output")
    assert rules.to_client("x", (5,)) == (5,)


def test_without_reshapes_there_is_nothing_to_do() -> None:
    assert not Reshapes({"input": [{"name": "x", "dims": [4]}]}, "input")
