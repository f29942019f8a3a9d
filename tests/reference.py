"""Feedback alignment in float64 NumPy, written from the equations and from nothing else.

This file is what the compiled core is measured against, so it is plain on purpose: no blocking, no
skipping of zeros, no in-place tricks, one line per equation. It never looks at fastfa's source;
``of(net)`` reads the numbers of a ``fastfa.Network`` through its public arrays only.

Equations (Lillicrap, Cownden, Tweed & Akerman 2016, with a bias and a σ at every layer)::

    h_0 = x      a_l = W_l h_(l-1) + b_l      h_l = σ(a_l)      e = y* - y
    output delta     δ_L = e ∘ σ'(a_L) (squared error)  or  δ_L = e (cross-entropy)
    hidden delta     δ_l = (B_l δ_s) ∘ σ'(a_l), s = l+1 (layerwise) or L (direct)
                     backprop: s = l+1 and B_l = W_(l+1)ᵀ
    update           v ← α v + η (s δᵀh - γ W),  W ← W + v;   s = 1/N or 1;   biases without γ
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

LEAK = 1 / 20  # slope of leaky_relu at a <= 0; Supplementary Note 6, equation 1


def sigma(name: str, a: np.ndarray) -> np.ndarray:
    """σ(a); softmax acts along the last axis."""
    if name == "linear":
        return a.copy()
    if name == "logistic":
        z = np.exp(-np.abs(a))  # never overflows
        return np.where(a >= 0, 1 / (1 + z), z / (1 + z))
    if name == "tanh":
        return np.tanh(a)
    if name == "relu":
        return np.where(a > 0, a, 0.0)
    if name == "leaky_relu":
        return np.where(a > 0, a, LEAK * a)
    if name == "softmax":
        z = np.exp(a - a.max(axis=-1, keepdims=True))
        return z / z.sum(axis=-1, keepdims=True)
    raise KeyError(name)


def sigma_prime(name: str, a: np.ndarray) -> np.ndarray:
    """σ'(a), from a and not from h, so that it is accurate in the tails too."""
    if name == "linear":
        return np.ones_like(a)
    if name == "logistic":
        z = np.exp(-np.abs(a))
        return z / (1 + z) ** 2
    if name == "tanh":
        z = np.exp(-2 * np.abs(a))
        return 4 * z / (1 + z) ** 2
    if name == "relu":
        return np.where(a > 0, 1.0, 0.0)
    if name == "leaky_relu":
        return np.where(a > 0, 1.0, LEAK)
    raise KeyError(name)


def loss_per_example(loss: str, activation: str, a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Loss of each example (N,), from the output's a (N, n_out) and the targets y (N, n_out)."""
    if loss == "squared_error":
        return 0.5 * np.sum((y - sigma(activation, a)) ** 2, axis=1)
    if activation == "logistic":  # -y log h - (1-y) log(1-h), with log h = -softplus(-a)
        softplus = np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))
        return np.sum(softplus - y * a, axis=1)
    top = a.max(axis=1, keepdims=True)
    log_h = a - top - np.log(np.sum(np.exp(a - top), axis=1, keepdims=True))
    return -np.sum(y * log_h, axis=1)


@dataclass(frozen=True)
class Layer:
    """What a weighted layer is, apart from its numbers."""

    activation: str
    trainable: bool = True


@dataclass(frozen=True)
class Feedback:
    """Where a layer's error comes from and what carries it; ``None`` is Wᵀ of the layer above."""

    matrix: np.ndarray | None = None
    route: str = "layerwise"


@dataclass
class Network:
    """weights[l] is (n_out, n_in); biases[l] is (n_out,) or None; one Feedback per hidden layer."""

    layers: list[Layer]
    weights: list[np.ndarray]
    biases: list[np.ndarray | None]
    feedback: list[Feedback]
    loss: str = "squared_error"
    velocity: list = field(default_factory=list)

    def __post_init__(self) -> None:
        self.weights = [np.array(w, dtype=np.float64) for w in self.weights]
        self.biases = [None if b is None else np.array(b, dtype=np.float64) for b in self.biases]
        self.velocity = [
            [np.zeros_like(w), None if b is None else np.zeros_like(b)]
            for w, b in zip(self.weights, self.biases, strict=True)
        ]

    def pre_activations(self, x: np.ndarray) -> list[np.ndarray]:
        """a_l (N, n_l) of every weighted layer."""
        h, result = np.asarray(x, dtype=np.float64), []
        for layer, w, b in zip(self.layers, self.weights, self.biases, strict=True):
            a = h @ w.T + (0.0 if b is None else b)
            result.append(a)
            h = sigma(layer.activation, a)
        return result

    def activations(self, x: np.ndarray) -> list[np.ndarray]:
        """h_l (N, n_l) of every weighted layer; the last is the output."""
        pre = self.pre_activations(x)
        return [sigma(layer.activation, a) for layer, a in zip(self.layers, pre, strict=True)]

    def inputs(self, x: np.ndarray, pre: list[np.ndarray]) -> list[np.ndarray]:
        """h_(l-1) (N, n_(l-1)): what enters every weighted layer."""
        below = zip(self.layers[:-1], pre[:-1], strict=True)
        return [np.asarray(x, dtype=np.float64), *(sigma(lr.activation, a) for lr, a in below)]

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The output (N, n_out)."""
        return self.activations(x)[-1]

    def losses(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Loss of each example (N,)."""
        return loss_per_example(
            self.loss, self.layers[-1].activation, self.pre_activations(x)[-1], y
        )

    def deltas(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        """δ_l (N, n_l) of every weighted layer, downhill, per example."""
        return self.deltas_from(self.pre_activations(x), y)

    def deltas_from(self, pre: list[np.ndarray], y: np.ndarray) -> list[np.ndarray]:
        """The same from the a_l."""
        out = self.layers[-1].activation
        e = np.asarray(y, dtype=np.float64) - sigma(out, pre[-1])
        delta: list = [None] * len(pre)
        delta[-1] = e if self.loss == "cross_entropy" else e * sigma_prime(out, pre[-1])
        for i in reversed(range(len(pre) - 1)):
            fb = self.feedback[i]
            source = delta[i + 1] if fb.route == "layerwise" else delta[-1]
            b = self.weights[i + 1].T if fb.matrix is None else fb.matrix
            delta[i] = (source @ b.T) * sigma_prime(self.layers[i].activation, pre[i])
        return delta

    def step(self, x: np.ndarray, y: np.ndarray, sgd) -> float:
        """One update on one batch; the mean loss before it. ``sgd`` has fastfa.SGD's fields."""
        pre = self.pre_activations(x)
        loss = loss_per_example(self.loss, self.layers[-1].activation, pre[-1], y)
        s = 1 / len(x) if sgd.reduction == "mean" else 1.0
        # every delta is made before any weight moves: all use the weights from before the step
        for i, (delta, h) in enumerate(
            zip(self.deltas_from(pre, y), self.inputs(x, pre), strict=True)
        ):
            if not self.layers[i].trainable:
                continue
            vw, vb = self.velocity[i]
            vw = sgd.momentum * vw + sgd.lr * (s * delta.T @ h - sgd.weight_decay * self.weights[i])
            self.weights[i] = self.weights[i] + vw
            if self.biases[i] is not None:
                vb = sgd.momentum * vb + sgd.lr * s * delta.sum(axis=0)
                self.biases[i] = self.biases[i] + vb
            self.velocity[i] = [vw, vb]
        return float(np.mean(loss))

    def train_epoch(
        self, x: np.ndarray, y: np.ndarray, sgd, *, batch_size: int, order=None
    ) -> float:
        """Steps over batches of ``order``; the last may be short. Mean loss over its examples."""
        order = np.arange(len(x)) if order is None else np.asarray(order)
        total = 0.0
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            total += len(rows) * self.step(x[rows], y[rows], sgd)
        return total / len(order)


def of(net) -> Network:
    """The reference of a fastfa.Network: copies of its present weights, biases and feedback."""
    feedback = [
        Feedback(None if fb.matrix == "transpose" else np.array(b, dtype=np.float64), fb.route)
        for fb, b in zip(net.feedback, net.feedback_matrices, strict=True)
    ]
    layers = [Layer(dense.activation, dense.trainable) for dense in net.layers]
    return Network(layers, list(net.weights), list(net.biases), feedback, net.loss)


# --- Randomness: Philox4x32-10 ------------------------------------------------------------------
# Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011)

WEIGHTS, FEEDBACK, SHUFFLE = 1, 2, 3  # purposes
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


def blocks(count: int, seed: int, purpose: int, layer: int) -> np.ndarray:
    """The first ``count`` four-word blocks (count, 4) of the stream (seed, purpose, layer)."""
    index = np.arange(count, dtype=np.uint64)
    constant = np.full(count, purpose, dtype=np.uint64), np.full(count, layer, dtype=np.uint64)
    counter = np.stack([index & _MASK, index >> np.uint64(32), *constant], axis=-1)
    return philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32))


def unit_doubles(count: int, seed: int, purpose: int, layer: int) -> np.ndarray:
    """``count`` doubles in [0, 1) with 53 random bits, two per block."""
    w = blocks((count + 1) // 2, seed, purpose, layer)
    pairs = w.reshape(-1, 2)  # (w0, w1), (w2, w3), ...
    bits = ((pairs[:, 0] >> np.uint64(5)) << np.uint64(26)) + (pairs[:, 1] >> np.uint64(6))
    return (bits.astype(np.float64) / 2.0**53)[:count]


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


def permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    """Fisher-Yates from the top; draw k chooses j = floor((i + 1) w / 2^64)."""
    words = blocks(
        n // 2 + 1, seed, SHUFFLE, epoch
    ).tolist()  # Python integers: the product below needs 128 bits
    result = list(range(n))
    for k, i in enumerate(range(n - 1, 0, -1)):
        low, high = words[k // 2][2 * (k % 2) : 2 * (k % 2) + 2]
        j = ((i + 1) * (low | high << 32)) >> 64
        result[i], result[j] = result[j], result[i]
    return np.array(result, dtype=np.int64)
