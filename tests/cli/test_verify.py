"""Where plans run is tested on a GPU (`tests/test_verification.py`); here what comes before."""

from pathlib import Path

from tests.cli.conftest import Trtbuild
from tests.models import linear


def test_a_machine_without_the_plans_gpu(tmp_path: Path, trtbuild: Trtbuild) -> None:
    repo = tmp_path / "repo"
    trtbuild("convert", linear(tmp_path / "tiny.onnx"), "--repo", repo, "--target", "8.6", "-q")
    done = trtbuild("verify", repo / "tiny", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: the plans are for 8.6; this machine has" in done.stderr
    assert trtbuild("verify", repo).returncode == 1
    assert trtbuild("verify", repo / "tiny", "--rtol", "-1").returncode == 2
