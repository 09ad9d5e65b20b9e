from trtbuild.artifacts import TargetFailure
from trtbuild.capability import Capability
from trtbuild.check_report import OpRefusal
from trtbuild.plan.explain import explained

FAILURE = TargetFailure(Capability(7, 5), "tensorrt-rtx 1.7: it broke", seconds=1.5)


def refusal(op: str, dtype: str = "fp32", nodes: tuple[str, ...] = ("fc",)) -> OpRefusal:
    return OpRefusal(op, dtype, nodes, "FP32 GEMM is not supported", "use --precision fp16")


def test_what_is_not_explained_stays_as_it_is() -> None:
    assert explained(FAILURE, ()) is FAILURE


def test_the_op_the_data_type_and_the_capability_are_named() -> None:
    told = explained(FAILURE, (refusal("MatMul"),))
    assert told.message == (
        "MatMul in fp32 (node 'fc') is refused for 7.5: FP32 GEMM is not supported"
    )
    assert (told.op, told.dtype, told.hint) == ("MatMul", "fp32", "use --precision fp16")
    assert told.seconds == 1.5


def test_other_nodes_and_other_ops_are_counted() -> None:
    one = refusal("MatMul", nodes=("a", "b", "c"))
    told = explained(FAILURE, (one, refusal("Gemm")))
    assert told.message == (
        "MatMul in fp32 (node 'a' and 2 more) is refused for 7.5: FP32 GEMM is not supported; "
        "so is Gemm in fp32"
    )
    many = [refusal(f"Op{number}", "") for number in range(9)]
    assert explained(FAILURE, (one, *many)).message.endswith(
        "; so are Op0, Op1, Op2, Op3, 5 more kinds of op"
    )
