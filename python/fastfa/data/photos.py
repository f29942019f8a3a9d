"""Digits over photographs: a set like mnist-back-image, made here, for where that is gone.

Larochelle et al. (2007) put patches of 20 photographs from the internet behind the digits of MNIST,
drawn at random and passed over if they had little texture. Here the photographs are those that
scikit-image carries. It is another set: errors on it do not compare with published ones on
mnist-back-image.
"""

from __future__ import annotations

import hashlib
from importlib import metadata

import numpy as np
import numpy.typing as npt

from .. import _check
from .dataset import Dataset, Split

_SIDE = 28
_LEAST_SD = 16  # grey levels; a patch with less has too little texture
_BLOCK = 2048
# PNG files, which every decoder decodes to the same bytes; each is in the wheel of scikit-image.
_PHOTOGRAPHS = ("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel")
_SHA256 = "b8989d82c31a6eae3240f8e852c9252ffbcd2aca483e4228f834206043f8d3a6"


def photo_background(base: Dataset, seed: int = 0) -> Dataset:
    """Put a patch of a photograph behind each image of a dataset.

    A patch is drawn among all places of all photographs where 28×28 grey levels have a standard
    deviation of 16 of 255 or more: raw words of NumPy's Philox, seeded by (`seed`, part), modulo the
    number of places. What is drawn depends on `seed` and the example's position alone, and never
    changes from one NumPy to the next. The image is the ink: with digit d and patch p in [0, 1] the
    result is d + (1 − d) p. The part and the places are those of `base`, so that for MNIST
    60,000 images are for training and 10,000 for testing; both draw from the same photographs.

    Parameters
    ----------
    base : Dataset
        Of images (1, 28, 28) from 0 to 1: ``load("mnist")`` or ``load("mnist-mini")``.
    seed : int
        Another seed, other backgrounds.

    Returns
    -------
    Dataset
        Called ``<base.name>-photo-background``. ``x`` is float32 (N, 784) from 0 to 1; labels are
        copied from `base`.

    Raises
    ------
    ImportError
        scikit-image is not installed.
    ValueError
        `base` holds other images, `seed` is negative, or scikit-image's photographs are not those
        that this function knows.
    """
    _check.integer("photo_background", "seed", seed, 0, 2**63)
    if not isinstance(base, Dataset):
        raise TypeError(f"[photo_background] base was {base!r}; it must be a Dataset")
    for part in (base.train, base.test):
        if part.image_shape != (1, _SIDE, _SIDE) or (part.x < 0).any() or (part.x > 1).any():
            raise ValueError(
                f"[photo_background] base holds images {part.image_shape} from {part.x.min():g} "
                f"to {part.x.max():g}; they must be (1, {_SIDE}, {_SIDE}) from 0 to 1"
            )
    photographs = _photographs()
    places = [_textured(photograph) for photograph in photographs]
    train, test = (
        _compose(part, photographs, places, np.random.Philox([seed, which]))
        for which, part in enumerate((base.train, base.test))
    )
    return Dataset(
        f"{base.name}-photo-background",
        train,
        test,
        base.classes,
        base.image_shape,
        base.class_names,
    )


def _photographs() -> list[npt.NDArray[np.uint8]]:
    """The photographs in grey (Rec. 601 weights, whole numbers), checked to be the known ones."""
    try:
        import skimage
        import skimage.data
    except ImportError as error:
        raise ImportError(
            "[photo_background] scikit-image is not installed; get it with: "
            "pip install 'fastfa[photos]'"
        ) from error
    grey = []
    digest = hashlib.sha256()
    for name in _PHOTOGRAPHS:
        pixels = np.asarray(getattr(skimage.data, name)(), np.uint8)
        if pixels.ndim == 3:
            weighted = pixels[..., :3] @ np.array([299, 587, 114], np.uint32)
            pixels = ((weighted + 500) // 1000).astype(np.uint8)
        grey.append(pixels)
        digest.update(f"{name}{pixels.shape}".encode() + pixels.tobytes())
    if digest.hexdigest() != _SHA256:
        raise ValueError(
            "[photo_background] the photographs of scikit-image "
            f"{metadata.version('scikit-image')} have SHA-256 {digest.hexdigest()}; it must be "
            f"{_SHA256} for the set to be the same everywhere"
        )
    return grey


def _textured(photograph: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Where patches with texture begin, as positions in the photograph read row by row."""
    count = _SIDE * _SIDE

    def sums(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        table = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
        tops, bottoms = table[:-_SIDE], table[_SIDE:]
        return bottoms[:, _SIDE:] - bottoms[:, :-_SIDE] - tops[:, _SIDE:] + tops[:, :-_SIDE]

    values = photograph.astype(np.int64)
    # n² times the variance, in whole numbers, so that no rounding decides.
    textured = count * sums(values**2) - sums(values) ** 2 >= (count * _LEAST_SD) ** 2
    row, column = np.nonzero(textured)
    return row * photograph.shape[1] + column


def _compose(
    part: Split,
    photographs: list[npt.NDArray[np.uint8]],
    places: list[npt.NDArray[np.int64]],
    source: np.random.Philox,
) -> Split:
    """Each example over a patch of its own."""
    ends = np.cumsum([len(each) for each in places])
    drawn = (source.random_raw(len(part)) % np.uint64(ends[-1])).astype(np.int64)
    which = np.searchsorted(ends, drawn, side="right")
    windows = [np.lib.stride_tricks.sliding_window_view(p, (_SIDE, _SIDE)) for p in photographs]
    x = np.empty((len(part), _SIDE * _SIDE), np.float32)
    for begin in range(0, len(part), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        patches = np.empty((len(x[block]), _SIDE, _SIDE), np.float32)
        for at, (photograph, place) in enumerate(zip(which[block], drawn[block], strict=True)):
            inside = place - (ends[photograph - 1] if photograph else 0)
            position = divmod(places[photograph][inside], photographs[photograph].shape[1])
            patches[at] = windows[photograph][position]
        digits = part.x[block]
        x[block] = digits + (1 - digits) * (patches.reshape(len(patches), -1) / np.float32(255))
    return Split(x, part.labels.copy(), part.image_shape)
