"""Elastic distortions: more training examples from the ones there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, final

import numpy as np

from .. import _check, _core
from .._attributes import immutable


@final
@immutable
@dataclass(frozen=True)
class Distortion:
    """Random elastic distortions of images, with small translations, rotations and scalings.

    Each pixel shows what the image has a random distance away: two fields of U(−1, 1), one for each
    direction, smoothed by a Gaussian of standard deviation ``sigma`` and multiplied by ``alpha``, on
    top of one random affine map for the image, about its centre; between pixels bilinearly. Given to
    a :class:`fastfa.Trainer` as ``augment=``, each epoch is trained on distortions of its own, which
    are made in another thread while the epoch before is trained.

    Parameters
    ----------
    alpha, sigma : float
        In pixels; alpha 0 leaves elastic distortion out. 34 and 4 are Simard's.
    translate : float
        Pixels: shifts are U(−translate, translate) in each direction.
    rotate : float
        Degrees: angles are U(−rotate, rotate).
    scale : float
        Below 1: sizes are U(1 − scale, 1 + scale).
    fill : float
        What lies outside the image: the value of the background, after whatever was done to the inputs.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or not a number.

    References
    ----------
    Simard, Steinkraus & Platt, International Conference on Document Analysis and Recognition (2003);
    used by Lillicrap et al. (2016), supplement, Note 5.
    """

    _: KW_ONLY
    alpha: float = 34.0
    sigma: float = 4.0
    translate: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    fill: float = 0.0

    def __post_init__(self) -> None:
        where = "Distortion"
        limits = {
            "alpha": (0.0, 1e4),
            "sigma": (1e-3, 1e4),
            "translate": (0.0, 1e4),
            "rotate": (0.0, 180.0),
            "scale": (0.0, 0.99),
            "fill": (-1e9, 1e9),
        }
        for name, (low, high) in limits.items():
            value = _check.real(where, name, getattr(self, name), low=low, high=high)
            object.__setattr__(self, name, value)

    def __call__(
        self, X: Any, shape: Sequence[int], *, seed: int = 0, epoch: int = 0, first: int = 0
    ) -> np.ndarray:
        """Distorted copies of the images X, (N, …), each of ``shape`` (H, W) or (C, H, W).

        Which distortion image i gets is a Philox stream of (seed, epoch, first + i). float32 stays
        float32; anything else becomes float64.
        """
        images, seed, epoch, first = images_of("Distortion", X, shape, seed, epoch, first)
        how = _core.Distortion(
            alpha=self.alpha,
            sigma=self.sigma,
            translate=self.translate,
            rotate=self.rotate,
            scale=self.scale,
            fill=self.fill,
        )
        return _core.distort(images, how, seed, epoch, first).reshape(np.shape(X))


def images_of(
    where: str, X: Any, shape: Sequence[int], seed: int, epoch: int, first: int
) -> tuple[np.ndarray, int, int, int]:
    """X as (N, C, H, W), C-contiguous, float32 or float64; the other arguments checked.

    Raises
    ------
    ValueError, TypeError
        If X isn't whole images of this shape, this looks like (H, W, C), or a number is out of range.
    """
    x = _check.real_numbers(where, "X", X)
    x = _check.contiguous(x, np.float32 if x.dtype == np.float32 else np.float64)
    image = tuple(shape)
    if len(image) not in (2, 3) or math.prod(image) * len(x) != x.size:
        raise ValueError(
            f"[{where}] X has shape {np.shape(X)} and shape was {image}; shape must be (H, W) or "
            "(C, H, W), and X hold whole images of it"
        )
    if _check.channels_last(image):
        raise ValueError(
            f"[{where}] shape was {image}, which looks like (H, W, C); it must be (C, H, W), with the "
            "images laid out so: X.transpose(0, 3, 1, 2)"
        )
    seed = _check.integer(where, "seed", seed, 0, 2**64 - 1)
    epoch = _check.integer(where, "epoch", epoch, 0, 2**32 - 1)
    first = _check.integer(where, "first", first, 0, 2**40)
    channels = image[0] if len(image) == 3 else 1
    return x.reshape(len(x), channels, *image[-2:]), seed, epoch, first
