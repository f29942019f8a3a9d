"""What a unit and a loss compute, in float64 NumPy: σ, σ' and L of `reference.py`'s equations."""

from __future__ import annotations

import numpy as np
from reference_feedback import normal_cdf

LEAK = 1 / 20  # slope of leaky_relu at a <= 0; Supplementary Note 5, equation 1


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
    if name == "hard_tanh":
        return np.clip(a, -1, 1)
    if name == "softplus":
        return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))
    if name == "elu":
        return np.where(a > 0, a, np.expm1(np.minimum(a, 0)))
    if name == "gelu":
        return a * normal_cdf(a)
    if name == "silu":
        return a * sigma("logistic", a)
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
    if name == "hard_tanh":
        return np.where(np.abs(a) < 1, 1.0, 0.0)
    if name == "softplus":
        return sigma("logistic", a)
    if name == "elu":
        return np.where(a > 0, 1.0, np.exp(np.minimum(a, 0)))
    if name == "gelu":
        return normal_cdf(a) + a * np.exp(-(a**2) / 2) / np.sqrt(2 * np.pi)
    if name == "silu":
        s = sigma("logistic", a)
        return s + a * s * (1 - s)
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
