import pytest

from trtbuild.sources.tf_ops import COMPUTING
from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("tensorflow")
# What is known to reach outside, with or without state in TensorFlow's registry.
REACHES_OUT = (
    "WriteFile", "ReadFile", "MatchingFiles", "SaveV2", "RestoreV2", "MergeV2Checkpoints", "PyFunc",
    "PyFuncStateless", "EagerPyFunc", "ImmutableConst", "DecodeProtoV2", "EncodeProto",
    "GenerateVocabRemapping", "LoadAndRemapMatrix", "FixedUnigramCandidateSampler", "DebugIdentity",
    "DebugIdentityV2", "Copy", "CopyHost", "DumpTensor", "CreateSummaryFileWriter", "WriteSummary",
    "TextLineDataset", "TFRecordDatasetV2", "DatasetFromGraph", "SnapshotDatasetV2",
    "CacheDatasetV2", "SaveDatasetV2", "LoadDataset", "DataServiceDatasetV4", "RpcClient",
    "RemoteCall", "XlaCallModule", "XlaCustomCallV2", "Abort", "InitializeTableFromTextFileV2",
    "PrintV2",
)  # fmt: skip


def test_what_reaches_outside_is_not_let_through() -> None:
    assert set(REACHES_OUT) & COMPUTING == set()


def test_every_op_is_one_of_tensorflows_and_none_takes_a_file(tf_worker: Worker) -> None:
    """A list by hand: held to the registry of the TensorFlow that is here."""
    ops = tf_worker.call("tests.sources.tf_attacks:registry", dict[str, list[str]])
    assert set(REACHES_OUT) <= set(ops)
    assert set(ops) >= COMPUTING
    takes_a_file = {
        op for op, words in ops.items() if any("file" in w or "path" in w for w in words)
    }
    # top_paths: as many paths through a lattice
    assert takes_a_file & COMPUTING == {"CTCBeamSearchDecoder"}
