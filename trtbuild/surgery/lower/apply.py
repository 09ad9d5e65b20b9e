"""Every rewrite of this folder, as one pass of the surgery stage."""

from __future__ import annotations

from trtbuild.registry import load
from trtbuild.surgery.contract import Done, Job, Pass, skipped
from trtbuild.surgery.lower import REWRITES


class LowerOps(Pass):
    """Write ops in forms that TensorRT refuses or gets wrong in ops that it does right."""

    def apply(self, job: Job) -> Done:
        """Run the rewrites one after the other."""
        self._passes: list[Pass] = [load(reference)() for reference in REWRITES.values()]
        done = [pass_.apply(job) for pass_ in self._passes]
        notes = [one.note for one in done if one.changed]
        if not notes:
            return skipped("every op has a form that TensorRT does right")
        return Done(True, f"in ops that TensorRT does right: {'; '.join(notes)}")

    def ensures(self, job: Job) -> None:
        """What each rewrite promises."""
        for pass_ in self._passes:
            pass_.ensures(job)
