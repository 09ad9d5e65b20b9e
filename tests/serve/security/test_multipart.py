"""Multipart forms: boundaries without end, file names that are paths (CVE-2024-9056)."""

from __future__ import annotations

import pytest

from tests.serve.conftest import Running
from tests.serve.sockets.wire import asked, goes_on

pytestmark = pytest.mark.usefixtures("no_traceback")
PART = b'--b\r\nContent-Disposition: form-data; name="f"; filename="../../x"\r\n\r\nx\r\n'


@pytest.mark.parametrize("boundary", ["b", "-" * 20_000, "", "b; boundary=c"])
def test_a_form_is_no_request(served: Running, boundary: str) -> None:
    kind = f"Content-Type: multipart/form-data; boundary={boundary}"
    for body in (PART + b"--b--", PART * 1000, b"--b" + b"-" * (1 << 20)):
        answer = asked(served, body, kind)
        assert (answer.status, "JSON" in answer.error) == (400, True)
    goes_on(served)
