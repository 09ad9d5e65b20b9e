"""Parameters that the server sets itself, set by a client (Triton #8763)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.serve.conftest import Running
from tests.serve.sockets.wire import asked, called, good_message, inputs

pytestmark = pytest.mark.usefixtures("no_traceback")
NAMES = ["triton_", "triton_final_response", "triton_sequence", "triton_\0"]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_reserved_names_are_refused(served: Running, name: str) -> None:
    answer = asked(served, inputs() | {"parameters": {name: True}})
    assert (answer.status, "reserved" in answer.error) == (400, True)
    request = good_message()
    request.parameters[name].bool_param = True
    code, text = called(served, request)
    assert (code, "reserved" in text) == (3, True)


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_on_tensors_they_mean_nothing(served: Running, name: str) -> None:
    """As in Triton, which reads the parameters of tensors that it knows and no others."""
    own: dict[str, Any] = {"parameters": {name: True}}
    changed = inputs()
    changed["inputs"][0] |= own
    for body in (changed, inputs() | {"outputs": [{"name": "OUTPUT0"} | own]}):
        assert asked(served, body).status == 200
    places: list[Callable[[Any], Any]] = [
        lambda r: r.inputs[0], lambda r: r.outputs.add(name="OUTPUT0"),
    ]  # fmt: skip
    for place in places:
        request = good_message()
        place(request).parameters[name].bool_param = True
        assert called(served, request)[0] == 0
