"""Networks that the tests of other frameworks compare with: shapes and everything else drawn."""

from __future__ import annotations

import fastfa as fa
import numpy as np

ANYWHERE = ("linear", "logistic", "tanh", "relu", "leaky_relu", "hard_tanh", "softplus", "elu")
HIDDEN = (*ANYWHERE, "gelu", "silu")
OUTPUT = (*ANYWHERE, "softmax")

# Largest difference of two outputs in units of the largest value: both sides round every operation,
# float32 to 6e-8, and sum products in an order of their own.
AGREE = {"float32": 1e-6, "float64": 1e-14}


def loss_for(output: str) -> str:
    return "cross_entropy" if output == "softmax" else "squared_error"


def hidden(rng) -> dict:
    """A hidden layer's activation."""
    name = str(rng.choice(HIDDEN))
    slope = 0.05 if rng.random() < 0.5 else 0.3
    return {"activation": name, "leaky_slope": slope if name == "leaky_relu" else None}


def dense_network(seed: int, dtype: str, **options) -> fa.Network:
    rng = np.random.default_rng([seed, 1])
    layers: list = [fa.Dropout(0.3)] if seed % 3 == 0 else []
    for _ in range(rng.integers(0, 4)):
        layers.append(fa.Dense(int(rng.integers(1, 40)), **hidden(rng), bias=rng.random() < 0.7))
        layers += [fa.Dropout(0.5)] if rng.random() < 0.3 else []
    output = OUTPUT[seed % len(OUTPUT)]
    layers.append(fa.Dense(int(rng.integers(1, 12)), output, bias=bool(seed % 2)))
    return with_biases(
        fa.Network(
            int(rng.integers(1, 50)),
            layers,
            loss=loss_for(output),
            seed=seed,
            dtype=dtype,
            **options,
        ),
        rng,
    )


def local_network(seed: int, dtype: str) -> fa.Network:
    """Locally connected layers, then most times dense ones, above an image."""
    rng = np.random.default_rng([seed, 2])
    shape = (int(rng.integers(1, 4)), int(rng.integers(1, 15)), int(rng.integers(1, 15)))
    image = shape[1:] if shape[0] == 1 else shape
    layers: list = [fa.Dropout(0.3)] if seed % 3 == 0 else []
    for _ in range(rng.integers(1, 4)):
        padding = ("valid", "same")[rng.integers(2)]
        kernel = rng.integers(1, 7, 2)
        if padding == "valid":
            kernel = np.minimum(kernel, shape[1:])
        layer = fa.LocallyConnected2D(
            int(rng.integers(1, 6)),
            kernel.tolist(),
            stride=rng.integers(1, 4, 2).tolist(),
            padding=padding,
            **hidden(rng),
            bias=bool(rng.random() < 0.7),
        )
        shape = layer.output_shape(shape)
        layers.append(layer)
    output = OUTPUT[seed % len(OUTPUT)]
    if rng.random() < 0.7 or output == "softmax" or layers[-1].activation not in ANYWHERE:
        layers.append(fa.Dense(int(rng.integers(2, 12)), output))
    else:
        output = layers[-1].activation
    return with_biases(
        fa.Network(image, layers, loss=loss_for(output), seed=seed, dtype=dtype), rng
    )


def conv_network(seed: int, dtype: str) -> fa.Network:
    """Convolutions and local layers with pooling between them, then most times dense ones."""
    rng = np.random.default_rng([seed, 3])
    shape = (int(rng.integers(1, 4)), int(rng.integers(6, 17)), int(rng.integers(6, 17)))
    image = shape[1:] if shape[0] == 1 and seed % 2 else shape
    layers: list = []

    def pool(most: int) -> None:
        nonlocal shape
        for _ in range(rng.integers(0, most + 1)):
            size = np.minimum(rng.integers(1, 4, 2), shape[1:]).tolist()
            stride = rng.integers(1, 4, 2).tolist() if rng.random() < 0.5 else None
            kind = (fa.AvgPool2D, fa.MaxPool2D)[rng.integers(2)]
            layers.append(kind(size, stride))
            shape = layers[-1].output_shape(shape)

    pool(seed % 3 == 0)
    layers += [fa.Dropout(0.3)] if seed % 4 == 0 else []
    count = rng.integers(1, 4)
    for number in range(count):
        padding = ("valid", "same")[rng.integers(2)]
        kernel = rng.integers(1, 6, 2)
        if padding == "valid":
            kernel = np.minimum(kernel, shape[1:])
        kind = (fa.Conv2D, fa.Conv2D, fa.LocallyConnected2D)[rng.integers(3) if number else 0]
        layer = kind(
            int(rng.integers(1, 6)),
            kernel.tolist(),
            stride=rng.integers(1, 4, 2).tolist(),
            padding=padding,
            **hidden(rng),
            bias=bool(rng.random() < 0.7),
        )
        shape = layer.output_shape(shape)
        layers.append(layer)
        if number + 1 < count:
            pool(2)
    output = OUTPUT[seed % len(OUTPUT)]
    if rng.random() < 0.7 or layers[-1].activation not in ANYWHERE:
        pool(2)
        layers += [fa.Dropout(0.2)] if seed % 5 == 0 else []
        layers.append(fa.Dense(int(rng.integers(2, 12)), output))
    else:
        output = layers[-1].activation
    return with_biases(
        fa.Network(image, layers, loss=loss_for(output), seed=seed, dtype=dtype), rng
    )


def with_biases(net: fa.Network, rng) -> fa.Network:
    """The network with biases that are not zero any more."""
    for bias in net.biases:
        if bias is not None:
            bias[...] = rng.uniform(-0.5, 0.5, bias.shape)
    return net


def networks(count: int) -> list:
    """(make, seed, dtype) for parametrize."""
    return [
        (make, seed, dtype)
        for make in (dense_network, local_network, conv_network)
        for seed in range(count)
        for dtype in ("float32", "float64")
    ]


def inputs(net: fa.Network, n: int) -> np.ndarray:
    rng = np.random.default_rng([net.seed, n])
    return rng.standard_normal((n, *net.input_shape)).astype(net.dtype)


def image_of(net: fa.Network) -> tuple[int, ...]:
    """The shape of an input, with its channels if it is an image."""
    shape = net.input_shape
    return (1, *shape) if len(shape) == 2 else shape


def difference(actual, expected) -> float:
    """The largest difference, in units of the largest expected value, or of 1."""
    actual, expected = (np.asarray(a, dtype=np.float64) for a in (actual, expected))
    assert actual.shape == expected.shape
    return float(abs(actual - expected).max() / max(1.0, abs(expected).max()))
