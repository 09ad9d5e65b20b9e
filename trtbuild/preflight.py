"""The pre-flight behind `trtbuild check`: what each target takes and refuses of a model."""

from __future__ import annotations

from trtbuild import device
from trtbuild.check_report import CheckReport
from trtbuild.plan.profiles import envelope, profiles_from_shapes
from trtbuild.plan.runtimes import choose_runtime
from trtbuild.plan.targets import targets_from_texts
from trtbuild.request import ConvertRequest
from trtbuild.sources.identify import identify
from trtbuild.stage_options import kind_of, options_of_stages
from trtbuild.steps import Run
from trtbuild.workers.pool import OnProgress


def check(request: ConvertRequest, on_progress: OnProgress = lambda _: None) -> CheckReport:
    """Export the model, operate on it and ask TensorRT about each target; nothing is written.

    Plans that come of it stay in the store, so that a conversion afterwards finds them.
    """
    devices = device.gpus()
    runtime = choose_runtime(request.runtime, devices)
    targets = targets_from_texts(request.targets, runtime, devices)
    source = identify(request.source, kind_of(request))
    options = options_of_stages(request, source.kind)
    with Run(source, runtime, options, on_progress) as run:
        surgery = run.operate(run.export())
        profiles = profiles_from_shapes(surgery.model.inputs, options.shapes)
        profile = envelope(profiles)
        return run.check(surgery.model, targets, profile, request.workers, profiles=profiles)
