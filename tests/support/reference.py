"""Feedback alignment in float64 NumPy, written from the equations and from nothing else.

This file is what the compiled core is measured against, so it is plain on purpose: no blocking, no
skipping of zeros, no in-place tricks, one line per equation. It never looks at fastfa's source;
``of(net)`` reads the numbers of a ``fastfa.Network`` through its public arrays only.

Equations (Lillicrap, Cownden, Tweed & Akerman 2016, with a bias and a σ at every layer)::

    h_0 = x      a_l = W_l h_(l-1) + b_l      h_l = σ(a_l)      e = y* - y
    output delta     δ_L = e ∘ σ'(a_L) (squared error)  or  δ_L = e (cross-entropy)
    hidden delta     δ_l = (B_l δ_s) ∘ σ'(a_l), s = l+1 (layerwise) or L (direct);
                     y* in place of δ_s for the target route; backprop: s = l+1 and B_l = W_(l+1)ᵀ
    example weights  δ_L and L times w, and y* times w where the target route carries it
    gradient         g = s δᵀh - γ W;   s = 1/N or 1, whatever w;   biases without γ
    mean loss        Σ w L / Σ w
    SGD              v ← α v + η g,   W ← W + v;   Nesterov: W ← W + η g + α v
    Adam             m ← β1 m + (1-β1) g,   v ← β2 v + (1-β2) g²,
                     W ← W + η (m / (1-β1ᵗ)) / (√(v / (1-β2ᵗ)) + ε)
    AdamW            Adam on g without γ,   W ← W - η γ W
    limits           g times min(1, c / |g|), |g| the norm of all of W's and b's; or g within ±c
    a layer's own    η and γ times its factors; a B that learns has those of the layer δ_s is of
    RMSprop          v ← ρ v + (1-ρ) g²,   W ← W + η g / (√v + ε)
    Kolen-Pollack    B_l moves as W does, on g = s h_lᵀ δ_s - γ B_l
    weight mirror    ξ ~ U(-√3 ν, √3 ν);  z = σ(W_(l+1) ξ + b_(l+1)), centred less σ(b_(l+1));
                     B_l ← B_l + c Σ ξ zᵀ - r B_l, after the update, with the new weights;
                     where c is not given, r / (N ν²), and where r is not, min(1, N / (20 n_l))
    shallow          a layer that nothing is sent to does not learn: neither W nor b, nor what a
                     Kolen-Pollack B would copy from them
    sparse W         a B that learns to be W_(l+1)ᵀ has its zeros
    node perturbation  δ_l = -(L' - L) ξ_l / σ²;  L' is the loss with ξ ~ N(0, σ²) on every a_l
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import reference_feedback
import reference_local
import reference_streams as streams
from reference_feedback import Feedback
from reference_streams import (  # noqa: F401 (tests know them by this module's name)
    FEEDBACK,
    SHUFFLE,
    WEIGHTS,
    normal,
    permutation,
    philox4x32,
    uniform,
)
from reference_units import LEAK, loss_per_example, sigma, sigma_prime  # noqa: F401


@dataclass(frozen=True)
class Layer:
    """What a weighted layer is, apart from its numbers."""

    activation: str
    trainable: bool = True
    density: float = 1.0

    def dense(self, w: np.ndarray) -> np.ndarray:
        """The matrix (n_out, n_in) of the layer: W itself; see reference_local.py."""
        return w

    def kept(self, matrix: np.ndarray) -> np.ndarray:
        """What of such a matrix belongs to W: all of it."""
        return matrix


def kind_of(optimizer) -> str:
    """Optimizers of one kind go on with each other's state; another kind drops it."""
    if hasattr(optimizer, "beta1"):
        return "adam"
    if hasattr(optimizer, "rho"):
        return "rmsprop"
    return "momentum" if optimizer.momentum else "plain"


def limit_of(optimizer, gradients: list[np.ndarray]):
    """What an optimizer's limit makes of a gradient g, of a step that has these."""
    norm, value = (getattr(optimizer, name, None) for name in ("clip_norm", "clip_value"))
    if norm is not None:
        size = np.sqrt(sum(float(np.sum(g**2)) for g in gradients))
        return lambda g: g * min(1.0, norm / size) if size else g
    return lambda g: g if value is None else np.clip(g, -value, value)


@dataclass
class Network:
    """weights[l] is (n_out, n_in); biases[l] is (n_out,) or None; one Feedback per hidden layer.

    A layer may be a ``reference_local.Local``, with weights[l] of its shape.

    ``perturbation`` is node perturbation's σ; it then has no feedback. ``hidden_noise``: the output has
    no noise and learns from e. ``late_noise``: that of hidden layers is added to σ(a). ``state`` holds
    each array's velocity or moments by name. ``scales`` are the layers' factors on η and γ: of W, then
    of b.
    """

    layers: list[Layer | reference_local.Local]
    weights: list[np.ndarray]
    biases: list[np.ndarray | None]
    feedback: list[Feedback]
    loss: str = "squared_error"
    seed: int = 0
    steps: int = 0
    perturbation: float = 0.0
    hidden_noise: bool = False
    late_noise: bool = False
    state: dict = field(default_factory=dict)
    kind: str = "plain"  # of the optimizer that the state belongs to
    adam_steps: int = 0
    scales: list[tuple[float, float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scales = self.scales or [(1.0, 1.0, 1.0, 0.0)] * len(self.layers)
        self.weights = [np.array(w, dtype=np.float64) for w in self.weights]
        self.biases = [None if b is None else np.array(b, dtype=np.float64) for b in self.biases]
        self.masks = [
            streams.kept(w.shape, layer.density, self.seed, streams.MASK, i)
            for i, (w, layer) in enumerate(zip(self.weights, self.layers, strict=True))
        ]

    def matrix(self, i: int) -> np.ndarray:
        """W (n_out, n_in) of layer i as a matrix, whatever its kind."""
        return self.layers[i].dense(self.weights[i])

    def silent(self, i: int) -> bool:
        """Whether nothing is sent to layer i, so that it does not learn."""
        if self.perturbation or i == len(self.layers) - 1:
            return False
        fb = self.feedback[i]
        return fb.zero or (fb.route == "layerwise" and self.silent(i + 1))

    def mask_of_b(self, i: int) -> np.ndarray | float:
        """Which elements of hidden layer i's B exist, if it learns to be Wᵀ of the layer above."""
        fb = self.feedback[i]
        mirrors = fb.route == "layerwise" or (fb.route == "direct" and i == len(self.layers) - 2)
        return self.masks[i + 1].T if mirrors and self.layers[i + 1].density < 1 else 1.0

    def bias_gradient(self, i: int, delta: np.ndarray) -> np.ndarray:
        """Of layer i, from its δ (N, n_i)."""
        return delta.sum(axis=0)

    # ---- forward ---------------------------------------------------------------------------------

    def pre_activations(self, x: np.ndarray, noise: list | None = None) -> list[np.ndarray]:
        """a_l (N, n_l) of every weighted layer; ``noise`` is added to each a_l if given."""
        h, result, top = np.asarray(x, dtype=np.float64), [], len(self.layers) - 1
        for i, (layer, b) in enumerate(zip(self.layers, self.biases, strict=True)):
            xi = 0.0 if noise is None else noise[i]
            late = self.late_noise and i < top
            a = h @ self.matrix(i).T + (0.0 if b is None else b) + (0.0 if late else xi)
            result.append(a)
            h = sigma(layer.activation, a) + (xi if late else 0.0)
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

    def losses(self, x: np.ndarray, y: np.ndarray, noise: list | None = None) -> np.ndarray:
        """Loss of each example (N,)."""
        a = self.pre_activations(x, noise)[-1]
        return loss_per_example(self.loss, self.layers[-1].activation, a, y)

    # ---- error -----------------------------------------------------------------------------------

    def deltas(self, x: np.ndarray, y: np.ndarray, w: np.ndarray | None = None) -> list[np.ndarray]:
        """δ_l (N, n_l) of every weighted layer, downhill, per example, with its weight w (N,)."""
        w = np.ones(len(x)) if w is None else np.asarray(w, dtype=np.float64)
        if self.perturbation:
            return self.perturbed_deltas(x, y, w)
        return self.deltas_from(self.pre_activations(x), y, w)

    def deltas_from(self, pre: list[np.ndarray], y: np.ndarray, w: np.ndarray) -> list[np.ndarray]:
        """The same from the a_l."""
        out, w = self.layers[-1].activation, w[:, None]
        y = np.asarray(y, dtype=np.float64)
        e = y - sigma(out, pre[-1])
        delta: list = [None] * len(pre)
        delta[-1] = w * (e if self.loss == "cross_entropy" else e * sigma_prime(out, pre[-1]))
        for i in reversed(range(len(pre) - 1)):
            source = {"layerwise": delta[i + 1], "direct": delta[-1], "target": w * y}
            b = self.feedback[i].at(self.matrix(i + 1), self.steps)
            carried = source[self.feedback[i].route] @ b.T
            delta[i] = carried * sigma_prime(self.layers[i].activation, pre[i])
        return delta

    def noise(self, count: int) -> list[np.ndarray]:
        """ξ_l (N, n_l) of the present step, for every weighted layer."""
        return [
            streams.step_normal(
                (count, len(self.matrix(i))), self.perturbation, self.seed, i, self.steps
            )
            for i in range(len(self.layers))
        ]

    def perturbed_deltas(self, x: np.ndarray, y: np.ndarray, w: np.ndarray) -> list[np.ndarray]:
        """Node perturbation's δ_l (N, n_l), one sample of noise for each example."""
        noise, pre = self.noise(len(x)), self.pre_activations(x)
        if self.hidden_noise:
            noise[-1] *= 0
        change = w * (self.losses(x, y, noise) - self.losses(x, y))
        deltas = [-change[:, None] * xi / self.perturbation**2 for xi in noise]
        for i in range(len(deltas) - 1 if self.late_noise else 0):
            deltas[i] *= sigma_prime(self.layers[i].activation, pre[i])
        if self.hidden_noise:
            out = self.layers[-1].activation
            deltas[-1] = w[:, None] * (np.asarray(y, dtype=np.float64) - sigma(out, pre[-1]))
            if self.loss != "cross_entropy":
                deltas[-1] *= sigma_prime(out, pre[-1])
        return deltas

    # ---- learning --------------------------------------------------------------------------------

    def moved(self, name: str, value, g, optimizer, gamma=0.0, factor=1.0) -> np.ndarray:
        """The value after one step of the optimizer along g, with decay γ, and η times a factor; its
        state is kept under ``name``."""
        eta = factor * optimizer.lr
        if type(optimizer).__name__ == "AdamW":
            value = value - eta * gamma * value
        else:
            g = g - gamma * value
        if self.kind == "rmsprop":
            v = optimizer.rho * self.state.get(name, 0.0) + (1 - optimizer.rho) * g**2
            self.state[name] = v
            return value + eta * g / (np.sqrt(v) + optimizer.epsilon)
        if self.kind == "adam":
            m, v = self.state.get(name, (0.0, 0.0))
            m = optimizer.beta1 * m + (1 - optimizer.beta1) * g
            v = optimizer.beta2 * v + (1 - optimizer.beta2) * g**2
            self.state[name] = m, v
            m_hat = m / (1 - optimizer.beta1**self.adam_steps)
            v_hat = v / (1 - optimizer.beta2**self.adam_steps)
            return value + eta * m_hat / (np.sqrt(v_hat) + optimizer.epsilon)
        v = optimizer.momentum * self.state.get(name, 0.0) + eta * g
        self.state[name] = v
        ahead = getattr(optimizer, "nesterov", False)
        return value + (eta * g + optimizer.momentum * v if ahead else v)

    def step(self, x: np.ndarray, y: np.ndarray, optimizer, w: np.ndarray | None = None) -> float:
        """One update on one batch; the mean loss before it. Fields are those of fastfa's classes."""
        w = np.ones(len(x)) if w is None else np.asarray(w, dtype=np.float64)
        if kind_of(optimizer) != self.kind:
            self.drop_state(kind_of(optimizer))
        self.adam_steps += self.kind == "adam"
        pre = self.pre_activations(x)
        loss = loss_per_example(self.loss, self.layers[-1].activation, pre[-1], y)
        deltas, inputs = self.deltas(x, y, w), self.inputs(x, pre)
        s = 1 if getattr(optimizer, "reduction", "mean") == "sum" else 1 / len(x)
        # all from the values before the step: every g is made before any weight moves
        moves = []
        for i, (delta, h) in enumerate(zip(deltas, inputs, strict=True)):
            if self.layers[i].trainable and not self.silent(i):
                g = s * self.layers[i].kept(delta.T @ h) * self.masks[i]
                lr, decay, bias_lr, bias_decay = self.scales[i]
                moves.append((self.weights, i, f"W{i}", g, decay, lr))
                if self.biases[i] is not None:
                    g = s * self.bias_gradient(i, delta)
                    moves.append((self.biases, i, f"b{i}", g, bias_decay, bias_lr))
        limited = limit_of(optimizer, [g for _, _, _, g, _, _ in moves])
        for i, fb in enumerate(self.feedback):
            learns = fb.route == "direct" or (
                self.layers[i + 1].trainable and not self.silent(i + 1)
            )
            if fb.plasticity == "kolen_pollack" and learns:
                source = i + 1 if fb.route == "layerwise" else -1
                g = s * fb.kept(inputs[i + 1].T @ deltas[source]) * self.mask_of_b(i)
                lr, decay, _, _ = self.scales[source]
                gamma = decay * optimizer.weight_decay
                fb.matrix = self.moved(f"B{i}", fb.matrix, limited(g), optimizer, gamma, lr)
        for arrays, i, name, g, decay, lr in moves:
            gamma = decay * optimizer.weight_decay
            arrays[i] = self.moved(name, arrays[i], limited(g), optimizer, gamma, lr)
        if self.kind == "plain":
            self.state = {}
        self.steps += 1
        for i, fb in enumerate(self.feedback):
            if hasattr(fb.plasticity, "every") and self.steps % fb.plasticity.every == 0:
                fb.matrix = self.mirrored(i, len(x))
        return float(np.sum(w * loss) / np.sum(w)) if w.any() else np.nan

    def mirrored(self, i: int, count: int) -> np.ndarray:
        """B of hidden layer i after one mirror phase with ``count`` rows of noise."""
        mirror, w, b = self.feedback[i].plasticity, self.weights[i + 1], self.biases[i + 1]
        above = self.layers[i + 1].activation
        above = "linear" if above == "softmax" else above
        b = np.zeros(len(w)) if b is None else b
        xi = streams.step_uniform((count, w.shape[1]), mirror.noise, self.seed, i, self.steps)
        z = sigma(above, xi @ w.T + b) - (sigma(above, b) if mirror.centred else 0)
        decay = min(1.0, count / (20 * w.shape[1])) if mirror.decay is None else mirror.decay
        growth = decay / (count * mirror.noise**2) if mirror.growth is None else mirror.growth
        old = self.feedback[i].matrix
        return old + (growth * xi.T @ z - decay * old) * self.mask_of_b(i)

    def drop_state(self, kind: str = "plain") -> None:
        """Velocities and moments start again at zero."""
        self.state, self.adam_steps, self.kind = {}, 0, kind

    def train_epoch(
        self, x: np.ndarray, y: np.ndarray, optimizer, *, batch_size: int, order=None, w=None
    ) -> float:
        """Steps over batches of ``order``; the last may be short. Mean loss over its examples."""
        order = np.arange(len(x)) if order is None else np.asarray(order)
        w = np.ones(len(x)) if w is None else np.asarray(w, dtype=np.float64)
        total = 0.0
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            loss = self.step(x[rows], y[rows], optimizer, w[rows])
            total += w[rows].sum() * loss if w[rows].any() else 0.0
        return total / w[order].sum()


def of(net) -> Network:
    """The reference of a fastfa.Network: copies of its present weights, biases and feedback."""
    layers = [
        reference_local.of(layer, below)
        if hasattr(layer, "maps")
        else Layer(layer.activation, layer.trainable, layer.density)
        for layer, below in zip(net.layers, net.shapes[:-1], strict=True)
    ]
    return Network(
        layers,
        list(net.weights),
        list(net.biases),
        reference_feedback.of(net),
        net.loss,
        net.seed,
        net.steps,
        getattr(net.feedback, "sigma", 0.0),
        getattr(net.feedback, "layers", "all") == "hidden",
        getattr(net.feedback, "noise_on", "") == "activation",
        scales=scales_of(net),
    )


def scales_of(net) -> list[tuple[float, float, float, float]]:
    """Each layer's factors on η and γ: of W, then of b."""
    return [
        (each.lr_scale, each.decay_scale, each.bias_lr_scale, each.bias_decay_scale)
        for each in net.layers
    ]
