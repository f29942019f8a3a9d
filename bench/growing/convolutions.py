"""The axes of convolutional networks: maps, kernel, image and batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fastfa as fa

Train = Callable[[int], None]
Trainer = Callable[..., Train]
_MAPS = [4, 8, 16, 32, 64, 128]
_KERNELS = [1, 3, 5, 7, 9, 11]
_IMAGES = [8, 12, 16, 24, 32, 48, 64]
_BATCHES = [2**k for k in range(9)]  # 1 … 256


def axes(trainer: Trainer, some: Callable[[list, bool], list]) -> dict[str, Any]:
    """By name: what is varied, and its lines. Two convolutions of `maps` maps, then ten outputs."""

    def net(maps: int = 16, kernel: int = 3, image: int = 28, batch: int = 32) -> Train:
        convs = [
            fa.Conv2D(maps, kernel, padding="same", activation="relu", bias=True) for _ in range(2)
        ]
        made = fa.Network((1, image, image), [*convs, fa.AvgPool2D(4), fa.Dense(10)], "fa")
        return trainer(made, image * image, 10, batch)

    def line(sizes: list, make: Callable[[int], Train]) -> Callable[[bool], Any]:
        return lambda quick: {"fa": (some(sizes, quick), make)}

    lines = {
        "maps": ("maps", line(_MAPS, lambda n: net(maps=n))),
        "kernel": ("width of the kernel", line(_KERNELS, lambda n: net(kernel=n))),
        "image": ("width of the image", line(_IMAGES, lambda n: net(image=n))),
        "conv-batch": ("batch", line(_BATCHES, lambda n: net(batch=n))),
    }
    what = "two convolutions: 16 maps of 3×3 on 28×28, batch 32"
    return {
        name: (lambda quick, by=by, of=of: (f"{what}, by {by}", of(quick)))
        for name, (by, of) in lines.items()
    }
