"""Whatever lies in a repository: a finding, no traceback, no hang, bounded memory."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.validate.files import MODEL_PY, write
from tests.validate.modelfiles_made import make
from trtbuild.errors import UsageError
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.formats import FORMATS
from trtbuild.validate.run import validate
from trtbuild.validate.settings import Settings

GOOD = b'backend: "python"\n'


def codes(root: Path) -> set[str]:
    return {finding.code for finding in judged(root)}


def judged(root: Path) -> tuple[Finding, ...]:
    return validate([root], Settings()).findings


def with_config(root: Path, content: bytes) -> Path:
    write(root, {"m/config.pbtxt": content, "m/1/model.py": MODEL_PY})
    return root


NO_CONFIGS = {
    "a NUL": (GOOD + b"\0", "C006"),
    "bytes that are no UTF-8": (GOOD + b"\xff\xfe", "C001"),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, "C001"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "C006"),
    "10,000 messages deep": (b"optimization {" * 10_000, "C002"),
    "10,000 lists deep": (b"[" * 10_000, "C001"),
    "10,000 lists deep in a field": (b"input " + b"[" * 10_000, "C001"),
    "10,000 real messages deep": (b"model_warmup { inputs { value {" * 10_000, "C002"),
    "9,999 quotes": (GOOD + b'"' * 9999, "C001"),
    "a template": (GOOD + b"max_batch_size: ${n}", "C007"),
    "a number of 26 digits": (GOOD + b"max_batch_size: 99999999999999999999999999", "C004"),
    "a number of 5,000 digits": (GOOD + b"max_batch_size: " + b"9" * 5000, "C004"),
    "a misspelt field": (GOOD + b"max_batch_siz: 1", "C002"),
    "a misspelt value": (GOOD + b"input { data_type: FP32 }", "C003"),
    "a brace too many": (GOOD + b"}", "C001"),
    "a program": (b"\x7fELF\x02\x01\x01" + bytes(100), "C006"),
    "JSON": (b'{"backend": "python"}', "C001"),
}


@pytest.mark.parametrize("case", NO_CONFIGS)
def test_bytes_that_are_no_config(tmp_path: Path, case: str) -> None:
    content, code = NO_CONFIGS[case]
    found = judged(with_config(tmp_path, content))
    assert code in {f.code for f in found}
    assert all(f.line >= 1 for f in found if f.code == code)


CONFIGS = {
    "CRLF": GOOD.replace(b"\n", b"\r\n"),
    "comments everywhere": b"backend # a\n : # b\n 'py' # c\n 'thon' # d",
    "comments only, and a line": b"#" * 9999 + b"\n#\n" + GOOD + b"#",
    "odd bytes in comments": b"# \xff\xfe \x01\n" + GOOD,
    "100,000 empty lines": b"\n" * 100_000 + GOOD,
}


@pytest.mark.parametrize("case", CONFIGS)
def test_odd_texts_that_are_configs(tmp_path: Path, case: str) -> None:
    assert judged(with_config(tmp_path, CONFIGS[case])) == ()


MEASURED = """
import re, sys
from pathlib import Path
from trtbuild.validate.run import validate
from trtbuild.validate.settings import Settings
from trtbuild.validate.targets import targets_of
print(*sorted({f.code for f in validate([Path(sys.argv[1])], Settings()).findings}))
status = Path("/proc/self/status").read_text()  # unlike ru_maxrss it knows nothing of our parent
print(int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) // 1024)
"""


@pytest.mark.parametrize("filler", [b"", b"# a comment\n", b'parameters { key: "x" }\n'])
def test_a_hundred_megabytes(tmp_path: Path, filler: bytes) -> None:
    """Of nothing, of comments, of fields: refused by its size, and not held in memory."""
    with_config(tmp_path, GOOD)
    with (tmp_path / "m/config.pbtxt").open("ab") as file:
        for _ in range(100 if filler else 0):
            file.write(filler * ((1 << 20) // len(filler)))
        file.truncate(100 << 20)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, tmp_path], capture_output=True, text=True, check=True
    )
    codes, megabytes = done.stdout.split("\n")[:2]
    assert codes.split() == ["C008"]
    assert int(megabytes) < 100


def test_ten_thousand_inputs(tmp_path: Path) -> None:
    entry = b'input { name: "n%d" data_type: TYPE_FP32 dims: 0 }\n'
    found = judged(with_config(tmp_path, GOOD + b"".join(entry % n for n in range(10_000))))
    assert len([f for f in found if f.code == "I004"]) == 10_000


def test_random_bytes(tmp_path: Path) -> None:
    source = random.Random(1)
    for number in range(300):
        size = source.randrange(200)
        path = tmp_path / f"m{number}/config.pbtxt"
        path.parent.mkdir()
        path.write_bytes(bytes(source.randrange(256) for _ in range(size)))
    report = validate([tmp_path], Settings())
    assert report.models == 300


def test_a_fifo_a_socket_and_a_folder_as_config(tmp_path: Path) -> None:
    for name in ("fifo", "socket", "folder"):
        write(tmp_path, {f"{name}/1/model.py": MODEL_PY})
    os.mkfifo(tmp_path / "fifo/config.pbtxt")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket/config.pbtxt"))
        (tmp_path / "folder/config.pbtxt").mkdir()
        found = judged(tmp_path)
    assert {f.model for f in found if f.code == "C008"} == {"fifo", "socket", "folder"}


def test_fifos_as_model_files(tmp_path: Path) -> None:
    for kind in ("model.py", "model.onnx", "model.plan", "model.pt", "model.pt2"):
        folder = tmp_path / kind.replace(".", "_") / "1"
        folder.mkdir(parents=True)
        os.mkfifo(folder / kind)
    found = judged(tmp_path)
    assert {f.model for f in found if f.level == 3} == {p.name for p in tmp_path.iterdir()}


def test_a_fifo_as_model_py_of_a_python_model(tmp_path: Path) -> None:
    """Of one whose config says so: then what it completes is asked for."""
    write(tmp_path, {"m/config.pbtxt": GOOD + b"input { }\n", "m/1/": b""})
    os.mkfifo(tmp_path / "m/1/model.py")
    assert {f.code for f in judged(tmp_path)} >= {"I001", "F001"}


def test_a_fifo_as_path(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "draft")
    assert codes(tmp_path / "draft") == {"C008"}


def test_a_fifo_as_label_file(tmp_path: Path) -> None:
    text = b'output { name: "b" data_type: TYPE_FP32 dims: 4 label_filename: "labels" }\n'
    with_config(tmp_path, GOOD + text)
    os.mkfifo(tmp_path / "m/labels")
    assert "L011" in codes(tmp_path)


def test_a_huge_model_py_lock_and_warm_up(tmp_path: Path) -> None:
    """Holes of 8 GiB: none of it is held in memory or looked through."""
    text = b"""input { }
model_warmup { batch_size: 1
  inputs { key: "a" value { data_type: TYPE_STRING dims: 4 input_data_file: "strings" } } }
input { name: "a" data_type: TYPE_STRING dims: 4 }
"""
    with_config(tmp_path, GOOD + text)
    (tmp_path / "m/warmup").mkdir()
    for name in ("1/model.py", "1/trtbuild.lock.json", "warmup/strings"):
        with (tmp_path / "m" / name).open("ab") as file:
            file.truncate(8 << 30)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, tmp_path], capture_output=True, text=True, check=True
    )
    found, megabytes = done.stdout.split("\n")[:2]
    assert {"I001", "K001"} <= set(found.split())
    assert int(megabytes) < 250


def test_links_in_circles_and_to_nothing(tmp_path: Path) -> None:
    with_config(tmp_path, GOOD)
    (tmp_path / "m/loop").symlink_to("loop")
    (tmp_path / "m/up").symlink_to("..")
    (tmp_path / "m/2").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to(tmp_path)
    found = judged(tmp_path)
    assert {f.message.split()[0] for f in found if f.code == "L014"} == {"loop", "2"}


def test_a_config_that_links_to_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"m/1/model.py": MODEL_PY})
    (tmp_path / "m/config.pbtxt").symlink_to("nowhere")
    assert "C008" in codes(tmp_path)


MODEL_FILES = {
    "model.onnx": make("x:fp32[N,4] -> y:fp32[N,4]"),
    "model.pt": make("forward(image)"),
    "model.pt2": make("aoti(image)"),
    "model.plan": make("rtx plan 1.7.1.116 for 8.6"),
    "model.py": MODEL_PY,
}


@pytest.mark.parametrize("name", MODEL_FILES)
def test_model_files_cut_off_at_every_byte(tmp_path: Path, name: str) -> None:
    whole = MODEL_FILES[name]
    for size in range(0, len(whole), max(1, len(whole) // 60)):
        write(tmp_path, {f"m{size}/1/{name}": whole[:size]})
    validate([tmp_path], Settings())


@pytest.mark.parametrize("name", MODEL_FILES)
def test_model_files_with_bytes_changed(tmp_path: Path, name: str) -> None:
    source, whole = random.Random(2), MODEL_FILES[name]
    for number in range(150):
        damaged = bytearray(whole)
        for _ in range(source.randrange(1, 4)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        write(tmp_path, {f"m{number}/1/{name}": bytes(damaged)})
    validate([tmp_path], Settings())


def test_sizes_that_lie(tmp_path: Path) -> None:
    huge = b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"  # a graph of 2^63 bytes
    write(tmp_path, {"a/1/model.onnx": huge, "b/1/model.onnx": b"\x3a\x05ab"})
    assert {f.model for f in judged(tmp_path) if f.code == "F002"} == {"a", "b"}


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9") / "1").mkdir(parents=True)
    report = validate([tmp_path], Settings())
    assert report.findings
    for reference in FORMATS.values():
        module, _, function = reference.partition(":")
        rendered = getattr(__import__(module, fromlist=[function]), function)(report)
        rendered.encode("utf-8")


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no"):
        validate([tmp_path / "absent"], Settings())


def test_an_empty_repository(tmp_path: Path) -> None:
    report = validate([tmp_path], Settings())
    assert report.findings == ()
    assert report.models == 0


NAMES = ("a\\000b", "x" * 5000, "..", "/", "loop", "a/../../b", "\\377", "")


@pytest.mark.parametrize("name", NAMES)
def test_file_names_that_no_file_has(tmp_path: Path, name: str) -> None:
    text = f"""
input {{ name: "a" data_type: TYPE_FP32 dims: 1 }}
output {{ name: "b" data_type: TYPE_FP32 dims: 1 label_filename: "{name}" }}
default_model_filename: "{name}"
cc_model_filenames {{ key: "{name}" value: "{name}" }}
parameters {{ key: "EXECUTION_ENV_PATH" value {{ string_value: "{name}" }} }}
parameters {{ key: "TRITON_BATCH_STRATEGY_PATH" value {{ string_value: "{name}" }} }}
model_warmup {{
  batch_size: 1
  inputs {{ key: "a" value {{ data_type: TYPE_FP32 dims: 1 input_data_file: "{name}" }} }}
}}
sequence_batching {{
  state {{
    initial_state {{ name: "n" data_file: "{name}" }}
  }}
}}
"""
    for backend in ("python", "tensorrt", "onnxruntime", "pytorch", "tensorflow", "openvino"):
        content = f'backend: "{backend}"\n{text}'.encode()
        write(tmp_path, {f"{backend}/config.pbtxt": content, f"{backend}/1/": b""})
        (tmp_path / backend / "loop").symlink_to("loop")
    report = validate([tmp_path], Settings())
    assert {f.model for f in report.findings if f.level == 3} >= {"python", "tensorrt", "pytorch"}


@pytest.mark.parametrize("backend", ["onnxruntime", "python", "tensorrt", "pytorch"])
def test_a_fifo_that_a_config_names_in_a_sub_folder(tmp_path: Path, backend: str) -> None:
    folder = tmp_path / "m/1/sub"
    folder.mkdir(parents=True)
    (tmp_path / "m/config.pbtxt").write_text(
        f'backend: "{backend}" default_model_filename: "sub/fifo"\n'
        'cc_model_filenames { key: "8.6" value: "sub/fifo" }\n'
    )
    os.mkfifo(folder / "fifo")
    assert validate([tmp_path], Settings()).fails(Severity.ERROR)
