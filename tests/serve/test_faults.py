"""A GPU that is lost for this process: who says so first is believed, and everybody hears of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from trtserve.errors import Kind, ServeError
from trtserve.faults import Faults

from tests.cuda_driver import StandIn
from trtbuild import cuda as layer
from trtbuild.cuda import Cuda


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    found = StandIn(tmp_path)
    monkeypatch.setattr(layer, "LIBRARY", found.path)
    return found


ERROR = ServeError(Kind.INTERNAL, "TensorRT does not run the plan")


def test_an_error_is_looked_at_for_a_fault(driver: StandIn) -> None:
    faults, cuda, heard = Faults(), Cuda(0), []
    faults.watch(lambda *what: heard.append(what))
    assert faults.examined(cuda, ERROR) is ERROR
    driver.fault(2)  # out of memory ends no context
    assert faults.examined(cuda, ERROR) is ERROR
    faults.require("cuda:0")
    driver.fault(719)
    told = faults.examined(cuda, ERROR)
    assert told.kind is Kind.UNAVAILABLE
    assert told.message.startswith("cuda:0 has faulted and cannot be used until the server is ")
    assert "cuCtxSynchronize answered 719" in told.message
    assert heard == [("cuda:0", told.message)]
    with pytest.raises(ServeError, match="answered 719"):
        faults.require("cuda:0")
    faults.require("cuda:1")


def test_the_first_reason_stands_and_is_heard_once() -> None:
    faults, heard = Faults(), []
    end = faults.watch(lambda *what: heard.append(what))
    faults.report("cuda:0", "one")
    faults.report("cuda:0", "two")
    end()
    faults.report("cuda:1", "three")
    assert heard == [("cuda:0", "one")]


def test_what_cannot_be_freed_is_kept() -> None:
    faults = Faults()
    assert not faults.keep("cuda:0", object())
    faults.report("cuda:0", "one")
    assert faults.keep("cuda:0", object())
