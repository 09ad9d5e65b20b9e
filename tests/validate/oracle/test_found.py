"""Cases on which we once disagreed with Triton 2.51, or that only a running one could settle."""

from __future__ import annotations

import pytest

from tests.validate.files import files_of
from tests.validate.oracle.compare import known, our_errors
from tests.validate.oracle.server import Triton
from trtbuild.validate.settings import Settings

A = 'input { name: "a" data_type: TYPE_FP32 dims: [4] }\n'
B = 'output { name: "b" data_type: TYPE_FP32 dims: [4] }\n'
STUB = 'backend: "identity"\n' + A + B


def member(name: str, text: str = STUB) -> str:
    return f"-- {name}/config.pbtxt --\n{text}-- {name}/1/ --\n"


def step(model: str, inputs: str, outputs: str) -> str:
    """`step("n", "a=x", "b=y")`: the member's tensor, the ensemble's."""
    maps = [
        f'{field} {{ key: "{pair.split("=")[0]}" value: "{pair.split("=")[1]}" }}'
        for field, pairs in (("input_map", inputs), ("output_map", outputs))
        for pair in pairs.split()
    ]
    return f'step {{ model_name: "{model}" model_version: -1 {" ".join(maps)} }}\n'


def ensemble(steps: str, ports: str = A + B) -> str:
    return f'platform: "ensemble"\n{ports}ensemble_scheduling {{\n{steps}}}\n'


DECOUPLED = STUB + "model_transaction_policy { decoupled: true }\n"
C = 'output { name: "c" data_type: TYPE_FP32 dims: [4] }\n'
WARM = """model_warmup {{ name: "w" batch_size: 1
  inputs {{ key: "a" value {{ data_type: TYPE_FP32 {} }} }} }}
"""

ACCEPTED = {
    "a platform nobody knows with a file name that stands for a backend": (
        '-- m/config.pbtxt --\nplatform: "foo" default_model_filename: "model.xml"\n'
        f"{A}{B}-- m/1/model.xml --\nx"
    ),
    "a folder model.onnx": f"-- m/config.pbtxt --\n{A}{B}-- m/1/model.onnx/ --\n",
    "two outputs of one decoupled step": member("n", DECOUPLED + C)
    + member("m", ensemble(step("n", "a=a", "b=b c=c"), A + B + C)),
    "a step that writes an input of the ensemble": member("n")
    + member("m", ensemble(step("n", "a=a", "b=b") + step("n", "a=b", "b=a"))),
    "an output that is an input, of another type": member("n")
    + member(
        "m",
        ensemble(step("n", "a=a", "b=b"), A + B + A.replace("input", "output").replace("32", "16")),
    ),
    "a member that does not batch in an ensemble that does": member("n")
    + member("m", "max_batch_size: 8\n" + ensemble(step("n", "a=a", "b=b"))),
    "a version below zero": f"-- m/config.pbtxt --\n{STUB}-- m/-1/ --\n",
    "a NaN as slot utilization": member(
        "m", STUB + "sequence_batching { direct { minimum_slot_utilization: nan } }\n"
    ),
    "a data type that no type has": member("m", STUB.replace("TYPE_FP32", "99")),
    "a control of an unknown kind": member(
        "m", STUB + 'sequence_batching { control_input { name: "s" control { kind: 9 } } }\n'
    ),
    "a profile with letters behind the number": member(
        "m", 'platform: "tensorrt_plan"\n' + A + B + 'instance_group { profile: "1x" }\n'
    ),
    "a bad warm-up of passive instances": member(
        "m", STUB + "instance_group { passive: true }\n" + WARM.format("dims: 9 zero_data: true")
    ),
    "a file of strings whose last one is cut off": member(
        "m",
        STUB.replace("FP32", "STRING").replace("[4]", "[-1]")
        + WARM.replace("FP32", "STRING").format('dims: 1 input_data_file: "s"'),
    )
    + "-- m/warmup/s --\nabcdefg",
    "states with one input, of which one has an initial state": member(
        "m",
        STUB
        + """sequence_batching {
  state { input_name: "i" output_name: "o" data_type: TYPE_FP32 dims: 4
          initial_state { name: "n" data_type: TYPE_FP32 dims: 4 zero_data: true } }
  state { input_name: "i" output_name: "p" data_type: TYPE_FP32 dims: 4 }
}
""",
    ),
    "a map's key twice": member("m", STUB + 'parameters { key: "a" } parameters { key: "a" }\n'),
    "an octal number": member("m", STUB + "max_batch_size: 010\n"),
}
REFUSED = {
    "a retired platform beside a file of another backend": (
        f'-- m/config.pbtxt --\nplatform: "caffe2_netdef"\n{A}{B}-- m/1/model.xml --\nx'
    ),
    "a platform that contradicts the default file's name": member(
        "m", f'platform: "onnxruntime_onnx" default_model_filename: "model.plan"\n{A}{B}'
    ),
    "an ensemble with the default file of a backend": member("n")
    + member("m", 'default_model_filename: "model.plan"\n' + ensemble(step("n", "a=a", "b=b"))),
    "the platform libtorch": member("m", f'platform: "libtorch"\n{A}{B}'),
    "a folder model.plan": f"-- m/config.pbtxt --\n{A}{B}-- m/1/model.plan/ --\n",
    "a decoupled step's output and an input returned together": member("n", DECOUPLED)
    + member("m", ensemble(step("n", "a=a", "b=b"), A + B + A.replace("input", "output"))),
    "a member's input declared twice with other types": member("n", STUB + A.replace("32", "16"))
    + member("m", ensemble(step("n", "a=a", "b=b"))),
    "a member that contains itself": member("n", ensemble(step("n", "a=a", "b=b")))
    + member("m", ensemble(step("n", "a=a", "b=b"))),
    "an ensemble without inputs": member("n") + member("m", ensemble(step("n", "a=a", "b=b"), B)),
    "a version over 63 bits": f"-- m/config.pbtxt --\n{STUB}-- m/1/ --\n-- m/{'9' * 20}/ --\n",
    "a label file that is a folder": (
        f'-- m/config.pbtxt --\n{STUB[:-3]}label_filename: "l" }}\n-- m/1/ --\n-- m/l/ --\n'
    ),
    "a metric tag with a dash": member("m", STUB + 'metric_tags { key: "a-b" value: "c" }\n'),
    "an initial state with another dim": member(
        "m",
        STUB
        + """sequence_batching { state {
  input_name: "i" output_name: "o" data_type: TYPE_FP32 dims: 4
  initial_state { name: "n" data_type: TYPE_FP32 dims: 5 zero_data: true } } }
""",
    ),
    "a file of no strings that ends within a length": member(
        "m",
        STUB.replace("FP32", "STRING").replace("[4]", "[-1]")
        + WARM.replace("FP32", "STRING").format('dims: 0 input_data_file: "s"'),
    )
    + "-- m/warmup/s --\nxx",
    "a warm-up dim below -1": member(
        "m", STUB.replace("[4]", "[-1]") + WARM.format("dims: -3 zero_data: true")
    ),
    "a warm-up of an input that is declared twice": member(
        "m", STUB + A + WARM.format("dims: 4 zero_data: true")
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_both_accept(case: str, triton: Triton) -> None:
    files = files_of(ACCEPTED[case])
    verdict = triton.judge(files, "m")
    assert verdict.accepted, verdict.message
    errors = our_errors(files, "m", Settings())
    assert [error for error in errors if not known(error.code)] == []


@pytest.mark.parametrize("case", REFUSED)
def test_both_refuse(case: str, triton: Triton) -> None:
    files = files_of(REFUSED[case])
    assert not triton.judge(files, "m").accepted
    assert our_errors(files, "m", Settings())


def test_a_python_model_without_its_file_never_answers(triton: Triton) -> None:
    files = files_of(member("m", STUB.replace("identity", "python")))
    assert triton.judge(files, "m", timeout_s=3).message == "no answer"
    assert "F001" in {error.code for error in our_errors(files, "m", Settings())}


def test_a_misread_version_folder_never_answers_with_python(triton: Triton) -> None:
    config = STUB.replace("identity", "python")
    files = files_of(f"-- m/config.pbtxt --\n{config}-- m/1abc/model.py --\n")
    assert triton.judge(files, "m", timeout_s=3).message == "no answer"
    assert {"L003"} <= {error.code for error in our_errors(files, "m", Settings())}


def test_label_files_outside_the_model_are_read_by_2_51(triton: Triton) -> None:
    """The newer servers that the rule is about refuse it: see REFUSED_BY_OTHERS."""
    text = STUB[:-3] + 'label_filename: "../n/labels.txt" }\n'
    files = files_of(member("m", text) + "-- n/labels.txt --\ncat\n")
    assert triton.judge(files, "m").accepted
    assert {error.code for error in our_errors(files, "m", Settings())} == {"L011"}
