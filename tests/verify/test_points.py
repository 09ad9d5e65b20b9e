from trtbuild.artifacts import Range
from trtbuild.verify.points import distinct_shapes

SMALL = {"x": Range((1, 8), (1, 16), (1, 64))}
LARGE = {"x": Range((1, 8), (16, 8), (32, 16))}


def test_one_profile_needs_no_number() -> None:
    found = distinct_shapes((LARGE,))
    assert [(each.name, each.profiles) for each in found] == [
        ("min", (0,)),
        ("opt", (0,)),
        ("max", (0,)),
    ]


def test_equal_shapes_come_once_and_run_in_each_profile() -> None:
    found = distinct_shapes((LARGE, SMALL))
    assert [(each.name, each.shapes["x"], each.profiles) for each in found] == [
        ("profile 0 min=profile 1 min", (1, 8), (0, 1)),
        ("profile 0 opt", (16, 8), (0,)),
        ("profile 1 opt", (1, 16), (1,)),
        ("profile 1 max", (1, 64), (1,)),
        ("profile 0 max", (32, 16), (0,)),  # the largest comes last
    ]
