import numpy as np
import onnx_graphsurgeon as gs
import pytest

from tests.surgery.models import f32, job, model, node
from trtbuild.artifacts import PassNote
from trtbuild.errors import SurgeryError
from trtbuild.surgery.contract import (
    ContractError,
    Done,
    Job,
    Pass,
    check_sound,
    run_passes,
    skipped,
)


class Renames(Pass):
    def apply(self, job: Job) -> Done:
        job.rename(job.graph.inputs[0], "renamed")
        return Done(True, "renamed it")


class Idle(Pass):
    def apply(self, job: Job) -> Done:
        return skipped("nothing to do")


class Demands(Idle):
    def requires(self, job: Job) -> None:
        raise ContractError("the input is not called 'x'")


class BreaksItsWord(Renames):
    def ensures(self, job: Job) -> None:
        raise ContractError("the input is called 'renamed'")


class BreaksTheGraph(Pass):
    def apply(self, job: Job) -> Done:
        job.graph.nodes[0].inputs[0] = gs.Variable("from nowhere", np.float32, [1])
        return Done(True, "broke it")


class Refuses(Pass):
    def apply(self, job: Job) -> Done:
        raise SurgeryError("that cannot be done", "ask for something else")


def work() -> Job:
    return job(
        model([node("Add", ["x", "w"], ["y"])], ["x fp32 [n]"], ["y fp32 [n]"], {"w": f32(1)})
    )


def passes(*classes: type[Pass]) -> list[tuple[str, str]]:
    return [(cls.__name__.lower(), f"{__name__}:{cls.__name__}") for cls in classes]


def test_each_pass_leaves_a_note_changed_or_not() -> None:
    notes: list[PassNote] = []
    table = work()
    run_passes(table, passes(Renames, Idle), notes)
    assert notes == [
        PassNote("renames", True, "renamed it"),
        PassNote("idle", False, "nothing to do"),
    ]
    assert table.input_names == {"renamed": "x"}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            Demands,
            "surgery pass 'demands' failed: the input is not called 'x' "
            "(passes before it: idle, renames)",
        ),
        (
            BreaksItsWord,
            "surgery pass 'breaksitsword' failed: the input is called 'renamed' "
            "(passes before it: idle, renames)",
        ),
        (
            BreaksTheGraph,
            "surgery pass 'breaksthegraph' failed: 'from nowhere' is read by Add before it is "
            "made (passes before it: idle, renames)",
        ),
    ],
)
def test_a_broken_contract_names_the_pass_and_those_before(bad: type[Pass], message: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        run_passes(work(), passes(Idle, Renames, bad), [])
    assert str(caught.value) == message


def test_the_first_pass_has_none_before_it() -> None:
    with pytest.raises(RuntimeError, match=r"\(passes before it: none\)"):
        run_passes(work(), passes(Demands), [])


def test_what_the_user_can_act_on_passes_through() -> None:
    with pytest.raises(SurgeryError, match="that cannot be done"):
        run_passes(work(), passes(Refuses), [])


def test_a_pass_has_to_do_something() -> None:
    with pytest.raises(NotImplementedError):
        Pass().apply(work())


def test_unsound_graphs_are_told_by_the_first_fault() -> None:
    table = work()
    table.graph.nodes.append(gs.Node("Relu", inputs=[table.graph.inputs[0]], outputs=[]))
    table.graph.nodes[-1].outputs = [table.graph.outputs[0]]
    with pytest.raises(ContractError, match="'y' is made twice"):
        check_sound(table.graph)
    orphan = work()
    orphan.graph.outputs.append(gs.Variable("orphan", np.float32, [1]))
    with pytest.raises(ContractError, match="nothing makes the output 'orphan'"):
        check_sound(orphan.graph)
