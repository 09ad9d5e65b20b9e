from trtbuild.artifacts import from_json, to_json
from trtbuild.surgery.options import SurgeryOptions
from trtbuild.tensor import InputOverride


def test_by_default_the_numbers_stay_what_they_were() -> None:
    options = SurgeryOptions()
    assert (options.precision, options.io_precision, options.batch) == ("keep", "keep", "free")


def test_options_cross_process_borders() -> None:
    options = SurgeryOptions(
        inputs=("a=b",),
        overrides=(InputOverride("x", "fp16", ("n", 3)),),
        precision="fp16",
        sample_shapes={"x": (2, 3)},
    )
    assert from_json(to_json(options), SurgeryOptions) == options
