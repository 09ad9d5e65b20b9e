from pathlib import Path

import pytest

from tests.sources.conftest import Convert, shapes
from trtbuild.errors import SourceError
from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("tensorflow")
MODELS = "tests.sources.tf_models"


def test_a_graph_with_a_lookup_table(tf_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    path = tf_worker.call(f"{MODELS}:tf1_with_table", str, path=tmp_path / "m", classes=False)
    converted = convert(tf_worker, path)
    assert shapes(converted.model.outputs) == ["scores fp32 [batch, 3]"]
    (note,) = converted.model.notes
    assert note.startswith("read by TensorFlow 1's loader, since TensorFlow 2 does not rebuild")
    converted.check_numbers()


def test_objects_that_cannot_be_rebuilt(
    tf_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    path = tf_worker.call(f"{MODELS}:with_optimizer_slots", str, path=tmp_path / "m")
    converted = convert(tf_worker, path)
    assert shapes(converted.model.outputs) == ["x2 fp32 [batch, 4]", "y fp32 [batch, 3]"]
    assert "add_slot" in converted.model.notes[0]
    converted.check_numbers()


def test_what_only_that_loader_would_run_is_looked_through(
    tf_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    written = tmp_path / "written"
    make = f"{MODELS}:with_slots_and_a_writing_init_op"
    path = tf_worker.call(make, str, path=tmp_path / "m", written=written)
    with pytest.raises(SourceError, match="WriteFile"):
        convert(tf_worker, path)
    assert not written.exists()
