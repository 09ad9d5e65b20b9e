"""ONNX's own backend tests, whole, on the GPU; and what is rewritten for them, on any machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.backend.report import RIGHT, read, stopped_being_right
from tests.backend.run_suite import all_tests, run_tests
from tests.backend.suite import run_case
from trtbuild.plan.runtimes import RuntimeInfo, same_release

_AT_LEAST = 1200  # of the 1,884 node tests of onnx 1.23; the raw parser of 10.6 gives 798
_PROCESSES = 12  # each holds TensorRT's builder, 1.4 GB

# Of each form that TensorRT got wrong or refused, and that is rewritten: a test of ONNX's.
REWRITTEN = (
    "test_averagepool_2d_ceil_last_window_starts_on_pad",
    "test_bitshift_right_int8_negative_input", "test_bitwise_and_i32_2d", "test_bitwise_not_2d",
    "test_bitwise_xor_i16_3d", "test_castlike_FLOAT_to_BFLOAT16", "test_cast_FLOAT_to_INT4",
    "test_cast_FLOAT8E4M3FN_to_FLOAT", "test_center_crop_pad_crop", "test_convinteger_with_padding",
    "test_depthtospace_crd_mode_example", "test_dequantizelinear_uint16",
    "test_dynamicquantizelinear", "test_gridsample_bicubic", "test_gridsample_reflection_padding",
    "test_gridsample_volumetric_nearest_align_corners_0", "test_gru_batchwise",
    "test_layer_normalization_4d_axis1", "test_lstm_batchwise", "test_matmulinteger",
    "test_maxpool_2d_ceil_output_size_reduce_by_one", "test_mod_mixed_sign_int8",
    "test_nllloss_NCd1d2_reduction_mean", "test_qlinearconv",
    "test_qlinearmatmul_3D_uint8_float32", "test_quantizelinear_axis",
    "test_range_float16_type_positive_delta", "test_reduce_l2_keep_dims_random",
    "test_reduce_log_sum_exp_empty_set", "test_reduce_max_bool_inputs", "test_sce_mean_3d",
    "test_simple_rnn_batchwise", "test_spacetodepth_crd_mode_example",
    "test_split_1d_uneven_split_opset18", "test_split_zero_size_splits_opset18", "test_triu_neg",
    "test_add_uint8", "test_sub_int16", "test_div_uint32",
)  # fmt: skip


@pytest.mark.parametrize("name", REWRITTEN)
def test_what_is_rewritten_for_tensorrt_is_what_onnx_says(name: str, rtx: RuntimeInfo) -> None:
    """TensorRT's parser takes it, and ONNX Runtime or onnx's reference computes ONNX's answer."""
    outcome = run_case("node", name, "onnx")
    assert (outcome.status, outcome.reason) == ("right", "")


@pytest.mark.gpu
@pytest.mark.slow
def test_the_whole_suite(on_gpu: RuntimeInfo, tmp_path: Path) -> None:
    processes = min(_PROCESSES, os.cpu_count() or 1)
    tests = all_tests("run")
    outcomes = run_tests(tests, processes, tmp_path / "run.jsonl")
    assert [f"{one.name}: {one.reason}" for one in outcomes if one.status not in _FINE] == []
    assert {(one.kind, one.name) for one in outcomes} == {(kind, name) for kind, name, _ in tests}
    assert [one.name for one in outcomes if one.status == "refused" and not one.reason] == []
    if same_release(read().tensorrt, on_gpu.version):
        assert stopped_being_right(read(), outcomes) == []
    ran = sum(one.kind == "node" and one.status in RIGHT for one in outcomes)
    assert ran >= _AT_LEAST


_FINE = (*RIGHT, "refused")
