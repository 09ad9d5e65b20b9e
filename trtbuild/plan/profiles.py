"""The shapes a plan is built for: from what the model leaves open and what the user says.

A dim is known by its name: wherever a name occurs, in whichever input, its range is the same.
A plan has one profile or several; each `--profile` says one, in terms of dims.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from trtbuild.artifacts import Profile, Range
from trtbuild.errors import PlanError, UsageError
from trtbuild.plan.dim_ranges import DimRanges, dim_ranges_from_text, text_of_ranges
from trtbuild.tensor import TensorSpec

DEFAULT_MAX_BATCH = 4  # Triton's own default-max-batch-size for models that batch
_BOUNDS = ("min", "opt", "max")

Shapes = dict[str, tuple[int, ...]]
_Sizes = dict[str, dict[str, int]]  # dim -> bound -> size


class ShapeOptions(msgspec.Struct, frozen=True):
    """What the user says of the shapes; whatever is left out has a default or is asked for."""

    min: Shapes = {}
    opt: Shapes = {}
    max: Shapes = {}
    max_batch: int | None = None
    profiles: tuple[DimRanges, ...] = ()  # of each --profile; (): one, of what is said above

    def __post_init__(self) -> None:
        if self.max_batch is not None and self.max_batch < 1:
            raise UsageError(f"--max-batch {self.max_batch} is no batch size", "give 1 or more")


def shape_options_from_texts(
    min_shapes: Iterable[str] = (),
    opt_shapes: Iterable[str] = (),
    max_shapes: Iterable[str] = (),
    max_batch: int | None = None,
    profiles: Iterable[str] = (),
) -> ShapeOptions:
    """Read `--min-shapes`, `--opt-shapes`, `--max-shapes`, `--max-batch` and `--profile`.

    Each text is a comma list of NAME:1x3x224x224, as trtexec has them; of `profiles` one of
    DIM=MINxOPTxMAX. Raises `UsageError`.
    """
    return ShapeOptions(
        shapes_from_texts("--min-shapes", min_shapes),
        shapes_from_texts("--opt-shapes", opt_shapes),
        shapes_from_texts("--max-shapes", max_shapes),
        max_batch,
        tuple(dim_ranges_from_text(text) for text in profiles),
    )


# A name may hold ':' and ',' itself (TensorFlow's `image:0`): it ends at the last ':' before dims.
_ITEM = re.compile(r"\s*(?P<name>.+?)\s*:\s*(?P<dims>\d+(?:x\d+)*)\s*(?:,|$)")


def shapes_from_texts(option: str, texts: Iterable[str]) -> Shapes:
    """Shapes by input from the texts of `option`, comma lists of NAME:1x3x224x224."""
    shapes: Shapes = {}
    for text in texts:
        position = 0
        while position < len(text):
            if (match := _ITEM.match(text, position)) is None:
                raise UsageError(
                    f"{option} '{text}' is not NAME:DIMS",
                    f"write for example {option} image:1x3x224x224",
                )
            shape = tuple(int(dim) for dim in match["dims"].split("x"))
            if shapes.setdefault(match["name"], shape) != shape:
                raise UsageError(
                    f"{option} gives input '{match['name']}' two shapes: "
                    f"{_x(shapes[match['name']])} and {_x(shape)}"
                )
            position = match.end()
    return shapes


def profile_from_shapes(
    inputs: tuple[TensorSpec, ...], shapes: ShapeOptions | None = None
) -> Profile:
    """All that a plan takes: what its profiles take together, as `envelope` says it.

    Raises what `profiles_from_shapes` raises.
    """
    return envelope(profiles_from_shapes(inputs, shapes))


def profiles_from_shapes(
    inputs: tuple[TensorSpec, ...], shapes: ShapeOptions | None = None
) -> tuple[Profile, ...]:
    """The profiles for a model with `inputs`: in each a range for each input, also fixed ones.

    A dim that varies goes from 1 to its largest size; the usual size lies halfway, where it is
    not given. The batch goes up to 4; every other dim's largest size must be given. A dim that a
    `--profile` names has its sizes there from that alone. Raises `PlanError` for shapes that the
    model cannot have or that do not grow from min to max, and for profiles that are the same.
    """
    shapes = shapes or ShapeOptions()
    specs = {spec.name: spec for spec in inputs}
    _check_names(specs, shapes)
    sizes: _Sizes = {dim: {} for spec in inputs for dim in spec.dynamic_dims}
    for bound in _BOUNDS:
        for name, shape in getattr(shapes, bound).items():
            _note_sizes(sizes, bound, specs[name], shape)
    batch = _batch_dims(inputs)
    _apply_max_batch(sizes, batch, inputs, shapes.max_batch)
    _check_dims(sizes, shapes.profiles)
    found: list[Profile] = []
    for ranges in shapes.profiles or ({},):
        profile = _profile(inputs, sizes, batch, ranges)
        if profile in found:
            raise PlanError(
                f"--profile {text_of_ranges(ranges)} is the same as profile {found.index(profile)}",
                "each --profile makes one of the plan's optimization profiles: leave one out",
            )
        found.append(profile)
    return tuple(found)


def envelope(profiles: tuple[Profile, ...]) -> Profile:
    """One range for each input around those of all `profiles`; the usual shapes of the first.

    Not everything in it is taken: the profiles may leave gaps.
    """
    first = profiles[0]
    return {
        name: Range(
            tuple(map(min, zip(*(profile[name].min for profile in profiles), strict=True))),
            first[name].opt,
            tuple(map(max, zip(*(profile[name].max for profile in profiles), strict=True))),
        )
        for name in first
    }


def _profile(
    inputs: tuple[TensorSpec, ...], said: _Sizes, batch: set[str], ranges: DimRanges
) -> Profile:
    """One profile: the sizes of `ranges` first, then what is said for all, then defaults."""
    sizes = {dim: dict(size) for dim, size in said.items()}
    sizes |= {dim: dict(zip(_BOUNDS, sizes_, strict=True)) for dim, sizes_ in ranges.items()}
    for dim, size in sizes.items():
        _fill(size, DEFAULT_MAX_BATCH if dim in batch else None)
    _check_complete(inputs, sizes)
    _check_order(inputs, sizes)
    return {spec.name: Range(*(_sized(spec, sizes, bound) for bound in _BOUNDS)) for spec in inputs}


def _check_dims(sizes: _Sizes, profiles: Iterable[DimRanges]) -> None:
    for ranges in profiles:
        if unknown := [dim for dim in ranges if dim not in sizes]:
            names = ", ".join(f"'{dim}'" for dim in unknown)
            raise PlanError(
                f"--profile {text_of_ranges(ranges)} names dim {names}; the dims of the model's "
                f"inputs that vary: {', '.join(sizes) or 'none'}",
                "use these names, or name the dims with --input 'image=[batch,3,height,width]'",
            )


def _sized(spec: TensorSpec, sizes: _Sizes, bound: str) -> tuple[int, ...]:
    return tuple(dim if isinstance(dim, int) else sizes[dim][bound] for dim in spec.shape)


def _check_names(specs: dict[str, TensorSpec], shapes: ShapeOptions) -> None:
    for bound in _BOUNDS:
        unknown = [name for name in getattr(shapes, bound) if name not in specs]
        if unknown:
            names = ", ".join(f"'{name}'" for name in unknown)
            raise PlanError(
                f"--{bound}-shapes names input {names}; the model has: {', '.join(specs)}",
                "use the names the model has, or rename its inputs with --input",
            )


def _note_sizes(sizes: _Sizes, bound: str, spec: TensorSpec, shape: tuple[int, ...]) -> None:
    option = f"--{bound}-shapes {spec.name}:{_x(shape)}"
    if len(shape) != len(spec.shape):
        raise PlanError(
            f"{option} has {len(shape)} dims; the model has {len(spec.shape)}: {spec}",
            "give every dim, the batch among them",
        )
    for position, (dim, size) in enumerate(zip(spec.shape, shape, strict=True)):
        if isinstance(dim, int):
            if size != dim:
                raise PlanError(
                    f"{option} contradicts the model, whose dim {position} is fixed at {dim}: "
                    f"{spec}",
                    f"give {dim} there, or free the dim with --input",
                )
        elif sizes[dim].setdefault(bound, size) != size:
            raise PlanError(
                f"{option}: dim '{dim}' is {size} here and {sizes[dim][bound]} elsewhere in "
                f"--{bound}-shapes",
                f"dims called '{dim}' are the same size in every input; "
                "give them one size, or different names with --input",
            )


def _batch_dims(inputs: tuple[TensorSpec, ...]) -> set[str]:
    """The dims that count samples: those called so, else those that come first."""
    named = {dim for spec in inputs for dim in spec.dynamic_dims if "batch" in dim.lower()}
    first = {spec.shape[0] for spec in inputs if spec.shape}
    return named or {dim for dim in first if isinstance(dim, str)}


def _apply_max_batch(
    sizes: _Sizes, batch: set[str], inputs: tuple[TensorSpec, ...], max_batch: int | None
) -> None:
    if max_batch is None:
        return
    if not batch and any(spec.shape[:1] != (max_batch,) for spec in inputs):
        raise PlanError(
            f"--max-batch {max_batch}: no input's batch dim varies: {_list(inputs)}",
            "leave --max-batch out, or give the model a batch dim that varies, "
            "for example --input 'image=[batch,3,224,224]'",
        )
    for dim in batch:
        if sizes[dim].setdefault("max", max_batch) != max_batch:
            raise PlanError(
                f"--max-batch {max_batch} contradicts --max-shapes, where dim '{dim}' is "
                f"{sizes[dim]['max']}",
                "give one of them",
            )


def _fill(size: dict[str, int], default_max: int | None) -> None:
    """Complete one dim's sizes; a largest size that nothing tells stays out."""
    low = size.setdefault("min", 1)
    if "max" not in size:
        known = [size["opt"]] if "opt" in size else []
        if default_max is not None:
            known += [default_max, low]
        if not known:
            return
        size["max"] = max(known)
    size.setdefault("opt", max(1, (low + size["max"]) // 2))


def _check_complete(inputs: tuple[TensorSpec, ...], sizes: _Sizes) -> None:
    missing = [dim for dim, size in sizes.items() if "max" not in size]
    if not missing:
        return
    asked, left = [], set(missing)
    for spec in inputs:
        if left & set(spec.dynamic_dims):
            asked.append(spec)
            left -= set(spec.dynamic_dims)
    options = " ".join(
        f"--{bound}-shapes {','.join(_placeholder(spec, sizes, bound) for spec in asked)}"
        for bound in _BOUNDS
    )
    dims, words = ", ".join(f"'{dim}'" for dim in missing), ", ".join(d.upper() for d in missing)
    raise PlanError(
        f"nothing says how large dim {dims} gets: {_list(asked)}",
        f"add {options} with the smallest, usual and largest size in place of {words}",
    )


def _placeholder(spec: TensorSpec, sizes: _Sizes, bound: str) -> str:
    dims = [
        str(sizes[dim][bound] if "max" in sizes[dim] else dim.upper())
        if isinstance(dim, str)
        else str(dim)
        for dim in spec.shape
    ]
    return f"{spec.name}:{'x'.join(dims)}"


def _check_order(inputs: tuple[TensorSpec, ...], sizes: _Sizes) -> None:
    for spec in inputs:
        for dim in spec.dynamic_dims:
            low, usual, high = (sizes[dim][bound] for bound in _BOUNDS)
            if not low <= usual <= high or usual < 1:
                raise PlanError(
                    f"input '{spec.name}': dim '{dim}' has min {low}, opt {usual}, max {high}; "
                    "they must not shrink from min to max"
                    + ("" if usual else ", and opt must be 1 or more"),
                    "correct --min-shapes, --opt-shapes, --max-shapes or --max-batch",
                )


def _x(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _list(specs: Iterable[TensorSpec]) -> str:
    return "; ".join(map(str, specs))
