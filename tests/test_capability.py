import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbuild.capability import GPUS, KNOWN, Capability, capability_from_text
from trtbuild.errors import UsageError


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("8.6", "8.6"),
        ("sm_86", "8.6"),
        ("sm86", "8.6"),
        ("SM_120", "12.0"),
        ("sm_90a", "9.0"),
        ("compute_89", "8.9"),
        ("T4", "7.5"),
        ("A10", "8.6"),
        ("L4", "8.9"),
        ("A100", "8.0"),
        ("H100", "9.0"),
        ("RTX 4090", "8.9"),
        ("rtx4090", "8.9"),
        ("RTX-4090", "8.9"),
        ("NVIDIA GeForce RTX 4090", "8.9"),
        ("Tesla T4", "7.5"),
        ("NVIDIA H200", "9.0"),
    ],
)
def test_the_spellings_people_use(text: str, key: str) -> None:
    assert str(capability_from_text(text)) == key


@pytest.mark.parametrize("capability", KNOWN)
def test_each_capability_reads_its_own_spellings(capability: Capability) -> None:
    for text in (f"{capability}", f"sm_{capability.major}{capability.minor}"):
        assert capability_from_text(text) == capability


def test_every_gpu_of_the_table_is_found_by_its_name() -> None:
    for name, capability in GPUS.items():
        assert capability_from_text(f"NVIDIA {name.upper()}") == capability


def test_an_unknown_name_gets_the_near_ones() -> None:
    with pytest.raises(UsageError) as caught:
        capability_from_text("A11")
    assert caught.value.message == (
        "no GPU and no compute capability is called 'A11'; near it are A16, A10"
    )
    assert "8.9" in caught.value.hint


@pytest.mark.parametrize("text", ["8.8", "86", "", "sm_", "9", "1.0", "9.9.9", "all"])
def test_what_is_no_capability_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        capability_from_text(text)


@given(st.text())
def test_any_text_gives_a_capability_or_a_usage_error(text: str) -> None:
    try:
        assert capability_from_text(text) in KNOWN
    except UsageError as error:
        assert text in error.message


def test_capabilities_sort_by_number_not_by_text() -> None:
    assert sorted([Capability(12, 0), Capability(8, 9), Capability(8, 6)])[-1] == Capability(12, 0)
