import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbuild.artifacts import Profile, Range
from trtbuild.errors import PlanError, TrtbuildError, UsageError
from trtbuild.plan.profiles import (
    ShapeOptions,
    profile_from_shapes,
    profiles_from_shapes,
    shape_options_from_texts,
)
from trtbuild.tensor import Dim, TensorSpec

IMAGE = TensorSpec("image", "fp32", ("batch", 3, 224, 224))
TOKENS = TensorSpec("tokens", "int64", ("batch", "seq"))
MASK = TensorSpec("mask", "bool", ("batch", "seq"))


def error_of(inputs: tuple[TensorSpec, ...], shapes: ShapeOptions) -> TrtbuildError:
    with pytest.raises(PlanError) as caught:
        profile_from_shapes(inputs, shapes)
    return caught.value


# reading


def test_shapes_are_read_as_trtexec_writes_them() -> None:
    options = shape_options_from_texts(
        ["image:1x3x224x224,mask:1x1"], ["image:0:4x3"], ["a,b:8"], max_batch=8
    )
    assert options.min == {"image": (1, 3, 224, 224), "mask": (1, 1)}
    assert options.opt == {"image:0": (4, 3)}
    assert options.max == {"a,b": (8,)}


def test_shapes_of_repeated_options_come_together() -> None:
    options = shape_options_from_texts(["a:1", " b : 2x3 ", "a:1,"])
    assert options.min == {"a": (1,), "b": (2, 3)}


@pytest.mark.parametrize("text", ["image", "image:", ":1x3", "image:1x3x", "image:axb", "a:1,b"])
def test_a_text_that_is_no_shape(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        shape_options_from_texts(opt_shapes=[text])
    assert caught.value.message == f"--opt-shapes '{text}' is not NAME:DIMS"
    assert caught.value.hint == "write for example --opt-shapes image:1x3x224x224"


def test_two_shapes_for_one_input() -> None:
    with pytest.raises(UsageError) as caught:
        shape_options_from_texts(max_shapes=["a:1x2", "a:1x3"])
    assert caught.value.message == "--max-shapes gives input 'a' two shapes: 1x2 and 1x3"


def test_a_batch_that_is_none() -> None:
    with pytest.raises(UsageError, match="--max-batch 0 is no batch size"):
        ShapeOptions(max_batch=0)


_NAMES = st.text(st.characters(exclude_categories=("Cs", "Z", "C")), min_size=1).filter(
    lambda name: "," not in name
)
_DIMS = st.lists(st.integers(0, 10**6), min_size=1, max_size=5).map(tuple)


@given(st.dictionaries(_NAMES, _DIMS, min_size=1))
def test_what_is_written_is_read_back(shapes: dict[str, tuple[int, ...]]) -> None:
    text = ",".join(f"{name}:{'x'.join(map(str, dims))}" for name, dims in shapes.items())
    assert shape_options_from_texts([text]).min == shapes


# defaults


def test_a_batch_goes_from_1_to_4() -> None:
    assert profile_from_shapes((IMAGE,)) == {
        "image": Range((1, 3, 224, 224), (2, 3, 224, 224), (4, 3, 224, 224))
    }


@pytest.mark.parametrize(("largest", "usual"), [(1, 1), (2, 1), (3, 2), (32, 16)])
def test_the_largest_batch_can_be_given(largest: int, usual: int) -> None:
    shapes = profile_from_shapes((IMAGE,), ShapeOptions(max_batch=largest))
    assert [shape[0] for shape in (shapes["image"].opt, shapes["image"].max)] == [usual, largest]


def test_fixed_shapes_have_a_range_too() -> None:
    fixed = TensorSpec("x", "fp32", (1, 3))
    scalar = TensorSpec("t", "fp32", ())
    assert profile_from_shapes((fixed, scalar)) == {
        "x": Range((1, 3), (1, 3), (1, 3)),
        "t": Range((), (), ()),
    }


def test_the_batch_is_the_dim_called_so_wherever_it_stands() -> None:
    steps_first = TensorSpec("x", "fp32", (16, "batch", 4))
    assert profile_from_shapes((steps_first,))["x"].max == (16, 4, 4)


def test_every_first_dim_is_a_batch_where_none_is_called_so() -> None:
    inputs = (TensorSpec("a", "fp32", ("a_0", 3)), TensorSpec("b", "fp32", ("b_0", 3)))
    profile = profile_from_shapes(inputs, ShapeOptions(max_batch=4))
    assert (profile["a"].max, profile["b"].max) == ((4, 3), (4, 3))


def test_one_name_is_one_range_in_every_input() -> None:
    shapes = ShapeOptions(max={"tokens": (16, 128)}, min={"mask": (2, 8)})
    profile = profile_from_shapes((TOKENS, MASK), shapes)
    assert profile["tokens"] == profile["mask"] == Range((2, 8), (9, 68), (16, 128))


def test_the_largest_size_is_the_usual_one_where_only_that_is_given() -> None:
    profile = profile_from_shapes((TOKENS,), ShapeOptions(opt={"tokens": (2, 64)}))
    assert profile["tokens"] == Range((1, 1), (2, 64), (4, 64))


def test_a_default_never_contradicts_what_is_given() -> None:
    profile = profile_from_shapes((IMAGE,), ShapeOptions(min={"image": (16, 3, 224, 224)}))
    assert profile["image"].max[0] == 16


def test_an_empty_cache_is_a_smallest_size() -> None:
    shapes = ShapeOptions(min={"past": (1, 0)}, max={"past": (4, 64)})
    past = TensorSpec("past", "fp16", ("batch", "past_len"))
    assert profile_from_shapes((past,), shapes)["past"] == Range((1, 0), (2, 32), (4, 64))


# what cannot be


def test_an_input_that_the_model_does_not_have() -> None:
    error = error_of((IMAGE, MASK), ShapeOptions(min={"imgs": (1, 3), "msk": (1,)}))
    assert error.message == ("--min-shapes names input 'imgs', 'msk'; the model has: image, mask")
    assert error.hint == "use the names the model has, or rename its inputs with --input"


def test_too_few_dims() -> None:
    error = error_of((IMAGE,), ShapeOptions(opt={"image": (3, 224, 224)}))
    assert error.message == (
        "--opt-shapes image:3x224x224 has 3 dims; the model has 4: image fp32 [batch, 3, 224, 224]"
    )


def test_a_shape_that_contradicts_the_model() -> None:
    error = error_of((IMAGE,), ShapeOptions(max={"image": (8, 1, 224, 224)}))
    assert error.message == (
        "--max-shapes image:8x1x224x224 contradicts the model, whose dim 1 is fixed at 3: "
        "image fp32 [batch, 3, 224, 224]"
    )


def test_one_dim_with_two_sizes() -> None:
    error = error_of((TOKENS, MASK), ShapeOptions(max={"tokens": (8, 128), "mask": (8, 64)}))
    assert error.message == (
        "--max-shapes mask:8x64: dim 'seq' is 64 here and 128 elsewhere in --max-shapes"
    )


def test_min_over_opt_over_max() -> None:
    shapes = ShapeOptions(
        min={"image": (4, 3, 224, 224)},
        opt={"image": (2, 3, 224, 224)},
        max={"image": (8, 3, 224, 224)},
    )
    error = error_of((IMAGE,), shapes)
    assert error.message == (
        "input 'image': dim 'batch' has min 4, opt 2, max 8; they must not shrink from min to max"
    )
    assert error.hint == "correct --min-shapes, --opt-shapes, --max-shapes or --max-batch"


def test_nothing_to_build_for() -> None:
    shapes = ShapeOptions(opt={"image": (0, 3, 224, 224)}, min={"image": (0, 3, 224, 224)})
    assert error_of((IMAGE,), shapes).message.endswith(", and opt must be 1 or more")


def test_two_largest_batches() -> None:
    shapes = ShapeOptions(max={"image": (8, 3, 224, 224)}, max_batch=16)
    assert error_of((IMAGE,), shapes).message == (
        "--max-batch 16 contradicts --max-shapes, where dim 'batch' is 8"
    )


def test_a_largest_batch_for_a_model_that_has_none() -> None:
    fixed = TensorSpec("x", "fp32", (1, 3))
    assert profile_from_shapes((fixed,), ShapeOptions(max_batch=1))
    error = error_of((fixed,), ShapeOptions(max_batch=8))
    assert error.message == "--max-batch 8: no input's batch dim varies: x fp32 [1, 3]"
    assert "--input 'image=[batch,3,224,224]'" in error.hint


def test_a_missing_profile_says_exactly_what_to_add() -> None:
    error = error_of((TOKENS, MASK), ShapeOptions())
    assert error.message == "nothing says how large dim 'seq' gets: tokens int64 [batch, seq]"
    assert error.hint == (
        "add --min-shapes tokens:1xSEQ --opt-shapes tokens:2xSEQ --max-shapes tokens:4xSEQ "
        "with the smallest, usual and largest size in place of SEQ"
    )


def test_what_to_add_reads_back_once_it_has_numbers() -> None:
    image = TensorSpec("image", "fp32", ("batch", 3, "height", "width"))
    hint = error_of((image, TOKENS), ShapeOptions()).hint
    for word, size in (("HEIGHT", "64"), ("WIDTH", "64"), ("SEQ", "16")):
        hint = hint.replace(word, size)
    words = hint.split()
    given = {word: words[words.index(word) + 1] for word in words if word.startswith("--")}
    options = shape_options_from_texts(
        [given["--min-shapes"]], [given["--opt-shapes"]], [given["--max-shapes"]]
    )
    assert profile_from_shapes((image, TOKENS), options)["image"].max == (4, 3, 64, 64)


_DIM = st.one_of(st.integers(1, 9), st.sampled_from(["batch", "seq", "height"]))


@given(
    st.lists(st.lists(_DIM, max_size=4), min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(["batch", "seq", "height"]), st.integers(1, 99)),
    st.one_of(st.none(), st.integers(1, 64)),
)
def test_a_profile_fits_the_model_and_grows(
    shapes: list[list[Dim]], largest: dict[str, int], max_batch: int | None
) -> None:
    inputs = tuple(TensorSpec(f"x{i}", "fp32", tuple(s)) for i, s in enumerate(shapes))
    given_max = {
        spec.name: tuple(d if isinstance(d, int) else largest.get(d, 5) for d in spec.shape)
        for spec in inputs
        if spec.shape
    }
    try:
        profile = profile_from_shapes(inputs, ShapeOptions(max=given_max, max_batch=max_batch))
    except PlanError:
        return  # the two largest batches differ, or no batch varies
    assert list(profile) == [spec.name for spec in inputs]
    for spec in inputs:
        sizes = profile[spec.name]
        assert sizes.max == given_max.get(spec.name, ())
        for dim, low, usual, high in zip(spec.shape, sizes.min, sizes.opt, sizes.max, strict=True):
            assert low <= usual <= high
            assert not isinstance(dim, int) or low == high == dim


# several profiles


def several(*texts: str, **more: object) -> tuple[Profile, ...]:
    options = shape_options_from_texts(profiles=texts, **more)  # type: ignore[arg-type]
    return profiles_from_shapes((TOKENS, MASK), options)


def test_each_profile_has_its_sizes_for_every_input() -> None:
    found = several("batch=1x1x1,seq=1x128x512", "batch=2x16x32,seq=8x64x128")
    assert found == (
        {name: Range((1, 1), (1, 128), (1, 512)) for name in ("tokens", "mask")},
        {name: Range((2, 8), (16, 64), (32, 128)) for name in ("tokens", "mask")},
    )


def test_dims_that_a_profile_leaves_out_are_as_the_other_options_say() -> None:
    found = several("seq=1x2x3", "batch=8x8x8", max_shapes=["tokens:6x12"], min_shapes=["mask:2x4"])
    assert found[0]["mask"] == Range((2, 1), (4, 2), (6, 3))
    assert found[1]["tokens"] == Range((8, 4), (8, 8), (8, 12))
    assert several("seq=1x2x3")[0]["tokens"] == Range((1, 1), (2, 2), (4, 3))


def test_the_envelope_holds_all_and_is_usually_as_the_first() -> None:
    options = shape_options_from_texts(
        profiles=["batch=1x1x1,seq=2x3x512", "batch=2x16x32,seq=1x64x128"]
    )
    profile = profile_from_shapes((TOKENS,), options)
    assert profile == {"tokens": Range((1, 1), (1, 3), (32, 512))}


def test_a_dim_that_the_model_does_not_have() -> None:
    with pytest.raises(PlanError) as caught:
        several("bach=1x2x3,seq=1x1x1,len=1x1x1")
    assert caught.value.message == (
        "--profile bach=1x2x3,seq=1x1x1,len=1x1x1 names dim 'bach', 'len'; "
        "the dims of the model's inputs that vary: batch, seq"
    )
    with pytest.raises(PlanError, match="that vary: none"):
        profiles_from_shapes(
            (TensorSpec("x", "fp32", (1, 3)),), shape_options_from_texts(profiles=["n=1x1x1"])
        )


def test_a_profile_twice() -> None:
    with pytest.raises(PlanError) as caught:
        several("batch=1x2x4,seq=1x1x1", "seq=1x1x2", "seq=1x1x1")
    assert caught.value.message == "--profile seq=1x1x1 is the same as profile 0"


def test_a_dim_whose_size_a_profile_does_not_tell() -> None:
    with pytest.raises(PlanError, match="nothing says how large dim 'seq' gets"):
        several("batch=1x2x4,seq=1x1x1", "batch=1x2x4")
