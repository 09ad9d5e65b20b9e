from pathlib import Path

import pytest

from tests.sources.conftest import Convert, shapes
from trtbuild.errors import SourceError
from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("torch")
FILE = Path(__file__).parent / "torch_models.py"


def test_what_dynamo_cannot_is_traced_and_the_reason_told(
    torch_worker: Worker, convert: Convert
) -> None:
    converted = convert(torch_worker, f"{FILE}:branching")
    [note] = converted.model.notes
    assert note.startswith(
        "exported with the TorchScript exporter, because the dynamo exporter failed: "
        "GuardOnDataDependentSymNode: Could not guard on data-dependent expression"
    )
    assert shapes(converted.model.inputs) == ["x fp32 [batch, 6]"]
    assert shapes(converted.model.outputs) == ["output fp32 [batch, 6]"]
    converted.check_numbers()


@pytest.mark.parametrize("opset", [18, 21])
def test_an_opset_of_dynamo(torch_worker: Worker, convert: Convert, opset: int) -> None:
    converted = convert(torch_worker, f"{FILE}:with_examples", opset=opset)
    assert (converted.model.opset, converted.model.notes) == (opset, ())
    converted.check_numbers()


def test_an_opset_that_only_the_older_exporter_has(torch_worker: Worker, convert: Convert) -> None:
    converted = convert(torch_worker, f"{FILE}:with_examples", opset=13)
    assert converted.model.opset == 13
    [note] = converted.model.notes
    assert "cannot be converted to opset 13" in note
    converted.check_numbers()


def test_what_neither_can_names_both_reasons(torch_worker: Worker, convert: Convert) -> None:
    with pytest.raises(SourceError) as caught:
        convert(torch_worker, f"{FILE}:untraceable")
    assert f"cannot export the module of '{FILE}:untraceable': " in caught.value.message
    assert caught.value.hint.startswith("the TorchScript exporter fails as well: ")
    assert "linalg_eigvals" in caught.value.hint
