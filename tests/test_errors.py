import pytest

from trtbuild import errors
from trtbuild.errors import (
    MissingPackageError,
    TrtbuildError,
    UsageError,
    error_from_json,
    first_line,
)


@pytest.mark.parametrize("kind", TrtbuildError.__subclasses__())
def test_every_error_crosses_a_process_border_as_its_own_type(kind: type[TrtbuildError]) -> None:
    error = error_from_json(kind("it broke", "mend it").to_json())
    assert type(error) is kind
    assert (error.message, error.hint) == ("it broke", "mend it")


def test_the_text_puts_the_hint_on_its_own_line() -> None:
    assert str(TrtbuildError("it broke", "mend it")) == "it broke\n  mend it"
    assert str(TrtbuildError("it broke")) == "it broke"


def test_misuse_of_the_command_line_has_its_own_exit_code() -> None:
    assert UsageError("?").exit_code == 2
    assert TrtbuildError("?").exit_code == 1


def test_a_missing_package_names_the_pip_command() -> None:
    error = MissingPackageError.of("torch", "torch", "a PyTorch model")
    assert error.message == "a PyTorch model needs the package 'torch', which is not installed"
    assert error.hint == 'pip install "trtbuild[torch]"'


def test_the_tree_at_the_head_of_the_file_names_every_error() -> None:
    for kind in TrtbuildError.__subclasses__():
        assert kind.__name__ in (errors.__doc__ or "")


_INTERPRETER = """
The following operation failed in the TorchScript interpreter.
Traceback of TorchScript, serialized code (most recent call last):
  File "code/__torch__/net.py", line 9, in forward
      ops.prim.RaiseException("supported rates: 16000", "builtins.ValueError")
      ~~~~~~~~~~~~~~~~~~~~~~~ <--- HERE

Traceback of TorchScript, original code (most recent call last):
  File "net.py", line 5, in forward
        if sr != 16000: raise ValueError("supported rates: 16000")
                        ~~~~~~~~~~~~~~~~ <--- HERE
        return self.l(x)
{}
"""


@pytest.mark.parametrize(
    ("last", "cause"),
    [
        ("builtins.ValueError: supported rates: 16000", "ValueError: supported rates: 16000"),
        ("RuntimeError: mat1 and mat2\nnote: more of it", "RuntimeError: mat1 and mat2"),
        ("net.RateError: 8000", "net.RateError: 8000"),
        ("something else went wrong", "something else went wrong"),
    ],
)
def test_of_a_traceback_the_cause_is_told(last: str, cause: str) -> None:
    assert first_line(RuntimeError(_INTERPRETER.format(last))) == cause


def test_of_any_other_text_the_first_line_is_told() -> None:
    assert first_line(ValueError("what\nand why")) == "what"
    assert first_line(ValueError()) == "ValueError"
    assert first_line(ValueError("x" * 400)) == "x" * 300 + " ..."
