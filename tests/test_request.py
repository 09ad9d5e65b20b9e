import inspect
from pathlib import Path

import pytest

from trtbuild.cli import convert
from trtbuild.request import ConvertRequest

# The command line's word for a field, where it is another one.
CLI_NAMES = {
    "tags": "tag",
    "input": "input_",
    "targets": "target",
    "workspace_mib": "workspace",
    "verify_timeout_s": "verify_timeout",
    "mode": "add",
    "profiles": "profile",
}


def test_every_field_is_an_option_of_the_command() -> None:
    options = set(inspect.signature(convert.command).parameters)
    for field in ConvertRequest.__struct_fields__:
        assert CLI_NAMES.get(field, field) in options


def test_the_defaults_of_the_command_are_those_of_the_request() -> None:
    request = ConvertRequest(source="m", repo=Path("r"))
    for name, parameter in inspect.signature(convert.command).parameters.items():
        if name in ConvertRequest.__struct_fields__ and parameter.default not in (
            None,
            parameter.empty,
        ):
            assert getattr(request, name) == parameter.default, name


def test_a_request_is_frozen_and_its_fields_are_named() -> None:
    request = ConvertRequest(source="m", repo=Path("r"))
    with pytest.raises(AttributeError):
        request.name = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        ConvertRequest("m", Path("r"))  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        ConvertRequest(source="m", repo=Path("r"), target="8.6")  # type: ignore[call-arg]
