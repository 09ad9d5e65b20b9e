"""The server of the socket tests, with its check that nothing a client does leaves a traceback."""

from tests.serve.sockets.conftest import no_traceback, served

__all__ = ["no_traceback", "served"]
