from pathlib import Path

import pytest

from tests.sources.conftest import Convert
from trtbuild.errors import SourceError
from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("torch")
FILE = Path(__file__).parent / "torch_models.py"


def error_of(worker: Worker, convert: Convert, location: str) -> SourceError:
    with pytest.raises(SourceError) as caught:
        convert(worker, location)
    return caught.value


def test_an_error_of_the_users_own(torch_worker: Worker, convert: Convert) -> None:
    line = next(
        number
        for number, text in enumerate(FILE.read_text().splitlines(), 1)
        if "no weights at hand" in text
    )
    error = error_of(torch_worker, convert, f"{FILE}:failing")
    assert error.message == (
        f"'{FILE}:failing' failed: ValueError: no weights at hand ({FILE}, line {line}, in failing)"
    )


def test_a_function_that_leaves(torch_worker: Worker, convert: Convert) -> None:
    error = error_of(torch_worker, convert, f"{FILE}:leaving")
    assert f"'{FILE}:leaving' failed: SystemExit: cannot go on (" in error.message


def test_something_else_comes_back(torch_worker: Worker, convert: Convert) -> None:
    error = error_of(torch_worker, convert, f"{FILE}:wrong")
    assert error.message == f"'{FILE}:wrong' returned a dict, not a torch.nn.Module"
    assert error.hint == "let it return the module, or (module, example_inputs)"


def test_a_function_with_arguments(torch_worker: Worker, convert: Convert) -> None:
    error = error_of(torch_worker, convert, f"{FILE}:with_arguments")
    assert error.message == (
        f"'{FILE}:with_arguments' takes arguments (size), and it is called without any"
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [("nothing", "there is no such name"), ("VALUE", "it is a int"), ("np.x", "there is no")],
)
def test_a_name_that_is_no_function(
    torch_worker: Worker, convert: Convert, name: str, why: str
) -> None:
    error = error_of(torch_worker, convert, f"{FILE}:{name}")
    assert error.message.startswith(f"'{FILE}:{name}' cannot be called: {why}")
    assert "plain, with_examples, by_name" in error.hint


def test_a_file_that_is_no_python(torch_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("def factory(:\n")
    error = error_of(torch_worker, convert, f"{file}:factory")
    assert error.message == (
        f"'{file}:factory' failed: SyntaxError: invalid syntax (broken.py, line 1)"
    )


def test_a_package_that_is_not_there(torch_worker: Worker, convert: Convert) -> None:
    error = error_of(torch_worker, convert, "no_such_package.models:resnet")
    assert error.message == (
        "'no_such_package.models:resnet' failed: ModuleNotFoundError: "
        "No module named 'no_such_package'"
    )


def test_neighbours_can_be_imported_and_any_file_name_will_do(
    torch_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    (tmp_path / "sizes_of_mine.py").write_text("SIZE = 3\n")
    (tmp_path / "torch.py").write_text(
        "from sizes_of_mine import SIZE\nfrom torch import nn, zeros\n"
        "def factory():\n    print('hello')\n    return nn.Linear(SIZE, 2), zeros(2, SIZE)\n"
    )
    converted = convert(torch_worker, f"{tmp_path}/torch.py:factory")
    assert str(converted.model.inputs[0]) == "input fp32 [batch, 3]"
