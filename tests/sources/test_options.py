from trtbuild.artifacts import from_json, to_json
from trtbuild.sources.options import SourceOptions
from trtbuild.tensor import InputOverride


def test_crosses_to_a_worker_and_back() -> None:
    options = SourceOptions(
        signature="serving_default",
        tags=("serve", "gpu"),
        inputs=("image=x:0",),
        overrides=(InputOverride("image", "fp32", ("batch", 3)),),
        opset=17,
        example_shapes={"image": (4, 3)},
    )
    assert from_json(to_json(options), SourceOptions) == options


def test_says_nothing_by_default() -> None:
    assert SourceOptions() == SourceOptions(None, (), (), (), (), (), (), None, None, {}, 0, {})
