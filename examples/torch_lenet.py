"""LeNet with sign-symmetric kernels: B = a size times sign(Wᵀ), in convolutions, too.

    python examples/torch_lenet.py [--rule usf] [--steps 20] [--batch 32]

Learns random images of MNIST's shape (Liao, Leibo & Poggio 2016 for the rule).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import fastfa as fa
import torch
from torch import nn
from torch.nn import functional as F


def lenet(classes: int = 10) -> nn.Sequential:
    """LeNet-5 with rectifiers: (N, 1, 28, 28) → (N, classes)."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(inplace=True),
        nn.Linear(120, 84),
        nn.ReLU(inplace=True),
        nn.Linear(84, classes),
    )


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """The losses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rule", default="usf", choices=["usf", "frsf", "brsf"])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=32)
    options = parser.parse_args(arguments)

    torch.manual_seed(0)
    x, y = torch.randn(options.batch, 1, 28, 28), torch.randint(10, (options.batch,))
    model = fa.interop.torch.convert(lenet(), options.rule, seed=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    losses = []
    for _ in range(options.steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"loss {losses[0]:.3f} → {losses[-1]:.3f}")
    for name, a in fa.interop.torch.alignment(model, F.cross_entropy, x, y).items():
        print(f"layer {name:3} Δh∠Δh_BP {a.angle_bp:5.1f}°  W∠B {a.weight_angle:5.1f}°")
    fa.interop.torch.revert(model)  # the trained weights in layers of PyTorch's own
    print(type(model[0]).__name__)
    return losses


if __name__ == "__main__":
    main()
