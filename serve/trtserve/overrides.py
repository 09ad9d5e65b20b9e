"""Files that a load request brings along: a model's directory of their own, as long as it is used.

Rules L26 and L27 of Triton's LocalizeRepoAgent (core/src/model_repository_manager.cc).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from trtbuild.errors import ForeignNameError
from trtbuild.foreign import path_inside
from trtserve.errors import invalid


class Override:
    """A temporary model directory; `close` removes it."""

    def __init__(self, name: str, files: Mapping[PurePosixPath, bytes]) -> None:
        """Write `files`, paths below the directory of model `name`. Blocks.

        Raises `ServeError` for files that cannot be beside each other.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="trtserve-", ignore_cleanup_errors=True)
        # Named as the model: what is read of it is what a repository would hold.
        try:
            self.directory = path_inside(Path(self._folder.name), name, plain=True)
            self.directory.mkdir()
            for path, content in files.items():
                target = path_inside(self.directory, str(path))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        except (OSError, ForeignNameError) as error:
            self.close()
            why = error.message if isinstance(error, ForeignNameError) else error.strerror
            raise invalid(
                f"the files given for model '{name}' cannot be written: {why}; each "
                "'file:' needs a path of its own, such as file:1/model.onnx"
            ) from None

    def close(self) -> None:
        """Remove the directory and all in it. Blocks."""
        self._folder.cleanup()
