import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trtserve.backends.python.layout import MAX_SIGNATURES, Reader, Signature, Spec, Writer

DTYPES = st.sampled_from(["FP32", "INT8", "BOOL", "BF16", "FP64", "BYTES"])
SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)
SIZES = {"FP32": 4, "INT8": 1, "BOOL": 1, "BF16": 2, "FP64": 8}


@st.composite
def messages(draw: st.DrawFn) -> tuple[Signature, list[bytes]]:
    specs = draw(st.lists(st.tuples(st.text(max_size=8), DTYPES, SHAPES), max_size=3))
    note = draw(st.booleans())
    labels = tuple(draw(st.lists(st.text(max_size=5), max_size=2)))
    signature = Signature(tuple(Spec(*spec) for spec in specs), labels, note)
    data = []
    for _, dtype, shape in specs:
        size = draw(st.integers(0, 200)) if dtype == "BYTES" else int(np.prod(shape)) * SIZES[dtype]
        data.append(draw(st.binary(min_size=size, max_size=size)))
    if note:
        data.append(draw(st.binary(max_size=100)))
    return signature, data


def read(reader: Reader, memory: bytes) -> list[tuple[Signature, list[bytes]]]:
    found = []
    for run in reader.read(memoryview(memory)):
        for start in run.starts:
            places = [start + offset for offset in run.offsets]
            assert all(place % 64 == 0 for place in places)
            data = [memory[at : at + size] for at, size in zip(places, run.sizes, strict=True)]
            found.append((run.layout.signature, data))
    return found


@given(st.lists(st.lists(messages(), max_size=6), max_size=4))
def test_what_is_written_is_read(batches: list[list[tuple[Signature, list[bytes]]]]) -> None:
    writer, reader = Writer(), Reader()
    for batch in batches:
        parts, used = writer.lay_out(batch)
        memory = b"".join(parts)  # type: ignore[arg-type] # bytes throughout in this test
        assert len(memory) == used
        # Memory is not cleared between batches: what follows must not matter.
        assert read(reader, memory + b"\xff" * 100) == batch


def test_repeated_messages_cost_two_numbers() -> None:
    signature = Signature((Spec("x", "FP32", (1, 16)),))
    writer = Writer()
    writer.lay_out([(signature, [bytes(64)])])
    parts, used = writer.lay_out([(signature, [bytes(64)])] * 32)
    assert used - 32 * 64 == 64  # one line of memory says it all
    assert len(parts) == 33


def test_both_sides_forget_signatures_that_are_too_many() -> None:
    writer, reader = Writer(), Reader()
    for size in range(3 * MAX_SIGNATURES):
        signature = Signature((Spec("x", "INT8", (size,)),))
        batch = [(signature, [bytes(size)])]
        parts, _ = writer.lay_out(batch)
        assert read(reader, b"".join(parts)) == batch  # type: ignore[arg-type] # bytes
    assert len(writer._known) <= MAX_SIGNATURES + 1
    assert len(reader._layouts) <= MAX_SIGNATURES + 1


@pytest.mark.parametrize("size", [0, 63, 65])
def test_data_of_another_size_than_stated_is_noticed(size: int) -> None:
    """Else it would shift what belongs to the next request."""
    parts, used = Writer().lay_out([(Signature((Spec("x", "INT8", (64,)),)), [bytes(size)])])
    assert sum(map(len, parts)) != used
