"""The readers of files of others: a sound file for each, how it is damaged, and what reads it.

    python -m tests.fuzz.readers [NUMBER] [READER ...]

damages NUMBER files for each reader (20,000; all of them) and prints what came of it; `make test`
does 200 of each that needs no framework to load it, and 50 of the others. A case is known by its
reader and its number, which is the seed: `--case onnx 17` writes it. Right is a value, or what a
worker tells as exit 1. Anything else is a bug of ours; a worker that a framework's own code takes
with it is counted: that is an exit 1 with a reason too.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.fuzz import mutate
from trtbuild.errors import WorkerDiedError

Damage = Callable[[bytes, random.Random], bytes]


class Reader(NamedTuple):
    """How a reader is tried."""

    make: Callable[[Path], Path]  # a sound file, in a folder; called once
    damage: Damage
    read: Callable[[Path, Path], Any]  # the damaged file, and a folder to write to
    damaged: str = ""  # where the sound one is a folder: which file of it


class Outcome(msgspec.Struct, frozen=True):
    """How many cases ended how, and where something was raised that is no error of the user's."""

    ends: dict[str, int]
    bugs: dict[str, str]  # "onnx 17" -> a traceback


def try_cases(name: str, first: int, count: int, sound: Path, folder: Path) -> Outcome:
    """Run cases in this process. In a worker it `report`s the case that it is at."""
    from trtbuild.workers.child import failure_of, report

    reader, ends, bugs = READERS[name], Counter[str](), dict[str, str]()
    for case in range(first, first + count):
        report("fuzz", name, case, 0)
        path = damaged(reader, sound, folder, case)
        scratch = folder / "out"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        try:
            reader.read(path, scratch)
            ends["read"] += 1
        except Exception as error:
            bug = failure_of(error).traceback
            ends["bug" if bug else "refused"] += 1
            if bug:
                bugs[f"{name} {case}"] = bug
    return Outcome(dict(ends), bugs)


def damaged(reader: Reader, sound: Path, folder: Path, case: int) -> Path:
    """The file of a case: the sound one after one to three changes."""
    chance = random.Random(case)
    path = folder / sound.name
    if sound.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(sound, path)
    source, target = (
        (sound / reader.damaged, path / reader.damaged) if reader.damaged else (sound, path)
    )
    data = source.read_bytes()
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        try:
            data = reader.damage(data, chance)
        except Exception:
            break  # what was done already leaves nothing to change by structure
    target.write_bytes(data)
    return path


def make(name: str, folder: Path) -> Path:
    """The sound file of the reader `name`."""
    return READERS[name].make(folder)


# --- the sound files and the readers; each imports what it needs, in a worker ---


def _make_onnx(folder: Path) -> Path:
    from tests.fuzz.models import branching_onnx

    return branching_onnx(folder / "m.onnx")


def _read_onnx(path: Path, out: Path) -> None:
    from trtbuild.sources.identify import identify
    from trtbuild.sources.options import SourceOptions
    from trtbuild.sources.session import export
    from trtbuild.surgery.apply import operate
    from trtbuild.surgery.options import SurgeryOptions

    ref = identify(str(path), "onnx")
    model = export(ref, SourceOptions(), out)
    (out / "operated").mkdir()
    operate(model, SurgeryOptions(), out / "operated")


def _exported(kind: str) -> Callable[[Path, Path], None]:
    def read(path: Path, out: Path) -> None:
        from trtbuild.sources.identify import identify
        from trtbuild.sources.options import SourceOptions
        from trtbuild.sources.session import _source

        _source(identify(str(path), kind), SourceOptions())

    return read


def _make(module: str, function: str, file: str, /, **more: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        import importlib

        getattr(importlib.import_module(module), function)(folder / file, **more)
        return folder / file

    return make


def _damage_h5(data: bytes, chance: random.Random) -> bytes:
    """Its JSON of the architecture, where it lies, or its bytes."""
    at, end = data.find(b'{"module"'), data.find(b"\x00", data.find(b'{"module"'))
    if at < 0 or chance.random() < 0.3:
        place = chance.randrange(len(data))
        return data[:place] + chance.randbytes(4) + data[place + 4 :]
    config = mutate.json_text(data[at:end], chance)[: end - at]
    return data[:at] + config.ljust(end - at, b" ") + data[end:]


def _read_plan(path: Path, out: Path) -> None:
    from trtbuild.plan.header import plan_header

    plan_header(path)


def _make_plan(folder: Path) -> Path:
    path = folder / "m.plan"
    path.write_bytes(
        b"vtrt" + bytes(12) + (400).to_bytes(8, "little") + bytes([1, 7, 1, 116]) + bytes(372)
    )
    return path


def _make_version(folder: Path) -> Path:
    """A version with its lock, as a conversion writes it."""
    from tests.fuzz.models import locked_version

    return locked_version(folder / "repo") / "trtbuild.lock.json"


def _read_lock(path: Path, out: Path) -> None:
    from trtbuild.repository.lock import read_lock

    target = out / "trtbuild.lock.json"
    target.write_bytes(path.read_bytes())
    read_lock(out)


def _make_config(folder: Path) -> Path:
    path = folder / "config.pbtxt"
    path.write_text(
        'name: "m"\nplatform: "onnxruntime_onnx"\nmax_batch_size: 8\n'
        'input [ { name: "x" data_type: TYPE_FP32 dims: [ 3, -1 ] } ]\n'
        'output [ { name: "y" data_type: TYPE_FP32 dims: [ 5 ] reshape { shape: [ ] } } ]\n'
        "instance_group [ { count: 2 kind: KIND_CPU } ]\n"
        'parameters { key: "a" value { string_value: "b" } }\n'
        "dynamic_batching { preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 100 }\n"
    )
    return path


def _read_config(path: Path, out: Path) -> None:
    from trtbuild.validate.run import validate
    from trtbuild.validate.settings import Settings

    (out / "m/1").mkdir(parents=True)
    (out / "m/config.pbtxt").write_bytes(path.read_bytes())
    validate([out], Settings(digests=False))


def _make_entry(folder: Path) -> Path:
    from trtbuild.store import Store

    store = Store(folder / "store")

    def fill(directory: Path) -> dict[str, list[int]]:
        (directory / "file").write_text("content")
        return {"a": [1]}

    store.cached("kind", "key", dict[str, list[int]], fill)
    return folder / "store"


def _read_entry(path: Path, out: Path) -> None:
    from trtbuild.store import Store

    def fill(directory: Path) -> dict[str, list[int]]:
        return {"a": [2]}

    store = Store(path)
    store.cached("kind", "key", dict[str, list[int]], fill)
    store.entries()


_TF, _OWN = "tests.sources.tf_models", "tests.fuzz.models"
READERS: dict[str, Reader] = {
    "onnx": Reader(_make_onnx, mutate.protobuf, _read_onnx),
    "savedmodel": Reader(
        _make(_OWN, "saved_model", "saved"),
        mutate.protobuf,
        _exported("savedmodel"),
        "saved_model.pb",
    ),
    "graphdef": Reader(
        _make(_TF, "graph_def", "m.pb", frozen=True), mutate.protobuf, _exported("graphdef")
    ),
    "keras": Reader(
        _make(_TF, "keras_model", "m.keras", name="sequential"), mutate.archive, _exported("keras")
    ),
    "h5": Reader(
        _make(_TF, "keras_model", "m.h5", name="sequential"), _damage_h5, _exported("keras")
    ),
    "torchscript": Reader(
        _make(_OWN, "torchscript", "m.pt"), mutate.archive, _exported("torchscript")
    ),
    "exported": Reader(_make(_OWN, "exported", "m.pt2"), mutate.archive, _exported("exported")),
    "plan": Reader(_make_plan, mutate.text, _read_plan),
    "lock": Reader(_make_version, mutate.json_text, _read_lock),
    "entry": Reader(_make_entry, mutate.json_text, _read_entry, "kind/key/entry.json"),
    "config": Reader(_make_config, mutate.text, _read_config),
}


class Tally(NamedTuple):
    """What came of many cases."""

    ends: dict[str, int]
    bugs: dict[str, str]
    seconds: float


def run(name: str, count: int, step: int = 500) -> Tally:
    """Try `count` cases of a reader in workers; one that dies is begun anew after its case."""
    from trtbuild.artifacts import Progress
    from trtbuild.workers.pool import Pool

    ends, bugs, at, started = Counter[str](), dict[str, str](), 0, time.monotonic()
    last = 0

    def note(progress: Progress) -> None:
        nonlocal last
        if progress.work == "fuzz":  # readers report as well
            last = progress.done

    with tempfile.TemporaryDirectory() as text, Pool() as pool:
        base, work = Path(text) / "base", Path(text) / "work"
        base.mkdir()
        work.mkdir()
        with pool.worker() as worker:
            sound = worker.call("tests.fuzz.readers:make", Path, name=name, folder=base)
        while at < count:
            with pool.worker() as worker:
                try:
                    found = worker.call(
                        "tests.fuzz.readers:try_cases", Outcome, note, name=name, first=at,
                        count=min(step, count - at), sound=sound, folder=work,
                    )  # fmt: skip
                    ends.update(found.ends)
                    bugs |= found.bugs
                    at += step
                except WorkerDiedError as died:
                    print(f"{name} {last}: {died.message[:200]}", file=sys.stderr)
                    ends["worker died"] += 1
                    ends["before one died"] += last - at
                    at = last + 1
    return Tally(dict(ends), bugs, time.monotonic() - started)


def main(arguments: list[str]) -> None:
    """See the file's docstring."""
    if arguments[:1] == ["--case"]:
        name, case = arguments[1], int(arguments[2])
        folder = Path(tempfile.mkdtemp())
        sound = make(name, folder)
        (folder / "damaged").mkdir()
        print(damaged(READERS[name], sound, folder / "damaged", case))
        return
    count = int(arguments[0]) if arguments else 20_000
    for name in arguments[1:] or READERS:
        tally = run(name, count)
        for bug in dict(sorted((text.rstrip(), case) for case, text in tally.bugs.items())).items():
            print(f"{bug[1]}:\n{bug[0]}", flush=True)
        ends = ", ".join(f"{end} {number}" for end, number in sorted(tally.ends.items()))
        print(f"{name}: {count} cases in {tally.seconds:.0f} s: {ends}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
