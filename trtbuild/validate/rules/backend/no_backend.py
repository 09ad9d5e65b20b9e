"""Nothing says which backend runs the model.

What: neither `backend` nor `platform` is given, and no file in the first version folder is one
that Triton knows (`model.savedmodel`, `model.graphdef`, `model.plan`, `model.onnx`,
`model.xml`, `model.pt`, `model.py`); or the platform is one that no backend stands for.
Why: Triton refuses the model: "could not determine backend", "unexpected platform type".
Plans that only `cc_model_filenames` names are not found this way.

Example:
    -- demo/config.pbtxt --
    cc_model_filenames { key: "8.6" value: "sm86.plan" }
    -- demo/1/sm86.plan --

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --

Source: Triton core, model_config_utils.cc, AutoCompleteBackendFields and ValidateModelConfig.
The platform `torch_aoti` and the file `model.pt2` came with 26.03.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from trtbuild.modelconfig.complete import DEFAULT_FILES, PLATFORM_BACKENDS, TENSORFLOW
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.backend import retired_platform

NAME = "no-backend"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if model.is_ensemble or model.backend or any(retired_platform.check(model)):
        return
    platform = model.config.platform
    if platform:
        known = (*PLATFORM_BACKENDS, "ensemble")
        near = difflib.get_close_matches(platform, known, n=1)
        yield Finding(
            message=f"no backend stands for the platform '{platform}'"
            + (f"; did you mean '{near[0]}'?" if near else ""),
            at=("platform",),
            hint=f"give a backend, or one of these platforms: {', '.join(known)}",
        )
    else:
        files = ", ".join((*TENSORFLOW.values(), *DEFAULT_FILES.values()))
        yield Finding(
            message="no backend and no platform is given, and no file tells it"
            if model.exists
            else "there is no config.pbtxt to name a backend or platform, and no file tells it",
            hint=f"write backend: or platform:, or name the model file one of {files}",
        )
