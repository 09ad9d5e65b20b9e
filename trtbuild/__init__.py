"""trtbuild: a trained model in, a Triton model repository with TensorRT plans out.

    import trtbuild
    result = trtbuild.convert("model.onnx", "repo", precision="fp16", targets=("8.6", "8.9"))

`convert` takes what `trtbuild.request.ConvertRequest` has, by name, and returns a frozen
`trtbuild.artifacts.Conversion`. Errors that a user can act on are `trtbuild.errors.TrtbuildError`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trtbuild.artifacts import Conversion

# ONNX Runtime 1.3x looks its maker's server up and leaves a device id and a database of events in
# the user's cache folder, from its import on. Here it is told not to, before any of this imports
# it, and processes that are started inherit it: workers, servers, Python models.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
__all__ = ["__version__", "convert"]


def convert(
    source: str | os.PathLike[str], repo: str | os.PathLike[str], **options: Any
) -> Conversion:
    """Convert the model `source` into the repository `repo`: `trtbuild convert` as a function.

    `options` are the fields of `trtbuild.request.ConvertRequest`, and `on_progress`, which is
    called with `trtbuild.artifacts.Progress` from several threads. Raises `TrtbuildError` when
    nothing was written; targets that failed while others were built are in the result.
    """
    from pathlib import Path

    from trtbuild.pipeline import convert as run
    from trtbuild.request import ConvertRequest

    on_progress = options.pop("on_progress", lambda _: None)
    request = ConvertRequest(source=os.fspath(source), repo=Path(repo), **options)
    return run(request, on_progress)
