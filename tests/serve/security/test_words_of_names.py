"""Names of models as a server's log and metrics have them: folders may be called anything."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.serve.conftest import Running
from tests.serve.models import CONFIG_16, identity, put

HOSTILE = '\x1b]0;pwned\x07\nE1201 pwned\u202e\x9b2J"\\'


@pytest.mark.usefixtures("own_log")
def test_a_name_of_control_characters(
    start: Callable[..., Running], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, HOSTILE, identity(), CONFIG_16)
    put(tmp_path, f"broken{HOSTILE}", b"no model", CONFIG_16)
    server = start(tmp_path, exit_on_error=False)
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as answer:
        metrics = answer.read().decode()
    server.stop()
    log = capfd.readouterr().err
    assert "is ready" in log
    assert "failed to load" in log
    for text in (log, metrics):
        assert text.replace("\n", "").isprintable()
        assert not re.search("^(E1201 )?pwned", text, re.MULTILINE)
    models = {
        sample.labels["model"]
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if "model" in sample.labels
    }
    assert models == {r"\x1b]0;pwned\x07\nE1201 pwned\u202e\x9b2J" + '"\\'}


_FEW_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from trtserve.running import _allow_open_files
from trtserve.settings import Settings
settings = _allow_open_files(Settings(repositories=()))
print(settings.max_connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "files"),
    [(256, 512, 256, 512), (256, 4096, 3072, 4096), (1024, 2048, 1024, 2048)],
)
def test_connections_leave_files_for_the_rest(
    soft: int, hard: int, connections: int, files: int
) -> None:
    """Where each open file is a connection of one peer, nobody else's is accepted."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < hard:
        pytest.skip("the system grants fewer files")
    code = _FEW_FILES.format(soft=soft, hard=hard)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(connections), str(files)]
