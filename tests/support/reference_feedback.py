"""Every feedback matrix in float64 NumPy, drawn from its own stream; see reference_streams.py.

``of(net)`` gives the Feedback of each hidden layer of a ``fastfa.Network``. What is stored is copied,
for it may have been written or learned; all else is drawn or computed here, from the description.
What depends on W or on the step is computed anew whenever it is asked for, from the weights given.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import reference_local
import reference_streams as streams
from bf16_cases import rounded
from reference_streams import FEEDBACK, REDRAW, SIGNS, STRUCTURE

Matrix = np.ndarray | Callable[[np.ndarray, int], np.ndarray] | None


@dataclass
class Feedback:
    """Where a layer's error comes from and what carries it.

    ``matrix`` is B (n_l, n_source), or a function of the weights above and the step that gives it;
    ``None`` is Wᵀ of the layer above. ``plasticity`` is None, "kolen_pollack", or an object with
    the fields of WeightMirror below: a weight mirror. ``zero``: nothing is sent. With a ``pattern``,
    the locally connected layer above, ``matrix`` is shaped as that layer's weights, and B has it where
    the layer connects.
    """

    matrix: Matrix = None
    route: str = "layerwise"
    plasticity: object = None
    pattern: reference_local.Local | None = None
    zero: bool = False

    def at(self, w: np.ndarray, step: int) -> np.ndarray:
        """B (n_l, n_source) at one moment; ``w`` is W (n_(l+1), n_l) of the layer above."""
        if self.matrix is None:
            return w.T
        if self.pattern is not None:
            return self.pattern.dense(self.matrix).T
        return self.matrix(w, step) if callable(self.matrix) else self.matrix

    def kept(self, b: np.ndarray) -> np.ndarray:
        """What of an (n_l, n_source) matrix belongs to B, shaped as ``matrix``."""
        return b if self.pattern is None else self.pattern.kept(b.T)


@dataclass
class Pseudoinverse:
    """W⁺, computed at first use, and anew every ``refresh`` steps from then on."""

    refresh: int = 1
    last: np.ndarray | None = None
    made: int = 0  # the step at which it was computed

    def __call__(self, w: np.ndarray, step: int) -> np.ndarray:
        if self.last is None or self.refresh == 1 or step >= self.made + self.refresh:
            self.last, self.made = np.linalg.pinv(w), step
        return self.last


PATTERNED = ("uniform", "sign")  # what keeps the pattern of a locally connected layer above

# --- drawn matrices -----------------------------------------------------------------------------


def uniform(shape, scale, seed, layer, fb) -> np.ndarray:
    """U(-β, β)."""
    return streams.uniform(shape, scale, seed, FEEDBACK, layer)


def normal(shape, scale, seed, layer, fb) -> np.ndarray:
    """N(0, sd²)."""
    return streams.normal(shape, scale, seed, FEEDBACK, layer)


def orthogonal(shape, scale, seed, layer, fb) -> np.ndarray:
    """sd √max(n_l, n_source) Q; Q from the QR of a normal matrix with diag(R) > 0."""
    g = streams.normal(shape, 1.0, seed, FEEDBACK, layer)
    q, r = np.linalg.qr(g if shape[0] >= shape[1] else g.T)
    q = q * np.sign(np.diag(r))
    return scale * np.sqrt(max(shape)) * (q if shape[0] >= shape[1] else q.T)


def sparse(shape, scale, seed, layer, fb) -> np.ndarray:
    """``uniform``'s elements, of which a share ``density`` is kept."""
    keep = streams.kept(shape, density_of(fb), seed, STRUCTURE, layer)
    return uniform(shape, scale, seed, layer, fb) * keep


def low_rank(shape, scale, seed, layer, fb) -> np.ndarray:
    """sd U V / √r; U (n_l, r), then V (r, n_source), from one normal stream."""
    (n, m), r = shape, fb.rank
    g = streams.normal(((n + m) * r,), 1.0, seed, FEEDBACK, layer)
    u, v = g[: n * r].reshape(n, r), g[n * r :].reshape(r, m)
    return scale * (u @ v) / np.sqrt(r)


def binary(shape, scale, seed, layer, fb) -> np.ndarray:
    """±β."""
    return scale * streams.signs(shape, seed, FEEDBACK, layer)


def ternary(shape, scale, seed, layer, fb) -> np.ndarray:
    """``binary``'s elements, of which a share ``density`` is kept."""
    keep = streams.kept(shape, density_of(fb), seed, STRUCTURE, layer)
    return binary(shape, scale, seed, layer, fb) * keep


def hadamard(shape, scale, seed, layer, fb) -> np.ndarray:
    """β H[r_j, c_k] s_k: random rows and columns of the Walsh–Hadamard matrix, random signs."""
    n, m = shape
    size = 1 << (max(n, m) - 1).bit_length()
    r = streams.permutation(size, seed, layer, FEEDBACK)[:n]
    c = streams.permutation(size, seed, layer, STRUCTURE)[:m]
    k = np.arange(m)
    w = streams.words((m + 31) // 32, seed, SIGNS, layer)
    s = 2.0 * ((w[k // 32] >> (k % 32).astype(np.uint64)) & np.uint64(1)).astype(float) - 1
    odd = r[:, None] & c[None, :]
    for shift in (32, 16, 8, 4, 2, 1):  # folds all bits onto the lowest: their number modulo 2
        odd = odd ^ odd >> shift
    return scale * (1 - 2 * (odd & 1)) * s


def procedural(shape, scale, seed, layer, fb) -> np.ndarray:
    """β (i + ½) / 2⁷ with signed bytes i."""
    return scale * (streams.signed_bytes(shape, seed, FEEDBACK, layer) + 0.5) / 128


DRAWN = {
    f.__name__: f
    for f in (
        uniform,
        normal,
        orthogonal,
        sparse,
        low_rank,
        binary,
        ternary,
        hadamard,
        procedural,
    )
}


# --- scale --------------------------------------------------------------------------------------


def density_of(fb) -> float:
    """The share of elements that is not zero: given, or the matrix's default."""
    return fb.density if fb.density is not None else {"sparse": 0.5, "ternary": 2 / 3}[fb.matrix]


def normal_cdf(a: np.ndarray) -> np.ndarray:
    """Φ(a)"""
    return np.vectorize(lambda x: math.erfc(-x / math.sqrt(2)) / 2, otypes=[float])(a)


def normal_density(a: np.ndarray) -> np.ndarray:
    return np.exp(-(a**2) / 2) / np.sqrt(2 * np.pi)


def half_tanh(a: np.ndarray) -> np.ndarray:
    """The logistic function."""
    return 0.5 + 0.5 * np.tanh(a / 2)


# σ and σ′
SLOPES = {
    "linear": (lambda a: a, np.ones_like),
    "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "logistic": (
        lambda a: 0.5 + 0.5 * np.tanh(a / 2),
        lambda a: np.exp(-np.abs(a)) / (1 + np.exp(-np.abs(a))) ** 2,
    ),
    "relu": (lambda a: np.maximum(a, 0), lambda a: (a > 0) + 0.5 * (a == 0)),
    "leaky_relu": (
        lambda a: np.where(a > 0, a, a / 20),
        lambda a: np.where(a > 0, 1.0, 1 / 20),
    ),
    "hard_tanh": (lambda a: np.clip(a, -1, 1), lambda a: 1.0 * (np.abs(a) < 1)),
    "softplus": (lambda a: np.logaddexp(0, a), half_tanh),
    "elu": (
        lambda a: np.maximum(a, 0) + np.expm1(np.minimum(a, 0)),
        lambda a: np.exp(np.minimum(a, 0)),
    ),
    "gelu": (lambda a: a * normal_cdf(a), lambda a: normal_cdf(a) + a * normal_density(a)),
    "silu": (
        lambda a: a * half_tanh(a),
        lambda a: half_tanh(a) + a * half_tanh(a) * half_tanh(-a),
    ),
}


def expected_slopes(net) -> list[float]:
    """E[σ′(a)²] of each hidden layer, a ~ N(0, v); v = inputs of a unit · ω²/3 · E[h²] of the one below.

    The first one's inputs have a mean square of 1. By Gauss and Legendre on many short intervals.
    """
    nodes, weights = np.polynomial.legendre.leggauss(20)
    slopes, below = [], 1.0
    for layer, shape in zip(net.layers[:-1], net.shapes[:-2], strict=True):
        local = hasattr(layer, "maps")
        fan_in = shape[0] * np.prod(layer.kernel_size) if local else np.prod(shape)
        omega = 1 / np.sqrt(fan_in) if layer.weight_scale is None else layer.weight_scale
        variance = fan_in * getattr(layer, "density", 1.0) * omega**2 / 3 * below
        value, slope = SLOPES[layer.activation]
        near_0 = np.linspace(-40, 40, 161) / np.sqrt(variance)  # where σ′ changes; ±1 are among it
        edges = np.unique([*np.linspace(-12, 12, 2401), *near_0[abs(near_0) < 12]])
        half = np.diff(edges)[:, None] / 2
        z = (edges[:-1, None] + half + half * nodes).ravel()
        density = (half * weights).ravel() * normal_density(z)
        a = np.sqrt(variance) * z
        slopes.append(float(density @ slope(a) ** 2))
        below = float(density @ value(a) ** 2)
    return slopes


def variance_of(fb, widths: list[int], layer: int, pattern=None, slopes=None) -> float:
    """equal_error: mean square of B of hidden layer ``layer``; widths are n_0 … n_L.

    With a pattern, of its elements: a unit sends to n_l / (number of weights) of the units above.
    ``slopes`` are E[σ′²] of the hidden layers; None: 1, as for linear units.
    """
    n_out, n_top, top = widths[-1], widths[-2], len(widths) - 3
    slopes = [1.0] * (top + 1) if slopes is None or fb.scale == "equal_before_slope" else slopes
    default = np.sqrt(slopes[top] * n_out / (3 * n_top))
    gain = default if fb.gain is None else fb.gain
    growth = 1.0 if fb.growth is None else fb.growth
    sources = n_out if fb.route != "layerwise" else widths[layer + 2]
    if pattern is not None:
        sources = np.prod(pattern.shape) / widths[layer + 1]
    below = fb.route == "layerwise" and layer < top
    wanted = growth if below else gain * growth ** (top - layer)
    return wanted**2 / (sources * slopes[layer])


def scale_of(fb, widths: list[int], layer: int, pattern=None, slopes=None) -> float:
    """β, or the standard deviation: as given, or what gives the elements that mean square."""
    if isinstance(fb.scale, int | float):
        return float(fb.scale)
    v = variance_of(fb, widths, layer, pattern, slopes)
    if fb.matrix in ("uniform", "procedural"):
        return np.sqrt(3 * v)
    if fb.matrix == "sign":
        return np.sqrt(v if fb.magnitude == "uniform" else 3 * v)
    if fb.matrix == "sparse":
        return np.sqrt(3 * v / density_of(fb))
    return np.sqrt(v / density_of(fb)) if fb.matrix == "ternary" else np.sqrt(v)


# --- of a network -------------------------------------------------------------------------------


def sign(fb, shape, scale: float, seed: int, layer: int, pattern=None) -> Matrix:
    """scale sign(Wᵀ); |U(-scale, scale)| ∘ sign(Wᵀ), drawn once; or drawn anew for every batch."""
    if fb.magnitude == "uniform":
        return lambda w, step: scale * np.sign(w.T)
    if fb.magnitude == "fixed":
        drawn = shape if pattern is None else pattern.shape
        magnitude = np.abs(streams.uniform(drawn, scale, seed, FEEDBACK, layer))
        magnitude = magnitude if pattern is None else pattern.dense(magnitude).T
        return lambda w, step: magnitude * np.sign(w.T)
    return lambda w, step: (
        scale * streams.step_units(shape, seed, REDRAW, layer, step) * np.sign(w.T)
    )


def custom(fb, n_source: int) -> np.ndarray:
    """B of the user's own object, from what it makes of unit vectors."""
    return np.asarray(fb.matrix.propagate(np.eye(n_source)), dtype=np.float64).T


def matrix_of(fb, widths: list[int], seed: int, layer: int, pattern=None, slopes=None) -> Matrix:
    """What a ``fastfa.Feedback`` that can't be written to is in a hidden layer; see Feedback.matrix."""
    shape = (widths[layer + 1], widths[layer + 2] if fb.route == "layerwise" else widths[-1])
    if hasattr(fb.matrix, "propagate"):
        return custom(fb, shape[1])
    if fb.matrix == "transpose":
        return None
    if fb.matrix == "pseudoinverse":
        return Pseudoinverse(fb.refresh)
    if fb.matrix == "zero":
        return np.zeros(shape)
    if fb.storage == "bf16":  # a float32 network's, rounded
        like = fb._changed(storage=None)
        whole = (
            fb.array if fb.matrix == "array" else matrix_of(like, widths, seed, layer, None, slopes)
        )
        return rounded(np.float32(whole))
    scale = scale_of(fb, widths, layer, pattern, slopes)
    if fb.matrix == "sign":
        return sign(fb, shape, scale, seed, layer, pattern)
    if pattern is not None:
        return uniform(pattern.shape, scale, seed, layer, fb)
    return DRAWN[fb.matrix](shape, scale, seed, layer, fb)


def plasticity_of(fb) -> object:
    """None, "kolen_pollack", or a weight mirror with the fields of WeightMirror."""
    if fb.plasticity == "weight_mirror":
        return WeightMirror()
    return None if fb.plasticity == "fixed" else fb.plasticity


@dataclass(frozen=True)
class WeightMirror:
    """The defaults of the name "weight_mirror"."""

    growth: float | None = 0.01
    decay: float | None = 0.0
    noise: float = 0.1 / np.sqrt(12)  # of U(-.05, .05)
    every: int = 1
    centred: bool = False


def of(net) -> list[Feedback]:
    """The Feedback of each hidden layer of a ``fastfa.Network``; [] under node perturbation."""
    if not isinstance(net.feedback, tuple):
        return []
    widths = [int(np.prod(shape)) for shape in net.shapes]
    state, slopes, result = net.state_dict(), expected_slopes(net), []
    for layer, (fb, b) in enumerate(zip(net.feedback, net.feedback_matrices, strict=True)):
        pattern, above = None, net.layers[layer + 1]
        if fb.route == "layerwise" and hasattr(above, "maps") and fb.matrix in PATTERNED:
            pattern = reference_local.of(above, net.shapes[layer + 1])
        if b.flags.writeable:
            matrix = np.array(b, np.float64)
        elif pattern is not None and fb.matrix == "uniform":
            matrix = state[f"feedback.{layer}"].astype(np.float64)  # it may have learned
        else:
            matrix, pattern = matrix_of(fb, widths, net.seed, layer, pattern, slopes), None
        zero = isinstance(fb.matrix, str) and fb.matrix == "zero"
        result.append(Feedback(matrix, fb.route, plasticity_of(fb), pattern, zero))
    return result
