"""A report with everything that is hard to print."""

from __future__ import annotations

from pathlib import Path

from tests.validate.files import files_of, write
from trtbuild.validate.run import Report, validate
from trtbuild.validate.settings import Settings

TEXT = """-- a,b:c%/config.pbtxt --
backend: "python"
max_batch_size: -1\t# tab
input { name: "<&\\"'\\x01é" }
-- a,b:c%/1/model.py --
-- b/config.pbtxt --
backend: "python"
instance_group { count: -2 }
-- b/1/model.py --
-- c/config.pbtxt --
backend: "python"
response_cache { enable: true }
-- c/1/model.py --
-- d/1/model.py --
class TritonPythonModel
"""


def report(root: Path) -> Report:
    """Errors, a warning and infos, with odd names, in four models."""
    write(root, files_of(TEXT))
    return validate([root], Settings())
