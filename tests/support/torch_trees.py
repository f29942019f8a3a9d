"""Random module trees of PyTorch's, with layers of every kind that `convert` serves."""

from __future__ import annotations

import math

import fastfa as fa
import numpy as np
import torch
from fastfa.interop.torch import LocallyConnected2d
from torch import nn

Array = np.ndarray

LAYERWISE = {
    "bp": fa.PRESETS["bp"],
    "shallow": fa.PRESETS["shallow"],
    "fa": fa.PRESETS["fa"],
    "fa gain growth": fa.Feedback("uniform", gain=0.7, growth=0.8),
    "normal": fa.Feedback("normal"),
    "orthogonal": fa.Feedback("orthogonal"),
    "sparse": fa.PRESETS["sparse_fa"],
    "low_rank": fa.Feedback("low_rank", rank=1),
    "binary": fa.Feedback("binary"),
    "ternary": fa.Feedback("ternary"),
    "hadamard": fa.Feedback("hadamard", scale=0.3),
    "procedural": fa.Feedback("procedural"),
    "usf": fa.PRESETS["usf"],
    "frsf": fa.PRESETS["frsf"],
    "brsf": fa.PRESETS["brsf"],
    "kp": fa.PRESETS["kp"],
    "kp normal": fa.Feedback("normal", plasticity="kolen_pollack"),
    "wm": fa.PRESETS["wm"],
}
FROM_OUTPUT = {
    "dfa": fa.PRESETS["dfa"],
    "dfa growth": fa.Feedback("orthogonal", route="direct", gain=0.4, growth=1.5),
    "direct procedural": fa.Feedback("procedural", route="direct"),
    "direct shallow": fa.Feedback("zero", route="direct"),
    "direct kp": fa.Feedback("normal", route="direct", plasticity="kolen_pollack"),
    "drtp": fa.PRESETS["drtp"],
    "target ternary": fa.Feedback("ternary", route="target"),
}


# ---- trees ---------------------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x):
        return x + self.body(x)


class Branches(nn.Module):
    def __init__(self, left: nn.Module, right: nn.Module) -> None:
        super().__init__()
        self.left, self.right = left, right

    def forward(self, x):
        return torch.cat([self.left(x), self.right(x)], dim=1)


class Twice(nn.Module):
    """A shared module, used twice, with functional code between."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x):
        return self.body(torch.sin(self.body(x)))


def random_tree(rng: np.random.Generator, dtype=torch.float64) -> tuple[nn.Module, Array]:
    """A model and a batch; the first part is convolutional (1 to 3 dimensions) or dense."""
    torch.manual_seed(int(rng.integers(2**31)))
    n, dimensions = int(rng.integers(2, 5)), int(rng.integers(0, 4))
    if dimensions == 0:
        width = int(rng.integers(1, 7))
        shape: tuple[int, ...] = (width,)
    else:
        shape = (int(rng.integers(1, 4)), *(int(s) for s in rng.integers(3, 7, dimensions)))
    x = rng.standard_normal((n, *shape))
    parts: list[nn.Module] = [_layer(rng, shape)]
    for _ in range(rng.integers(1, 4)):
        shape = _shape(nn.Sequential(*parts), x)
        parts += _part(rng, shape)
    shape = _shape(nn.Sequential(*parts), x)
    if len(shape) > 1:
        parts.append(nn.Flatten())
    parts += [
        nn.Tanh(),
        nn.Linear(math.prod(shape), int(rng.integers(1, 6))),
        nn.LeakyReLU(0.3),
    ]
    parts.append(nn.Linear(parts[-2].out_features, 3, bias=bool(rng.integers(2))))
    model = nn.Sequential(*parts).to(dtype)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.from_numpy(rng.uniform(-0.7, 0.7, tuple(p.shape))))
    return model, x


def _shape(model: nn.Module, x: Array) -> tuple[int, ...]:
    with torch.no_grad():
        return tuple(model.double()(torch.from_numpy(x)).shape[1:])


def _part(rng: np.random.Generator, shape: tuple[int, ...]) -> list[nn.Module]:
    kind = rng.integers(7)
    activation = (nn.Tanh(), nn.ReLU(), nn.ReLU(inplace=True), nn.LeakyReLU(0.1))[rng.integers(4)]
    if kind == 0:
        return [Residual(nn.Sequential(_same(rng, shape), activation)), nn.Tanh()]
    if kind == 1:
        return [Branches(_same(rng, shape), nn.Sequential(_same(rng, shape), activation))]
    if kind == 2:
        return [Twice(_same(rng, shape))]
    if kind == 3:
        norm = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[len(shape) - 1]
        return [norm(shape[0]), _layer(rng, shape), activation]
    if kind == 4:
        return [nn.LayerNorm(shape), _layer(rng, shape), activation]
    if kind == 5 and len(shape) == 3:
        return [_local(rng, shape), activation]
    return [_layer(rng, shape), activation]


def _same(rng: np.random.Generator, shape: tuple[int, ...]) -> nn.Module:
    """A layer that keeps the shape."""
    if len(shape) == 1:
        return nn.Linear(shape[0], shape[0], bias=bool(rng.integers(2)))
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(shape) - 2]
    mode = str(rng.choice(["zeros", "reflect", "replicate", "circular"]))
    kernel = int(rng.integers(1, 4)) if min(shape[1:]) > 2 else 1
    if len(shape) == 4 and mode == "reflect":
        mode = "zeros"
    groups = shape[0] if rng.random() < 0.3 else 1
    return kind(shape[0], shape[0], kernel, padding="same", padding_mode=mode, groups=groups)


def _layer(rng: np.random.Generator, shape: tuple[int, ...]) -> nn.Module:
    if len(shape) == 1:
        return nn.Linear(shape[0], int(rng.integers(1, 7)), bias=bool(rng.integers(2)))
    dimensions, size = len(shape) - 1, shape[1:]
    groups = shape[0] if rng.random() < 0.3 else 1
    channels = groups * int(rng.integers(1, 4))
    stride = [int(s) for s in rng.integers(1, 3, dimensions)]
    bias = bool(rng.integers(2))
    if rng.random() < 0.3 and max(size) < 7:
        kind = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[dimensions - 1]
        kernel = [int(k) for k in rng.integers(1, 4, dimensions)]
        padding = [int(rng.integers(0, (k - 1) // 2 + 1)) for k in kernel]
        extra = [int(rng.integers(0, s)) for s in stride]
        return kind(shape[0], channels, kernel, stride, padding, extra, groups=groups, bias=bias)
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1]
    kernel = [int(rng.integers(1, min(4, s + 1))) for s in size]
    dilation = [
        2 if 2 * (k - 1) + 1 <= s and rng.random() < 0.3 else 1
        for k, s in zip(kernel, size, strict=True)
    ]
    padding = [int(rng.integers(0, 2)) for _ in size]
    return kind(shape[0], channels, kernel, stride, padding, dilation, groups, bias)


def _local(rng: np.random.Generator, shape: tuple[int, ...]) -> nn.Module:
    kernel = [int(rng.integers(1, min(3, s) + 1)) for s in shape[1:]]
    padding = str(rng.choice(["same", "valid"]))
    return LocallyConnected2d(shape, int(rng.integers(1, 3)), kernel, stride=1, padding=padding)
