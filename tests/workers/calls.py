"""Functions that the worker tests call in real worker processes."""

import ctypes
import os
import tempfile
import time
from pathlib import Path

import msgspec

from trtbuild.artifacts import Range
from trtbuild.errors import PlanError
from trtbuild.workers.child import report

state: list[int] = []


class Unsendable:
    pass


def add(a: int, b: int) -> int:
    return a + b


def widen(shape: Range, by: int) -> Range:
    return msgspec.structs.replace(shape, max=tuple(by * size for size in shape.max))


def remember(value: int) -> list[int]:
    state.append(value)
    return state


def count(to: int) -> str:
    for step in range(to):
        report("counting", "up", step + 1, to)
    return "done"


def chatter() -> int:
    print("the framework says hello")
    os.system("echo and so does its child")
    return 1


def refuse() -> None:
    raise PlanError("no plan", "try another target")


def bug() -> None:
    raise ZeroDivisionError("ours")


def unsendable() -> Unsendable:
    return Unsendable()


def crash() -> None:
    print("about to read address 0", flush=True)
    ctypes.string_at(0)


def leave() -> None:
    os._exit(7)


def sleep(seconds: float) -> int:
    report("sleeping", "", os.getpid())
    time.sleep(seconds)
    return 0


def sleep_with_child(seconds: float) -> None:
    """As a compiler that a framework starts would."""
    child = os.fork()
    if child == 0:
        time.sleep(seconds)
        os._exit(0)
    report("sleeping", "", child)
    time.sleep(seconds)


def fill_the_disk() -> None:
    with Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x")


def lose_a_file() -> None:
    with Path("/nowhere/at/all").open("rb"):
        pass


def leave_a_file() -> str:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        return file.name


def hello(name: str) -> str:
    return f"hello {name}"


def need_a_package() -> None:
    import a_package_that_is_not_there  # type: ignore[import-not-found] # noqa: F401
