"""Convolutions of every cut that the kernels know, beside sums over windows in float64.

The kernels take images in bands of about 256 pixels, rows of weights and of positions in tiles, maps in
panels; copy patches whose rows are short; and put positions into the lanes where maps are few.
"""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest

DTYPES = {"float32": 2e-5, "float64": 1e-12}

# (channels, height, width), maps and kernel of two convolutions, stride, padding, examples
CASES = {
    "few maps, wide rows, bands": ((1, 28, 28), (6, 5), (5, 3), 1, "same", 3),
    "few maps, two rows at once": ((2, 13, 15), (7, 3), (3, 5), 1, "valid", 2),
    "few maps, rows around a vector": ((1, 17, 16), (3, 1), (8, 2), 1, "same", 2),
    "few maps, many examples": ((1, 5, 33), (2, 5), (4, 5), 1, "same", 19),
    "nine taps": ((1, 12, 40), (5, 9), (2, (1, 11)), 1, "same", 2),
    "copied patches": ((3, 18, 20), (20, 3), (33, 3), 1, "same", 3),
    "copied patches, stride": ((2, 19, 33), (17, (5, 3)), (9, 2), 2, "valid", 2),
    "runs in place, panels": ((16, 7, 7), (40, 3), (65, 3), 1, "same", 3),
    "bands of one row": ((1, 3, 300), (12, 3), (9, (3, 7)), 1, "same", 2),
    "bands, stride 2": ((4, 41, 37), (18, 5), (21, 3), 2, "same", 2),
    "stride 3 beyond the kernel": ((5, 31, 29), (19, 2), (16, 1), 3, "valid", 2),
    "stride of one direction": ((6, 21, 22), (10, 4), (24, 3), (1, 2), "same", 2),
    "stride of rows": ((3, 22, 21), (6, 4), (7, 3), (2, 1), "same", 2),
    "the whole image": ((7, 6, 5), (31, (6, 5)), (32, 1), 1, "valid", 9),
    "a vector of maps": ((15, 11, 12), (16, 3), (15, 3), 1, "valid", 8),
}


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


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_forward_and_both_gradients(case, dtype):
    image, first, second, stride, padding, n = CASES[case]
    layers = [
        fa.Conv2D(maps, kernel, stride=stride, padding=padding, activation=activation)
        for (maps, kernel), activation in zip((first, second), ("tanh", "linear"), strict=True)
    ]
    net = fa.Network(image, [*layers, fa.Dense(3)], "bp", dtype=dtype, seed=1)
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
