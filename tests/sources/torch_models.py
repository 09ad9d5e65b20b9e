"""PyTorch modules that tests convert, as a user's file of factories, and files made of them."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class Classifier(nn.Module):
    """Dropout and batch normalization tell inference from training."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(4, 5)

    def forward(self, image: Tensor, scale: Tensor | None = None) -> dict[str, Tensor]:
        features = self.body(image)
        if scale is not None:
            features = features * scale[:, None, None, None]
        return {"logits": self.head(features.mean((2, 3))), "features": features}


def plain() -> nn.Module:
    return Classifier()


def with_examples() -> tuple[nn.Module, Any]:
    return Classifier(), (torch.randn(1, 3, 16, 16),)


def by_name() -> tuple[nn.Module, Any]:
    return Classifier(), {"image": torch.randn(4, 3, 16, 16), "scale": torch.randn(4)}


class Nested(nn.Module):
    def forward(self, x: Tensor, states: tuple[Tensor, Tensor], factor: float = 2.0) -> Any:
        return x + states[0], (states[1] * factor, [x.sum(1)]), x


def nested() -> tuple[nn.Module, Any]:
    return Nested(), (torch.randn(3, 4), (torch.randn(3, 4), torch.randn(3, 2)), 3.0)


class Fixed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.view(2, 3) + 1 if x.shape[0] == 2 else x


def fixed() -> tuple[nn.Module, Any]:
    return Fixed(), torch.randn(2, 3)


class OneAtATime(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] != 1:
            raise ValueError("one at a time")
        return x * 2


def one_at_a_time() -> tuple[nn.Module, Any]:
    return OneAtATime(), torch.randn(1, 4)


class Branching(nn.Module):
    """What dynamo cannot capture: a branch on a value."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if x.sum() > -1e9 else x * 3


def branching() -> tuple[nn.Module, Any]:
    return Branching(), torch.randn(2, 6)


class Text(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        encoded: Tensor = self.encoder(self.table(ids))
        return encoded * mask[..., None]


def text() -> nn.Module:
    return Text()


def recurrent() -> tuple[nn.Module, Any]:
    return nn.LSTM(4, 5, batch_first=True), torch.randn(2, 7, 4)


def half() -> tuple[nn.Module, Any]:
    return nn.Linear(4, 3).half(), torch.randn(2, 4).half()


def really_random() -> tuple[nn.Module, Any]:
    """Other weights at each call, whatever the seed."""
    model = nn.Linear(4, 3)
    model.weight.data = torch.tensor(list(os.urandom(12))).reshape(3, 4) / 255
    return model, torch.randn(2, 4)


class Untraceable(nn.Module):
    """What no exporter can turn into ONNX."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvals(x @ x.T).real.sum() * x if x.sum() > -1e9 else x


def untraceable() -> tuple[nn.Module, Any]:
    return Untraceable(), torch.randn(4, 4)


class NoTensors(nn.Module):
    def forward(self, x: Tensor) -> str:
        return f"{x.shape[1]} numbers"


def no_tensors() -> tuple[nn.Module, Any]:
    return NoTensors(), torch.randn(2, 4)


instance = nn.Linear(4, 3)


def failing() -> nn.Module:
    raise ValueError("no weights at hand\nand more lines")


def wrong() -> Any:
    return {}


def with_arguments(size: int) -> nn.Module:
    return nn.Linear(size, size)


def leaving() -> nn.Module:
    raise SystemExit("cannot go on")


VALUE = 5


def save_torchscript(path: Path, scripted: bool) -> str:
    torch.manual_seed(0)
    model = Classifier().eval()
    if scripted:
        torch.jit.script(model).save(str(path))  # type: ignore[no-untyped-call] # torch's own
    else:
        torch.jit.trace(model, torch.randn(2, 3, 16, 16), strict=False).save(str(path))  # type: ignore[no-untyped-call] # torch's own
    return str(path)


class _OneRate(torch.nn.Module):
    """Raises for every sample rate but one, as speech models do."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(8, 2)

    def forward(self, x: torch.Tensor, rate: int) -> torch.Tensor:
        if rate != 16000:
            raise ValueError("supported sample rates: 16000")
        out: torch.Tensor = self.layer(x)
        return out


def save_one_rate(path: Path) -> str:
    torch.manual_seed(0)
    torch.jit.script(_OneRate().eval()).save(str(path))  # type: ignore[no-untyped-call] # torch's own
    return str(path)


def _program() -> Any:
    torch.manual_seed(0)
    dim = torch.export.Dim
    example = {"image": torch.randn(4, 3, 16, 16), "scale": torch.randn(4)}
    shapes = {
        "image": {0: dim("n", max=64), 2: dim("h", min=4), 3: dim("w", min=4)},
        "scale": {0: dim("n", max=64)},
    }
    return torch.export.export(Classifier().eval(), (), example, dynamic_shapes=shapes)


def save_exported(path: Path) -> str:
    torch.export.save(_program(), str(path))
    return str(path)


def save_exported_as_before(path: Path, state: bytes = b"") -> str:
    """In the layout of PyTorch 2.6 and 2.7; `state` in place of the state dict."""
    from torch._export.serde.schema import SCHEMA_VERSION
    from torch._export.serde.serialize import serialize

    artifact = serialize(_program())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("version", ".".join(map(str, SCHEMA_VERSION)))
        archive.writestr("serialized_exported_program.json", artifact.exported_program)
        archive.writestr("serialized_state_dict.pt", state or artifact.state_dict)
        archive.writestr("serialized_constants.pt", artifact.constants)
        archive.writestr("serialized_example_inputs.pt", artifact.example_inputs)
    return str(path)


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def save_trapped_exported(path: Path, trap: Path) -> str:
    """The older layout, with a pickle of code in place of the weights."""
    buffer = io.BytesIO()
    torch.save({"head.weight": Trap(trap)}, buffer)
    return save_exported_as_before(path, buffer.getvalue())


def save_exported_with_objects(path: Path, trap: Path) -> str:
    """The present layout, with a pickle of code as an opaque constant."""
    whole = path.with_suffix(".whole")
    save_exported(whole)
    entry = (
        '{"config": {"x": {"path_name": "opaque_obj_0", "is_param": false, '
        '"use_pickle": true, "tensor_meta": null}}}'
    )
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        root = old.namelist()[0].split("/")[0]
        for name in old.namelist():
            data = entry if name.endswith("constants_config.json") else old.read(name)
            new.writestr(name, data)
        new.writestr(f"{root}/data/constants/opaque_obj_0", pickle.dumps(Trap(trap)))
    return str(path)


def save_pickled(path: Path, what: str) -> str:
    """What must not be unpickled: a state dict, a module, both in the old format as well."""
    model = nn.Linear(2, 2)
    value = model.state_dict() if what == "state dict" else model
    torch.save(value, path, _use_new_zipfile_serialization=what != "old")
    return str(path)


class SumOfTwo(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + b


def sum_of_two() -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    return SumOfTwo(), (torch.zeros(2, 8), torch.ones(2, 8))
