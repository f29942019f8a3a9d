"""Mel-frequency cepstral coefficients of speech, with their first two derivatives.

In the way of HTK (S. Young et al., The HTK Book, chapter 5), whose front end the literature on
TIMIT mostly uses. No library is needed for it: a spectrum, a matrix of triangles, a logarithm and
a matrix of cosines.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _check

RATE = 16_000  # samples a second
HOP = 160  # 10 ms between frames
WINDOW = 400  # 25 ms of signal in each
_FFT = 512
_FILTERS = 26
_COEFFICIENTS = 13
_PRE_EMPHASIS = 0.97


def mfcc(signal: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Features of a signal of 16,000 samples a second, a frame each 10 ms.

    Frame i stands for the samples from 160 i to 160 (i + 1); its window of 25 ms is centred on them
    (with zeros before the beginning and after the end). Pre-emphasis 0.97, Hamming window, power
    spectrum of 512 points, 26 triangular filters equally spaced in mel = 2595 log10(1 + f / 700) from
    0 to 8000 Hz, logarithm, type-II cosine transform scaled by √(2/26), coefficients 0 to 12. The
    derivatives are slopes over five frames, with the first and last frame repeated (HTK Book, 5.9);
    the second is that of the first. Cepstral liftering, a constant factor for each coefficient, is
    left out: `normalise(..., per_feature=True)` would undo it.

    Parameters
    ----------
    signal : array_like, shape (samples,)
        In the numbers of 16-bit sound, from -32768 to 32767. Loudness is coefficient 0.

    Returns
    -------
    ndarray, shape (samples // 160, 39), float32
        13 coefficients, 13 first and 13 second derivatives. A rest below 10 ms is left out.

    Raises
    ------
    ValueError, TypeError
        `signal` is not of real numbers, not one-dimensional, not finite, or shorter than a frame.
    """
    samples = _check.real_numbers("mfcc", "signal", signal).astype(np.float64)
    if samples.ndim != 1 or len(samples) < HOP or not np.isfinite(samples).all():
        raise ValueError(
            f"[mfcc] signal has shape {samples.shape}; it must be ({HOP} or more,) and finite"
        )
    emphasised = samples - _PRE_EMPHASIS * np.concatenate([samples[:1], samples[:-1]])
    margin = (WINDOW - HOP) // 2
    padded = np.pad(emphasised, (margin, margin + WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][: len(samples) // HOP]
    power = np.abs(np.fft.rfft(frames * np.hamming(WINDOW), _FFT)) ** 2
    filters, cosines = _matrices()
    # Below the energy of rounding 16-bit numbers there is only the silence of zeros.
    energies = np.maximum(power @ filters, 1e-3)
    cepstra = np.log(energies) @ cosines
    slopes = _slopes(cepstra)
    return np.concatenate([cepstra, slopes, _slopes(slopes)], axis=1, dtype=np.float32)


def _slopes(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The least-squares slope over two frames before and two after."""
    wide = np.pad(values, ((2, 2), (0, 0)), mode="edge")
    return (2 * (wide[4:] - wide[:-4]) + (wide[3:-1] - wide[1:-3])) / 10


@functools.cache
def _matrices() -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """From a power spectrum to filters, and from their logarithms to cepstra."""

    def mel(frequency: npt.NDArray[Any] | float) -> Any:
        return 2595 * np.log10(1 + np.asarray(frequency) / 700)

    centres = np.linspace(0, mel(RATE / 2), _FILTERS + 2)
    position = mel(np.arange(_FFT // 2 + 1) * RATE / _FFT)[:, None]
    rising = (position - centres[:-2]) / np.diff(centres)[:-1]
    falling = (centres[2:] - position) / np.diff(centres)[1:]
    filters = np.maximum(np.minimum(rising, falling), 0)
    angles = (np.arange(_FILTERS)[:, None] + 0.5) * np.arange(_COEFFICIENTS) * np.pi / _FILTERS
    return filters, np.sqrt(2 / _FILTERS) * np.cos(angles)
