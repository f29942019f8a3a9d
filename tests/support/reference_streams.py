"""The random streams in NumPy: Philox4x32-10, and what is drawn from it.

Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011). A stream is
(seed, purpose, layer): the key is the seed, the counter (block, purpose, layer). Element i of a
matrix is always its row-major one.
"""

from __future__ import annotations

import numpy as np

WEIGHTS, FEEDBACK, SHUFFLE, MASK, STRUCTURE, SIGNS, REDRAW, MIRROR, PERTURBATION = range(1, 10)
_MASK = np.uint64(0xFFFFFFFF)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_STEPS = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)  # golden ratio, sqrt(3) - 1


def philox4x32(counter, key, rounds: int = 10) -> np.ndarray:
    """Philox4x32 of counters (..., 4) under one key (2,): words (..., 4) as uint64 below 2^32."""
    c0, c1, c2, c3 = np.moveaxis(np.asarray(counter, dtype=np.uint64), -1, 0)
    k0, k1 = (np.uint64(k) for k in key)
    for _ in range(rounds):
        p0, p1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2  # 32 x 32 -> 64 bits, exact
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ k0,
            p1 & _MASK,
            (p0 >> np.uint64(32)) ^ c3 ^ k1,
            p0 & _MASK,
        )
        k0, k1 = (k0 + _KEY_STEPS[0]) & _MASK, (k1 + _KEY_STEPS[1]) & _MASK
    return np.stack([c0, c1, c2, c3], axis=-1)


def blocks_at(index, seed: int, purpose: int, layer: int) -> np.ndarray:
    """The blocks (..., 4) whose numbers are ``index`` (...) in the stream (seed, purpose, layer)."""
    index = np.asarray(index, dtype=np.uint64)
    constant = np.full(index.shape, purpose, np.uint64), np.full(index.shape, layer, np.uint64)
    counter = np.stack([index & _MASK, index >> np.uint64(32), *constant], axis=-1)
    return philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32))


def blocks(count: int, seed: int, purpose: int, layer: int) -> np.ndarray:
    """The first ``count`` four-word blocks (count, 4) of the stream (seed, purpose, layer)."""
    return blocks_at(np.arange(count, dtype=np.uint64), seed, purpose, layer)


def words(count: int, seed: int, purpose: int, layer: int) -> np.ndarray:
    """The first ``count`` 32-bit words of the stream: word w is word w % 4 of block w // 4."""
    return blocks((count + 3) // 4, seed, purpose, layer).reshape(-1)[:count]


def unit_doubles(count: int, seed: int, purpose: int, layer: int) -> np.ndarray:
    """``count`` doubles in [0, 1) with 53 random bits, two per block."""
    w = blocks((count + 1) // 2, seed, purpose, layer)
    pairs = w.reshape(-1, 2)  # (w0, w1), (w2, w3), ...
    bits = ((pairs[:, 0] >> np.uint64(5)) << np.uint64(26)) + (pairs[:, 1] >> np.uint64(6))
    return (bits.astype(np.float64) / 2.0**53)[:count]


def kept(shape: tuple[int, ...], density: float, seed: int, purpose: int, layer: int) -> np.ndarray:
    """True with probability ``density``, row-major."""
    return unit_doubles(int(np.prod(shape)), seed, purpose, layer).reshape(shape) < density


def uniform(
    shape: tuple[int, ...], scale: float, seed: int, purpose: int, layer: int
) -> np.ndarray:
    """U(-scale, scale), row-major."""
    u = unit_doubles(int(np.prod(shape)), seed, purpose, layer)
    return (scale * (2 * u - 1)).reshape(shape)


def normal(shape: tuple[int, ...], sd: float, seed: int, purpose: int, layer: int) -> np.ndarray:
    """N(0, sd²), row-major, by Box and Muller."""
    count = int(np.prod(shape))
    u = unit_doubles(count + count % 2, seed, purpose, layer).reshape(-1, 2)
    r, angle = np.sqrt(-2 * np.log(1 - u[:, 0])), 2 * np.pi * u[:, 1]
    pairs = np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1)
    return (sd * pairs.reshape(-1)[:count]).reshape(shape)


def signs(shape: tuple[int, int], seed: int, purpose: int, layer: int) -> np.ndarray:
    """±1: row j, column k from bit j % 32 of word (j // 32) columns + k; a 1 is +1."""
    rows, columns = shape
    w = words((rows + 31) // 32 * columns, seed, purpose, layer).reshape(-1, columns)
    j = np.arange(rows)
    bits = (w[j // 32] >> (j % 32).astype(np.uint64)[:, None]) & np.uint64(1)
    return 2.0 * bits.astype(np.float64) - 1.0


def signed_bytes(shape: tuple[int, int], seed: int, purpose: int, layer: int) -> np.ndarray:
    """Signed 8-bit numbers (rows, columns): 16 columns to a block, block j + 2^32 (k // 16)."""
    j, k = np.indices(shape).astype(np.uint64)
    w = blocks_at(j + ((k >> np.uint64(4)) << np.uint64(32)), seed, purpose, layer)
    i = k & np.uint64(15)
    word = np.take_along_axis(w, (i >> np.uint64(2)).astype(np.int64)[..., None], axis=-1)[..., 0]
    byte = (word >> (np.uint64(8) * (i & np.uint64(3)))) & np.uint64(0xFF)
    return byte.astype(np.uint8).view(np.int8).astype(np.float64)


def step_units(shape: tuple[int, int], seed: int, purpose: int, layer: int, step: int):
    """Numbers in (0, 1) that are new at every step: four rows to a block, block k + 2^32 (j // 4).

    The layer's index travels in the purpose word, above its low 8 bits; the step in the layer word.
    """
    j, k = np.indices(shape).astype(np.uint64)
    w = blocks_at(
        k + ((j >> np.uint64(2)) << np.uint64(32)), seed, purpose | layer << 8, step & 0xFFFFFFFF
    )
    word = np.take_along_axis(w, (j & np.uint64(3)).astype(np.int64)[..., None], axis=-1)[..., 0]
    return (word.astype(np.float64) + 0.5) / 2.0**32


def step_uniform(shape: tuple[int, int], scale: float, seed: int, layer: int, step: int):
    """The weight mirror's noise: U(-scale √3, scale √3), so that its variance is scale²."""
    return scale * np.sqrt(3) * (2 * step_units(shape, seed, MIRROR, layer, step) - 1)


def step_normal(shape: tuple[int, int], sd: float, seed: int, layer: int, step: int) -> np.ndarray:
    """Node perturbation's noise N(0, sd²): Box and Muller on rows (0, 1), (2, 3), …"""
    rows, columns = shape
    u = step_units((rows + rows % 2, columns), seed, PERTURBATION, layer, step)
    r, angle = np.sqrt(-2 * np.log(u[0::2])), 2 * np.pi * u[1::2]
    pairs = np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1)  # (pairs, 2, columns)
    return sd * pairs.reshape(-1, columns)[:rows]


def permutation(n: int, seed: int, epoch: int, purpose: int = SHUFFLE) -> np.ndarray:
    """Fisher-Yates from the top; draw k chooses j = floor((i + 1) w / 2^64)."""
    # Python integers: the product below needs 128 bits
    drawn = blocks(n // 2 + 1, seed, purpose, epoch).tolist()
    result = list(range(n))
    for k, i in enumerate(range(n - 1, 0, -1)):
        low, high = drawn[k // 2][2 * (k % 2) : 2 * (k % 2) + 2]
        j = ((i + 1) * (low | high << 32)) >> 64
        result[i], result[j] = result[j], result[i]
    return np.array(result, dtype=np.int64)
