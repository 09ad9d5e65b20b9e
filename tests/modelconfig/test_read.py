"""Files: what is read, what is refused, and how long it takes."""

import os
import socket
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.modelconfig.configs import steady
from tests.work import lines_run
from trtbuild.errors import ConfigError
from trtbuild.modelconfig.explain import ConfigSyntaxError
from trtbuild.modelconfig.positions import Place
from trtbuild.modelconfig.read import MAX_BYTES, Comment, comments_of, parse_config, read_config

TYPICAL = """# ResNet-50
name: "resnet50"
platform: "tensorrt_plan"
max_batch_size: 8
input [
  {
    name: "input"
    data_type: TYPE_FP32
    format: FORMAT_NCHW
    dims: [ 3, 224, 224 ]
  }
]
output [
  {
    name: "output"
    data_type: TYPE_FP32
    dims: [ 1000 ]
    label_filename: "labels.txt"
  }
]
instance_group [
  {
    count: 2
    kind: KIND_GPU
    gpus: [ 0, 1 ]
  }
]
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 100
}
"""


def test_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "config.pbtxt"
    path.write_bytes(TYPICAL.replace("\n", "\r\n").encode())
    parsed = read_config(path)
    assert parsed.message.instance_group[0].gpus == [0, 1]
    assert parsed.message.input[0].dims == [3, 224, 224]
    assert parsed.file == str(path)
    assert str(parsed.place("input[0].format")) == "9:13"


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.pbtxt"
    path.write_text("nome: 1")
    with pytest.raises(ConfigSyntaxError, match=f"^{path}:1:1: "):
        read_config(path)


def test_comments_with_their_places() -> None:
    text = '# head\nname: "# no" # tail \n  #own\n'
    assert comments_of(text) == (
        Comment("head", Place(1, 1), True),
        Comment("tail", Place(2, 14), False),
        Comment("own", Place(3, 3), True),
    )
    assert parse_config(text).comments == comments_of(text)
    assert comments_of('name "broken # no\n# yes') == (
        Comment("no", Place(1, 14), False),
        Comment("yes", Place(2, 1), True),
    )
    assert comments_of("name: 1") == ()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*: No such file or directory$"):
        read_config(tmp_path / "config.pbtxt")


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    for name in ("fifo", "folder", "loop", "socket"):
        with pytest.raises(ConfigError, match=r"is no regular file|cannot read"):
            read_config(tmp_path / name)
    with pytest.raises(ConfigError, match=r"/dev/zero is no regular file"):
        read_config(Path("/dev/zero"))


def test_what_is_refused_leaves_no_descriptor_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208  # names alone
    with pytest.raises(ConfigError, match=f"{tmp_path} is no regular file"):
        read_config(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == len(before)  # noqa: PTH208


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "config.pbtxt"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    tracemalloc.start()
    with pytest.raises(ConfigError, match=r"is larger than 4 MiB, the largest config"):
        read_config(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


N = MAX_BYTES // 4
LARGE = {
    "comment lines": "#\n" * (N // 2),
    "hashes": "#" * N,
    "a long list": "input{dims:[" + "1," * (N // 2) + "1]}",
    "an open list": "input{dims:[" + "1," * (N // 2),
    "lists in lists": "[" * N,
    "messages in messages": "input{" * (N // 6),
    "10,000 levels": "optimization{cuda{" * 10_000,
    "many messages": "input{}" * (N // 7),
    "a long text": f'name:"{"a" * N}"',
    "many escapes": 'name:"' + "\\n" * (N // 2) + '"',
    "an open text": 'name:"' + "\\n" * (N // 2),
    "many pieces": "name:" + '""' * (N // 2),
    "digits": "max_batch_size:" + "9" * N,
    "a long name": "a" * N,
    "minus signs": "max_batch_size:" + "-" * N,
    "a minus and space": "max_batch_size:-" + " #\n" * (N // 3),
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE.keys())
def test_large_files_end(text: str) -> None:
    """What took the square of their size would take hours."""
    try:
        parse_config(text)
    except ConfigSyntaxError as error:
        assert len(str(error)) < 2000


def test_a_text_twice_as_long_is_twice_the_work() -> None:
    def lines(count: int) -> int:
        with lines_run() as counted:
            parse_config('input{name:"x" dims:[1,2]}\n' * count)
        return counted.lines

    assert lines(400) < 2.2 * lines(200)


@steady
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        parse_config(content)
    except ConfigSyntaxError as error:
        assert error.line >= 1


@steady
@given(st.data())
def test_any_damage_to_a_config_is_read_or_refused(data: st.DataObject) -> None:
    content = TYPICAL.encode()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 20)))
    damaged = content[:start] + data.draw(st.binary(max_size=5)) + content[end:]
    try:
        parsed = parse_config(damaged)
        assert all(span.value < span.end for spans in parsed.index.values() for span in spans)
    except ConfigSyntaxError as error:
        assert 0 <= error.offset <= len(damaged)
