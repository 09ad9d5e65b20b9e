"""Ops in forms that TensorRT's parser takes and then computes otherwise, in ops it does right.

Which forms those are was found by running ONNX's own node tests on a GPU: docs/onnx-coverage.md.
"""

# name -> "module:class". To add a rewrite: one file, one line here.
REWRITES = {
    name: f"trtbuild.surgery.lower.{name}:{class_name}"
    for name, class_name in (
        ("bits", "Bits"),
        ("bool_reductions", "BoolReductions"),
        ("cast_like", "CastLike"),
        ("ceil_pools", "CeilPools"),
        ("depth_blocks", "DepthBlocks"),
        ("float_mod", "FloatMod"),
        ("fp8_casts", "Fp8Casts"),
        ("grid_sample", "GridSample"),
        ("layer_norm_statistics", "LayerNormStatistics"),
        ("ranges", "Ranges"),
        ("recurrent_layout", "RecurrentLayout"),
        ("reductions", "Reductions"),
        ("split_sizes", "SplitSizes"),
        ("triangles", "Triangles"),
    )
}
