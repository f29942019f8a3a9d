"""Locally connected networks: cases for parity.py, given or drawn at random; and a small one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import fastfa as fa
import numpy as np
import reference_local
from parity import relative_error
from parity_cases import ALL_RULES, HIDDEN, OUTPUTS, Case, plain_case

BATCHES = [1, 2, 7, 16, 17, 33, 100, 130, 300]
# through a layer of patches: no mirror, no pseudoinverse, no B of its pattern in bf16; brsf's draws are
# the core's own
ABSENT = ("wm", "pbp", "pseudoinverse", "uniform bf16", "brsf")
THROUGH = [rule for rule in ALL_RULES if not rule.startswith(ABSENT)]


@dataclass(frozen=True)
class Patches:
    """What a locally connected layer of a Case is, besides its activation, bias, and so on."""

    maps: int
    kernel: int | tuple[int, int]
    stride: int | tuple[int, int] = 1
    padding: str = "valid"

    def layer(self, activation: str, **options) -> fa.LocallyConnected2D:
        return fa.LocallyConnected2D(
            self.maps,
            self.kernel,
            stride=self.stride,
            padding=self.padding,
            activation=activation,
            **options,
        )


def local_case(image: tuple[int, ...], local: Sequence[Patches], *dense: int, **changes) -> Case:
    """A plain_case of locally connected layers above an image, then dense ones."""
    image3 = (1, *image) if len(image) == 2 else image
    widths, shape = [int(np.prod(image))], image3
    for i, patches in enumerate(local):
        pattern = reference_local.of(patches.layer("linear"), shape)
        shape = pattern.shape[:3]
        assert min(shape) > 0, (image, local, i)
        widths.append(pattern.units)
    return plain_case((*widths, *dense), image=image, local=tuple(local), **changes)


def draw_kernel(shape, rng, most: int) -> tuple[tuple[int, int], tuple[int, int], str]:
    """Kernel (no side beyond ``most``), stride and padding above (C, H, W), half the time square."""
    kernel, stride = rng.integers(1, most + 1, 2), rng.integers(1, 4, 2)
    if rng.random() < 0.5:
        kernel, stride = kernel[[0, 0]], stride[[0, 0]]
    padding = ("valid", "same")[rng.integers(2)]
    if padding == "valid":
        kernel = np.minimum(kernel, shape[1:])
    return tuple(kernel.tolist()), tuple(stride.tolist()), padding


def draw_patches(shape, rng) -> tuple[Patches, tuple[int, int, int]]:
    """A layer that fits above (C, H, W), and its own shape."""
    kernel, stride, padding = draw_kernel(shape, rng, 6)
    patches = Patches(int(rng.integers(1, 10)), kernel, stride, padding)
    return patches, reference_local.of(patches.layer("linear"), shape).shape[:3]


def draw_stack(seed: int, batch: int, depth: int):
    """An image and layers above it, not more than the reference can do in a moment."""
    rng = np.random.default_rng([seed, batch, depth])
    while True:
        high = int(rng.choice([1, 3, 8, 15]))
        image = (int(rng.integers(1, 4)), *rng.integers(1, high + 1, 2).clip(1, 14).tolist())
        shapes, stack = [image], []
        for _ in range(depth):
            patches, shape = draw_patches(shapes[-1], rng)
            stack.append(patches)
            shapes.append(shape)
        sizes = [int(np.prod(shape)) for shape in shapes]
        if batch * sum(a * b for a, b in itertools.pairwise(sizes)) < 5e6:
            return (image[1:] if image[0] == 1 else image), stack, rng


def random_case(seed: int, batch: int, depth: int):
    """Everything about it drawn: shapes, rules, activations, biases, what is frozen, optimizer."""
    image, stack, rng = draw_stack(seed, batch, depth)
    adam = bool(rng.random() < 0.25)
    other = str(
        np.random.default_rng(seed + 1).choice(["", "", "", "nesterov", "adamw", "rmsprop"])
    )
    output = OUTPUTS[rng.integers(len(OUTPUTS))]
    # softmax's deltas sum to zero: what ±1 make of one or two of them is rounding error alone
    outputs = int(rng.integers(1, 6)) + 2 * (output[1] == "softmax")
    return local_case(
        image,
        stack,
        outputs,
        rules=[*rng.choice(THROUGH, depth - 1).tolist(), str(rng.choice(ALL_RULES[:8]))],
        hidden=rng.choice(HIDDEN, depth).tolist(),
        output=output,
        bias=(rng.random(depth + 1) < 0.7).tolist(),
        trainable=(rng.random(depth + 1) < 0.9).tolist(),
        momentum=max(float(rng.choice([0, 0.9])), 0.5 * (other == "nesterov")),
        weight_decay=float(rng.choice([0, 0.05])),
        adam=adam,
        other=other,
        reduction="mean" if adam else str(rng.choice(["mean", "sum"])),
        batch=batch,
        short=int(rng.integers(0, batch)),
        drive=str(rng.choice(["epoch", "step", "both"])),
        sparse=bool(rng.random() < 0.3),
    )


def draw_rows(seed: int) -> tuple[tuple[int, int, int], Patches]:
    """An image and a layer whose rows of units are about as long as one, two or three vectors."""
    rng = np.random.default_rng([seed, 16])
    kernel = rng.integers(1, 7, 2)
    down = int(rng.integers(1, 4))
    width = int(rng.choice([7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 40]))
    left_over = int(rng.integers(down))  # rows of the image in no patch
    height = int(rng.integers(0, 5)) * down + int(kernel[0]) + left_over
    image = (int(rng.integers(1, 4)), height, width + int(kernel[1]) - 1)
    return image, Patches(int(rng.integers(1, 14)), tuple(kernel.tolist()), (down, 1))


# ---- one small network for the other tests -----------------------------------------------------

SGD = fa.SGD(0.05, momentum=0.5, weight_decay=1e-3)


def network(feedback="fa", *, dtype="float64", seed=4, padding="same") -> fa.Network:
    """(2, 6, 5) to (3, 3, 5), to (5, 3, 5) or (5, 2, 4), and three outputs."""
    layers = [
        fa.LocallyConnected2D(3, (2, 3), stride=(2, 1), padding="same", activation="tanh"),
        fa.LocallyConnected2D(5, 2, padding=padding, activation="logistic"),
        fa.Dense(3, "linear"),
    ]
    return fa.Network((2, 6, 5), layers, feedback, seed=seed, dtype=dtype)


def examples(rng, count=20, dtype="float64"):
    return rng.standard_normal((count, 2, 6, 5)).astype(dtype), rng.random((count, 3)).astype(dtype)


def assert_alike(left: fa.Network, right: fa.Network, x, y, bound: float) -> None:
    for a, b in zip(
        [*left.weights, *left.biases, *left.deltas(x, y)],
        [*right.weights, *right.biases, *right.deltas(x, y)],
        strict=True,
    ):
        assert relative_error(a, np.asarray(b, float)) <= bound
