"""Names of tests: short, and the same in every process that collects them. What they inherit."""

import signal
import zlib

from hypothesis import settings

# A shell starts what it puts in the background with SIGINT ignored, and processes inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test is decided by how long an example takes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_LONGEST = 48


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes by their size (an archive has a time in it), long texts by start and checksum."""
    if not isinstance(val, str | bytes) or len(shown := ascii(val)) <= _LONGEST:
        return None
    if isinstance(val, bytes):
        return f"{argname} of {len(val)} bytes"
    return f"{shown[:_LONGEST]}~{zlib.crc32(val.encode('utf-8', 'surrogatepass')):08x}"
