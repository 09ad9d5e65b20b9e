from pathlib import Path

import pytest

from tests.sources.conftest import Convert
from trtbuild.errors import SourceError
from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("tensorflow")
MODELS = "tests.sources.tf_models"


@pytest.fixture(scope="module")
def frozen(tf_worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ends") / "classifier.pb"
    return tf_worker.call(f"{MODELS}:graph_def", str, path=path, frozen=True)


def test_an_unknown_tensor_is_answered_with_those_like_it(
    tf_worker: Worker, frozen: str, convert: Convert
) -> None:
    with pytest.raises(SourceError) as caught:
        convert(tf_worker, frozen, outputs=("score",))
    assert caught.value.message == (
        f"the GraphDef '{frozen}' has no tensor 'score', which --outputs names; "
        "it has, among others: scores"
    )
    with pytest.raises(SourceError) as caught:
        convert(tf_worker, frozen, inputs=("qqq",))
    assert caught.value.message == (
        f"the GraphDef '{frozen}' has no tensor 'qqq', which --inputs names; "
        "it has, among others: x_in, nobody_reads_it"
    )


def test_inputs_that_do_not_suffice(tf_worker: Worker, frozen: str, convert: Convert) -> None:
    with pytest.raises(SourceError) as caught:
        convert(tf_worker, frozen, inputs=("keep_prob",), outputs=("scores",))
    assert caught.value.message == (
        f"the GraphDef '{frozen}' needs more inputs for scores than --inputs names: x_in:0"
    )


def test_a_graph_without_an_end(tf_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    path = tmp_path / "endless.pb"
    tf_worker.call(f"{MODELS}:endless_graph", str, path=path)
    with pytest.raises(SourceError) as caught:
        convert(tf_worker, path)
    assert caught.value.message == (
        f"the GraphDef '{path}' has no node that depends on a placeholder and that nobody consumes"
    )
    assert caught.value.hint == "say where it ends: --outputs TENSOR"
