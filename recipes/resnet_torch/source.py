"""ResNet-18 in plain PyTorch. `trtbuild convert source.py:factory` converts it as it is.

The architecture is that of "Deep Residual Learning for Image Recognition" (He et al. 2015),
table 1, 18 layers. The weights are random with a fixed seed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Two 3x3 convolutions and a way around: [N, C, H, W] -> [N, width, H/stride, W/stride]."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.around: nn.Module = nn.Identity()
        if stride != 1 or channels != width:
            self.around = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both ways, rectified."""
        return torch.relu(self.body(x) + self.around(x))


class ResNet18(nn.Module):
    """`image` [N, 3, H, W] -> `logits` [N, 1000]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        channels = [64, 64, 128, 256, 512]
        self.stages = nn.Sequential(
            *(
                nn.Sequential(Block(before, after, stride), Block(after, after, 1))
                for before, after, stride in zip(channels, channels[1:], (1, 2, 2, 2), strict=False)
            )
        )
        self.head = nn.Linear(512, 1000)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Logits of the 1000 classes of ImageNet."""
        features = self.stages(self.stem(image))
        return {"logits": self.head(features.mean((2, 3)))}


def factory() -> tuple[nn.Module, Tensor]:
    """The model and an example input.

    One batch of noise sets the statistics of the batch normalizations, so that the numbers inside
    are as large as in a trained network.
    """
    torch.manual_seed(0)
    model = ResNet18()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    noise = torch.randn(4, 3, 224, 224)
    with torch.no_grad():
        model.train()(noise)
    return model.eval(), noise[:2]


def main(output: Path) -> str:
    """What to convert: a PyTorch model is code, so nothing is written to `output`."""
    del output
    return f"{Path(__file__)}:factory"


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
