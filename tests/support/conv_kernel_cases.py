"""Two convolutions beside sums over windows in float64: forward, back, and both gradients."""

from __future__ import annotations

import fastfa as fa
import numpy as np

DTYPES = {"float32": 2e-5, "float64": 1e-12}


def windows(x, kernel, stride, padding, shape):
    """The patches, (n, y, x, channels, k_h, k_w), and where the first one begins in the image."""
    before, pads = [], []
    for size, k, s, out in zip(x.shape[2:], kernel, stride, shape, strict=True):
        need = max(0, (out - 1) * s + k - size) if padding == "same" else 0
        before.append(need // 2)
        pads.append((need // 2, need - need // 2 + s))
    padded = np.pad(x, [(0, 0), (0, 0), *pads])
    seen = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3))
    seen = seen[:, :, :: stride[0], :: stride[1]][:, :, : shape[0], : shape[1]]
    return seen.transpose(0, 2, 3, 1, 4, 5), before, padded.shape


def passed_back(delta, w, stride, before, padded, image):
    """δ through W, backwards: each patch gets its share."""
    below = np.zeros(padded)
    for y in range(w.shape[2]):
        for x in range(w.shape[3]):
            rows = slice(y, y + stride[0] * delta.shape[2], stride[0])
            cols = slice(x, x + stride[1] * delta.shape[3], stride[1])
            below[:, :, rows, cols] += np.einsum("nmyx,mc->ncyx", delta, w[:, :, y, x])
    return below[:, :, before[0] : before[0] + image[0], before[1] : before[1] + image[1]]


def check_kernels(image, first, second, stride, padding, n, *, dtype, device="cpu"):
    """Maps and kernels of both; n examples."""
    layers = [
        fa.Conv2D(maps, kernel, stride=stride, padding=padding, activation=activation)
        for (maps, kernel), activation in zip((first, second), ("tanh", "linear"), strict=True)
    ]
    net = fa.Network(image, [*layers, fa.Dense(3)], "bp", dtype=dtype, seed=1, device=device)
    rng = np.random.default_rng(0)
    for b in net.biases:
        b[...] = 0.2 * rng.standard_normal(b.shape)
    x, y = rng.standard_normal((n, *image)).astype(dtype), rng.standard_normal((n, 3)).astype(dtype)
    w1, w2, w3 = (np.array(w, float) for w in net.weights)
    b1, b2, b3 = (np.array(b, float) for b in net.biases)
    strides = stride if isinstance(stride, tuple) else (stride, stride)

    seen1, _, _ = windows(x.astype(float), w1.shape[2:], strides, padding, net.shapes[1][1:])
    h1 = np.tanh(np.einsum("nyxckl,mckl->nmyx", seen1, w1) + b1[:, None, None])
    seen2, before, padded = windows(h1, w2.shape[2:], strides, padding, net.shapes[2][1:])
    h2 = np.einsum("nyxckl,mckl->nmyx", seen2, w2) + b2[:, None, None]
    out = h2.reshape(n, -1) @ w3.T + b3
    np.testing.assert_allclose(net.forward(x), out, rtol=DTYPES[dtype], atol=DTYPES[dtype])

    delta3 = (y - out) / n
    delta2 = (delta3 @ w3).reshape(h2.shape)
    delta1 = passed_back(delta2, w2, strides, before, padded, h1.shape[2:]) * (1 - h1**2)
    gradients = [
        (np.einsum("nmyx,nyxckl->mckl", delta1, seen1), delta1.sum((0, 2, 3))),
        (np.einsum("nmyx,nyxckl->mckl", delta2, seen2), delta2.sum((0, 2, 3))),
    ]
    old = [
        (np.array(w, float), np.array(b, float))
        for w, b in zip(net.weights, net.biases, strict=True)
    ]
    net.step(x, y, fa.SGD(1.0))
    for layer, expected in enumerate(gradients):
        for new, before_step, gradient in zip(
            (net.weights[layer], net.biases[layer]), old[layer], expected, strict=True
        ):
            error = np.abs(new - before_step - gradient).max() / np.abs(gradient).max()
            assert error < 20 * DTYPES[dtype], (layer, gradient.shape, error)
