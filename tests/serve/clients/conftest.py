"""The server that all client tests ask, and the four clients of tritonclient."""

from collections.abc import Iterator

import pytest

from tests.serve.clients.callers import CALLERS, Caller
from tests.serve.clients.served import Served, fill


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server, in explicit mode with everything loaded. It must end well."""
    repository = tmp_path_factory.mktemp("repository")
    fill(repository)
    log = tmp_path_factory.mktemp("log") / "log"
    server = Served(repository, log, "--model-control-mode=explicit", "--load-model=*")
    yield server
    assert server.stop() == 0
    assert "Traceback" not in log.read_text()


@pytest.fixture(params=CALLERS)
def client(request: pytest.FixtureRequest, served: Served) -> Iterator[Caller]:
    """Each of the four clients."""
    caller = Caller(request.param, served)
    yield caller
    caller.close()
