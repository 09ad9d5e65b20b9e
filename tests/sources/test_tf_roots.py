"""Models of TensorFlow that reach outside: nothing of them runs, whichever way is in."""

from pathlib import Path

import pytest

from tests.sources.conftest import Convert
from trtbuild.errors import SourceError
from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("tensorflow")
MAKE = "tests.sources.tf_attacks:make"
# What is made, and the op that it is refused for. `by python` has no Python beside it any more when
# it is loaded in another process, so that TensorFlow itself fails; still it is named first.
ATTACKS = {
    "plainly": "WriteFile",
    "by printing": "PrintV2",
    "by saving": "SaveV2",
    "by python": "EagerPyFunc",
    "in a loop in a branch": "WriteFile",
    "in a function of a function": "WriteFile",
    "as it is loaded": "WriteFile",
    "as its variables are restored": "WriteFile",
    "TensorFlow 1": "WriteFile",
    "TensorFlow 1, as it is loaded": "WriteFile",
}
HONEST = ["another signature writes", "a table from an asset"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_reaches_outside_is_named_and_not_run(
    tf_worker: Worker, convert: Convert, tmp_path: Path, attack: str
) -> None:
    trap = tmp_path / "trap"
    path = tf_worker.call(MAKE, str, kind=attack, path=tmp_path / "model", trap=trap)
    trap.unlink(missing_ok=True)  # making it may have run it
    with pytest.raises(SourceError) as caught:
        convert(tf_worker, path)
    assert "nothing of it was run: " in caught.value.message
    assert f"{ATTACKS[attack]} (node '" in caught.value.message
    assert "--trust-source" in caught.value.hint
    assert not list(tmp_path.glob("trap*"))


@pytest.mark.parametrize("attack", [name for name in ATTACKS if name != "by python"])
def test_a_source_that_is_trusted_does_what_it_does(
    tf_worker: Worker, convert: Convert, tmp_path: Path, attack: str
) -> None:
    """The counterpart: without the lists each of these models has its way."""
    trap = tmp_path / "trap"
    path = tf_worker.call(MAKE, str, kind=attack, path=tmp_path / "model", trap=trap)
    trap.unlink(missing_ok=True)
    try:
        converted = convert(tf_worker, path, trust_source=True)
        converted.reference(converted.inputs())
    except SourceError:
        pass  # tf2onnx has no op for what writes; it has been run all the same, or is run next
    if not list(tmp_path.glob("trap*")):
        tf_worker.call(f"{MAKE.partition(':')[0]}:run", str, path=path)
    assert list(tmp_path.glob("trap*"))


@pytest.mark.parametrize("model", HONEST)
def test_what_is_not_reached_is_left_alone(
    tf_worker: Worker, convert: Convert, tmp_path: Path, model: str
) -> None:
    trap = tmp_path / "trap"
    path = tf_worker.call(MAKE, str, kind=model, path=tmp_path / "model", trap=trap)
    convert(tf_worker, path).check_numbers()
    assert not trap.exists()


def test_the_signature_that_is_asked_for_is_looked_through(
    tf_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    made = {"kind": "another signature writes", "path": tmp_path / "model", "trap": trap}
    path = tf_worker.call(MAKE, str, **made)
    with pytest.raises(SourceError, match=r"WriteFile \(node "):
        convert(tf_worker, path, signature="writes")
    assert not trap.exists()
