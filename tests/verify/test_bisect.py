from hypothesis import given
from hypothesis import strategies as st

from trtbuild.verify.bisect import Candidate, Search


def graph(inputs: list[list[int]]) -> list[Candidate]:
    return [
        Candidate(f"t{i}", f"n{i}", "Op", tuple(f"t{j}" for j in behind))
        for i, behind in enumerate(inputs)
    ]


def chain(length: int) -> list[Candidate]:
    return graph([[i - 1] if i else [] for i in range(length)])


def search(candidates: list[Candidate], departs: set[str], last: str, marks: int = 8) -> Search:
    found = Search(candidates, last)
    while names := found.marks(marks):
        found.learn({name: name in departs for name in (*names, last)})
    return found


def builds_of(length: int, fault: int) -> int:
    found, builds = Search(chain(length), f"t{length - 1}"), 0
    while names := found.marks(8):
        found.learn({name: int(name[1:]) >= fault for name in names})
        builds += 1
    assert [each.tensor for each in found.suspects] == [f"t{fault}"]
    return builds


def test_ten_builds_are_enough_for_a_million_layers() -> None:
    assert max(builds_of(10_000, fault) for fault in (0, 1, 4_999, 5_000, 9_999)) <= 5
    # Each build leaves a ninth: the first has no marks, so nine builds part 9 ** 9 layers.


def test_what_a_right_tensor_is_computed_from_is_no_suspect() -> None:
    # t0 -> t1 -> t4, t0 -> t2 -> t3 -> t4: the fault is in the branch t2, t3.
    candidates = graph([[], [0], [0], [2], [1, 3]])
    found = Search(candidates, "t4")
    found.learn({"t1": False})
    assert [each.tensor for each in found.suspects] == ["t2", "t3", "t4"]
    found.learn({"t3": True})
    assert [each.tensor for each in found.suspects] == ["t2", "t3"]


def test_what_departs_elsewhere_is_another_search() -> None:
    candidates = graph([[], [0], [0]])  # t1 and t2 are outputs
    found = Search(candidates, "t1")
    found.learn({"t2": True, "t0": False})
    assert [each.tensor for each in found.suspects] == ["t1"]


@given(st.data())
def test_the_layer_that_is_found_is_one_whose_inputs_are_right(data: st.DataObject) -> None:
    """Any graph, any fault that spreads to all that is computed from it."""
    size = data.draw(st.integers(1, 40))
    inputs = [
        data.draw(st.lists(st.integers(0, i - 1), max_size=3, unique=True)) if i else []
        for i in range(size)
    ]
    fault = data.draw(st.integers(0, size - 1))
    departs = {f"t{fault}"}
    for i, behind in enumerate(inputs):
        if any(f"t{j}" in departs for j in behind):
            departs.add(f"t{i}")
    last = data.draw(st.sampled_from(sorted(departs)))
    marks = data.draw(st.integers(1, 8))
    (found,) = search(graph(inputs), departs, last, marks).suspects
    assert found.tensor == f"t{fault}"
