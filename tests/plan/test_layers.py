"""`layers/*.json` is what TensorRT 10.6.0's engine inspector said of small nets on an H200."""

import json
from pathlib import Path

import pytest

from trtbuild.artifacts import Plan
from trtbuild.plan.layers import (
    computing_in,
    counts,
    layers_from_text,
    left_in_fp32,
    weights_from_text,
)

FOLDER = Path(__file__).parent / "layers"


def text(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text()


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("conv_fp16", {"fp16": 7}),
        ("conv_int8", {"int8": 4, "fp32": 3}),
        ("attn_fp32", {"fp32": 9}),
    ],
)
def test_layers_are_counted_by_what_they_compute_in(name: str, types: dict[str, int]) -> None:
    assert counts(layers_from_text(text(name))) == types


def test_a_convolution_says_its_nodes_its_kernel_and_its_types() -> None:
    layers = {layer.name: layer for layer in layers_from_text(text("conv_int8"))}
    one = layers["w0 + q_w0 + conv_0 + relu_0"]
    assert (one.kind, one.dtype) == ("CaskConvolution", "int8")
    assert (one.inputs, one.outputs) == (("int8",), ("int8",))
    assert one.tactic.startswith("sm80_xmma_fprop_implicit_gemm_interleaved_i8i8")
    assert one.nodes == ("q_w0", "conv_0", "relu_0", "q_r0", "dq_x", "dq_w0")


def test_what_only_moves_or_converts_computes_in_nothing() -> None:
    layers = {layer.name: layer for layer in layers_from_text(text("attn_fp32"))}
    gather = layers["__myl_CasGatResResTra_myl0_1"]
    assert (gather.dtype, gather.inputs[:2]) == ("", ("fp32", "int64"))
    assert "/layer.0/Gather_embedded" in gather.nodes
    softmax = next(layer for name, layer in layers.items() if "SubExpSumDiv" in name)
    assert softmax.dtype == "fp32"
    (reformat,) = [x for x in layers_from_text(text("conv_fp16")) if x.kind == "Reformat"]
    assert (reformat.dtype, reformat.inputs) == ("", ("fp16",))


def test_weights_are_those_that_are_listed() -> None:
    entries = json.loads(text("conv_int8"))["Layers"]
    listed = sum(entry["Weights"]["Count"] for entry in entries if "Weights" in entry)
    assert weights_from_text(text("conv_int8")) == listed > 0  # a byte each, and no bias
    assert weights_from_text(text("attn_fp32")) == 0


def test_a_plan_without_detailed_information_has_names_alone() -> None:
    (layer,) = layers_from_text('{"Layers": ["conv_0 + relu_0"], "Bindings": ["x"]}')
    assert (layer.name, layer.dtype) == ("conv_0 + relu_0", "")
    assert weights_from_text('{"Layers": ["conv_0"]}') == 0
    assert layers_from_text("no JSON") == layers_from_text("[]") == ()


def test_layers_left_in_fp32_are_named() -> None:
    layers = layers_from_text(text("conv_int8"))
    names = computing_in(layers, "fp32")
    assert names[:2] == ("pool", "fc_matmul_myl6_1")

    def plan(types: dict[str, int], first: tuple[str, ...]) -> Plan:
        return Plan(
            Path(), "a.plan", "", 0, (), "tensorrt", "10", 0.0, layers=types, fp32_layers=first
        )

    assert left_in_fp32(plan({"fp16": 7}, ())) == ""
    assert left_in_fp32(plan(counts(layers), names)) == (
        f"a.plan: 3 of 7 layers compute in fp32: {', '.join(names)}"
    )
    assert left_in_fp32(plan({"fp16": 1, "fp32": 30}, names)).endswith(f"{names[2]} and 27 more")
