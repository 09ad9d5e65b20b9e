"""Every rewrite of this folder, as one pass of the surgery stage.

Which forms TensorRT gets wrong was found by running ONNX's node tests on a GPU:
docs/backend.md.
"""

from __future__ import annotations

from trtbuild.registry import load
from trtbuild.surgery.contract import Done, Job, Pass, skipped

# name -> "module:class". To add a rewrite: one file, one line here.
REWRITES = {
    name: f"trtbuild.surgery.lower.{name}:{class_name}"
    for name, class_name in (
        ("sequences", "Sequences"),
        ("bits", "Bits"),
        ("bool_reductions", "BoolReductions"),
        ("cast_like", "CastLike"),
        ("sliced_pools", "SlicedPools"),
        ("ceil_pools", "CeilPools"),
        ("choices", "Choices"),
        ("class_boxes", "ClassBoxes"),
        ("clips", "Clips"),
        ("columns", "Columns"),
        ("deformed_convolutions", "DeformedConvolutions"),
        ("depth_blocks", "DepthBlocks"),
        ("float_mod", "FloatMod"),
        ("fourier", "Fourier"),
        ("fp8_casts", "Fp8Casts"),
        ("grid_sample", "GridSample"),
        ("layer_norm_statistics", "LayerNormStatistics"),
        ("masked_rows", "MaskedRows"),
        ("ranges", "Ranges"),
        ("recurrent_layout", "RecurrentLayout"),
        ("reductions", "Reductions"),
        ("resizes", "Resizes"),
        ("scatters", "Scatters"),
        ("split_sizes", "SplitSizes"),
        ("empty_parts", "EmptyParts"),
        ("triangles", "Triangles"),
        ("vectors", "Vectors"),
    )
}


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
