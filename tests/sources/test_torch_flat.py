from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trtbuild.errors import SourceError
from trtbuild.sources.options import SourceOptions
from trtbuild.sources.torch_flat import FlatModule, named_tensors, output_names, run_flat
from trtbuild.sources.torch_inputs import inputs_of

pytestmark = pytest.mark.xdist_group("torch")
T = torch.zeros(1)


@pytest.mark.parametrize(
    ("results", "names"),
    [
        (T, ["output"]),
        ((T, T), ["output_0", "output_1"]),
        ({"b": T, "a": T}, ["b", "a"]),
        ({"hidden": (T, [T])}, ["hidden_0", "hidden_1_0"]),
        ((T, None, "text", {"a": T}), ["output_0", "output_3_a"]),
        ("text", []),
    ],
)
def test_names_of_results(results: Any, names: list[str]) -> None:
    assert [name for name, _ in named_tensors(results)] == names


def test_names_are_distinct_from_inputs() -> None:
    assert output_names(["x", "y"], [], ["x"], "it") == ("x_output", "y")
    assert output_names(["x", "y"], ["a", "a"], [], "it") == ("a", "a_output")


def test_names_asked_for_are_as_many_as_outputs() -> None:
    with pytest.raises(SourceError) as caught:
        output_names(["x", "y"], ["a"], [], "it")
    assert caught.value.message == "it has 2 outputs (x, y), and 1 names were given for them: a"


class Nested(nn.Module):
    def forward(self, x: Tensor, pair: tuple[Tensor, Tensor]) -> dict[str, Any]:
        return {"sum": x + pair[0], "rest": (None, pair[1])}


def test_a_flat_module_takes_and_gives_tensors() -> None:
    one = torch.ones(2, 3)
    inputs = inputs_of(Nested(), (one, (one, one)), SourceOptions(), "it")
    flat = FlatModule(Nested(), inputs)
    first, second = flat(one, one * 2, one * 3)
    assert (first[0, 0].item(), second[0, 0].item()) == (3, 3)
    arrays = {name: np.full((4, 3), 2, np.float32) for name in inputs.names}
    results = run_flat(flat, inputs.names, ("sum", "rest_1"), arrays, "it")
    assert {name: (a.shape, float(a.max())) for name, a in results.items()} == {
        "sum": ((4, 3), 4.0),
        "rest_1": ((4, 3), 2.0),
    }
    arrays["x"] = np.zeros((4, 7), np.float32)
    with pytest.raises(SourceError, match="PyTorch cannot run it on these inputs: The size of"):
        run_flat(flat, inputs.names, ("sum", "rest_1"), arrays, "it")
