"""Contents to write, small and made by hand: no framework is needed to test the repository."""

from collections.abc import Iterable
from pathlib import Path

from trtbuild.artifacts import Range, TargetFailure, VerifyReport, layers_file_of
from trtbuild.capability import Capability, capability_from_text
from trtbuild.repository.lock import Lock, LockedOnnx, LockedPlan, LockedSource
from trtbuild.repository.write import Content
from trtbuild.tensor import TensorSpec


def content(
    folder: Path,
    targets: Iterable[str] = ("8.6",),
    *,
    name: str = "net",
    onnx: str = "o" * 64,
    data: bytes = b"plan",
    width: int = 3,
    failed: Iterable[str] = (),
    layers: bytes = b"",
) -> Content:
    """One plan file for `targets`, with `data` in it, whose sources lie in `folder`.

    `layers`: what its file with layer information holds; b"": there is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    capabilities = tuple(capability_from_text(target) for target in targets)
    file = f"model.{'-'.join(f'sm{c.major}{c.minor}' for c in capabilities)}.plan"
    (folder / "plan").write_bytes(data)
    (folder / "onnx").write_bytes(b"onnx")
    spec = TensorSpec("x", "fp32", ("batch", width))
    lock = Lock(
        trtbuild="0",
        created="2026-01-01T00:00:00Z",
        name=name,
        version=0,
        source=LockedSource("onnx", "m.onnx", "s" * 64, "test 1"),
        onnx=LockedOnnx(("model.onnx",), onnx, 17, (spec,), (spec,), True),
        profile={"x": Range((1, width), (4, width), (8, width))},
        plans=(LockedPlan(file, capabilities, "tensorrt-rtx", "1.7", 0.5),),
        failures=tuple(TargetFailure(capability_from_text(t), "no") for t in failed),
        report=VerifyReport((), {}),
        passes=(),
        options={},
        config_digest="",
        files={},
    )
    files = {file: folder / "plan", "model.onnx": folder / "onnx"}
    if layers:
        (folder / "layers").write_bytes(layers)
        files[layers_file_of(file)] = folder / "layers"
    return Content(files, {}, config_of(name), lock)


def config_of(name: str):  # type: ignore[no-untyped-def]
    def config(plans: tuple[LockedPlan, ...]) -> str:
        keys: dict[Capability, str] = {t: plan.file for plan in plans for t in plan.targets}
        return f'name: "{name}"\n' + "".join(f"# {key} {keys[key]}\n" for key in sorted(keys))

    return config
