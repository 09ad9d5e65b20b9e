from trtbuild.workers import child
from trtbuild.workers.messages import Call, Failure, Result


def test_arguments_are_read_by_their_annotations() -> None:
    call = Call(
        "tests.workers.calls:widen", {"shape": {"min": [1], "opt": [1], "max": [2]}, "by": 3}
    )
    answer = child.run(call)
    assert isinstance(answer, Result)
    assert bytes(answer.value) == b'{"min":[1],"opt":[1],"max":[6]}'


def test_a_wrong_argument_is_our_bug() -> None:
    answer = child.run(Call("tests.workers.calls:add", {"a": "x", "b": 1}))
    assert isinstance(answer, Failure)
    assert "Expected `int`, got `str`" in answer.traceback


def test_progress_outside_a_worker_says_nothing() -> None:
    child.report("anything", "at all")


def test_a_package_that_is_missing_is_no_bug() -> None:
    answer = child.run(Call("tests.workers.calls:need_a_package", {}))
    assert isinstance(answer, Failure)
    assert answer.error["type"] == "MissingPackageError"
    assert answer.error["message"] == (
        "a package does not load: No module named 'a_package_that_is_not_there'"
    )
