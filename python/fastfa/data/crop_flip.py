"""Crops and mirror images: more training examples from photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from .. import _check
from .._attributes import immutable
from .distortion import Distortion, images_of

_BLOCK = 512  # images that are padded at a time
_PURPOSE = 0x63726F70  # the second half of the key, so that nothing else has these numbers


@final
@immutable
@dataclass(frozen=True)
class CropFlip:
    """Random crops of images within a border, and random mirror images.

    An image gets a border of ``padding`` pixels on all sides, and a window of its own size is cut out at
    a random place: so it is shifted by up to ``padding`` pixels in each direction, whole pixels, each
    shift as likely as the others. Then left and right change places with probability ``flip``. All
    channels of an image go together. Given to a :class:`fastfa.Trainer` as ``augment=``, each epoch has
    crops of its own, which are made in another thread while the epoch before is trained.

    Parameters
    ----------
    padding : int
        Pixels of the border, from 0; 4 is usual for images of 32 by 32.
    flip : float
        From 0 to 1; 0 for digits and other things that their mirror image is not.
    fill : float
        What the border holds: the value of the background, after whatever was done to the inputs.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or not a number.

    Examples
    --------
    >>> import fastfa as fa, numpy as np
    >>> images = np.arange(8.0).reshape(2, 4)
    >>> fa.data.CropFlip(padding=0, flip=1)(images, (2, 2))
    array([[1., 0., 3., 2.],
           [5., 4., 7., 6.]])

    References
    ----------
    Lee, Xie, Gallagher, Zhang & Tu, International Conference on Artificial Intelligence and Statistics
    (2015); He, Zhang, Ren & Sun, Conference on Computer Vision and Pattern Recognition (2016), section
    4.2, for CIFAR-10.
    """

    _: KW_ONLY
    padding: int = 4
    flip: float = 0.5
    fill: float = 0.0

    def __post_init__(self) -> None:
        where = "CropFlip"
        padding = _check.integer(where, "padding", self.padding, 0, 10_000)
        object.__setattr__(self, "padding", padding)
        object.__setattr__(self, "flip", _check.real(where, "flip", self.flip, high=1.0))
        fill = _check.real(where, "fill", self.fill, low=-1e9, high=1e9)
        object.__setattr__(self, "fill", fill)

    def __call__(
        self, X: Any, shape: Sequence[int], *, seed: int = 0, epoch: int = 0, first: int = 0
    ) -> np.ndarray:
        """Crops of the images X, (N, …), each of ``shape`` (H, W) or (C, H, W).

        Which crop image i gets follows from (seed, epoch, first + i) alone, by Philox4x64-10. float32
        stays float32; anything else becomes float64.
        """
        images, seed, epoch, first = images_of("CropFlip", X, shape, seed, epoch, first)
        size = 2 * self.padding + 1
        key = np.array([seed, _PURPOSE], np.uint64)
        stream = np.random.Philox(key=key, counter=[first, epoch, 0, 0])
        words = stream.random_raw(4 * len(images)).reshape(len(images), 4)
        down, along = (words[:, :2] % np.uint64(size)).astype(np.intp).T  # even up to 2⁻⁶⁰
        mirrored = (words[:, 2] >> np.uint64(11)) * 2.0**-53 < self.flip
        made = np.empty_like(images)
        for begin in range(0, len(images), _BLOCK):
            own = slice(begin, begin + _BLOCK)
            made[own] = self._cropped(images[own], down[own], along[own])
        made[mirrored] = made[mirrored][..., ::-1]
        return made.reshape(np.shape(X))

    def _cropped(
        self, images: npt.NDArray[Any], down: npt.NDArray[np.intp], along: npt.NDArray[np.intp]
    ) -> npt.NDArray[Any]:
        border = [(0, 0), (0, 0), (self.padding, self.padding), (self.padding, self.padding)]
        padded = np.pad(images, border, constant_values=self.fill)
        windows = np.lib.stride_tricks.sliding_window_view(padded, images.shape[2:], axis=(2, 3))
        return windows[np.arange(len(images)), :, down, along]


AUGMENTATIONS = (Distortion, CropFlip)
