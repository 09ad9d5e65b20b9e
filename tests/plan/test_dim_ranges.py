import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbuild.errors import UsageError
from trtbuild.plan.dim_ranges import dim_ranges_from_text, text_of_ranges


def test_sizes_by_dim() -> None:
    assert dim_ranges_from_text("batch=1x8x32,seq=1x64x128") == {
        "batch": (1, 8, 32),
        "seq": (1, 64, 128),
    }
    assert dim_ranges_from_text(" a,b = 0x1x1 , c=d=2x2x2, ") == {
        "a,b": (0, 1, 1),
        "c=d": (2, 2, 2),
    }


SIZES = st.lists(st.integers(1, 10**6), min_size=3, max_size=3).map(lambda s: tuple(sorted(s)))


@given(
    st.dictionaries(st.sampled_from(["batch", "unk__0", "N,M", "a=b", "2*seq"]), SIZES, min_size=1)
)
def test_what_is_written_is_read(ranges: dict[str, tuple[int, int, int]]) -> None:
    assert dim_ranges_from_text(text_of_ranges(ranges)) == ranges


@pytest.mark.parametrize(
    "text",
    ["", "batch", "batch=8", "batch=1x8", "batch=1x2x3x4", "=1x1x1", "batch:1x2x3", "a=1x2x3 b"],
)
def test_a_text_that_says_no_sizes(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        dim_ranges_from_text(text)
    assert caught.value.message == f"--profile '{text}' is not DIM=MINxOPTxMAX"
    assert caught.value.hint == "write for example --profile batch=1x8x32,seq=1x64x128"


@pytest.mark.parametrize("sizes", [(2, 1, 3), (1, 4, 3), (0, 0, 3)])
def test_sizes_that_shrink(sizes: tuple[int, int, int]) -> None:
    low, usual, high = sizes
    with pytest.raises(UsageError) as caught:
        dim_ranges_from_text(f"n={low}x{usual}x{high}")
    assert caught.value.message == (
        f"--profile 'n={low}x{usual}x{high}': dim 'n' has min {low}, opt {usual}, max {high}"
    )


def test_a_dim_twice() -> None:
    with pytest.raises(UsageError, match="names dim 'n' twice"):
        dim_ranges_from_text("n=1x1x1,n=1x1x2")
