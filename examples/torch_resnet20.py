"""ResNet-20 (He, Zhang, Ren & Sun 2016, section 4.2) by feedback alignment, in one line.

    python examples/torch_resnet20.py [--rule fa] [--steps 5] [--batch 16]

Learns random images of CIFAR's shape, and says how its error compares with backprop's.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import fastfa as fa
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """Two convolutions around which the input passes, too."""

    def __init__(self, channels: int, maps: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, maps, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(maps)
        self.conv2 = nn.Conv2d(maps, maps, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(maps)
        self.around: nn.Module = nn.Identity()
        if stride > 1 or channels != maps:
            self.around = nn.Sequential(
                nn.Conv2d(channels, maps, 1, stride, bias=False), nn.BatchNorm2d(maps)
            )

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(h)) + self.around(x), inplace=True)


class ResNet20(nn.Module):
    """(N, 3, 32, 32) → (N, classes)."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        blocks, channels = [], 16
        for maps, stride in ((16, 1), (32, 2), (64, 2)):
            for step in (stride, 1, 1):
                blocks.append(Block(channels, maps, step))
                channels = maps
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        h = self.blocks(F.relu(self.bn(self.conv(x)), inplace=True))
        return self.fc(h.mean((2, 3)))


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """The losses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rule", default="fa", choices=["bp", "fa", "usf", "frsf", "kp", "dfa"])
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args(arguments)

    torch.manual_seed(0)
    x, y = torch.randn(options.batch, 3, 32, 32), torch.randint(10, (options.batch,))
    # The one line. B of the route direct have a row for each value that a layer is given.
    model = fa.interop.torch.convert(ResNet20(), options.rule, seed=1, example=x[:1])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    losses = []
    for _ in range(options.steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print("loss", " ".join(f"{loss:.3f}" for loss in losses))
    for name, a in fa.interop.torch.alignment(model, F.cross_entropy, x, y).items():
        print(f"{name:20} Δh∠Δh_BP {a.angle_bp:5.1f}°  W∠B {a.weight_angle:5.1f}°")
    return losses


if __name__ == "__main__":
    main()
