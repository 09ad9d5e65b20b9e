import msgspec
import pytest

from trtbuild.artifacts import Progress
from trtbuild.workers.messages import Answer, Failure, Result, Step


@pytest.mark.parametrize(
    "answer",
    [
        Step(Progress("8.9", "tactics", 1, 2)),
        Result(msgspec.Raw(b'{"a":1}')),
        Failure({"type": "PlanError", "message": "m", "hint": ""}),
    ],
)
def test_each_answer_is_one_line_and_reads_back_as_itself(answer: Answer) -> None:
    line = msgspec.json.encode(answer)
    assert b"\n" not in line
    assert msgspec.json.decode(line, type=Answer) == answer
