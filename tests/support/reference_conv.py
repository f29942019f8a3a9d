"""Convolutions and pooling in float64 NumPy, from the equations, in plain loops.

A convolution is the dense layer whose (n_out, n_in) matrix is::

    A[(m, y, x), (c, s_h y + i - p_h, s_w x + j - p_w)] = W[m, c, i, j]

where that pixel lies in the image. So the gradient of W is that of A, summed over the positions, and b
of a map is that of all its units. Pooling stands above a layer, u = pool(h), with the derivative D of
each example::

    average   D[u, h] = 1 / (k_h k_w) where h is in u's patch
    max       D[u, h] = 1 where h is the first of the largest in u's patch

    δ_l = (Dᵀ B_l δ_s) ∘ σ'(a_l)       so that B_l is (units left by the pooling, n_s)

A B through a convolution, layerwise, of "uniform" or "sign", is a convolution as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace

import numpy as np
import reference
import reference_feedback
import reference_local


@dataclass(frozen=True)
class Conv:
    """A convolution above an image of shape (C, H, W), apart from its numbers."""

    activation: str
    image: tuple[int, int, int]
    maps: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: str = "valid"
    trainable: bool = True
    density: float = 1.0

    @property
    def out(self) -> tuple[int, int]:
        return reference_local.Local.geometry.fget(self)[0]

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.maps, self.image[0], *self.kernel)

    @property
    def units(self) -> int:
        return self.maps * self.out[0] * self.out[1]

    @cached_property
    def places(self) -> list[tuple[int, int, tuple[int, ...]]]:
        """Every (row, column) of A that isn't zero, with the index of its weight."""
        (out_h, out_w), (p_h, p_w) = reference_local.Local.geometry.fget(self)
        (s_h, s_w), (_, height, width) = self.stride, self.image
        found = []
        for y, x in np.ndindex(out_h, out_w):
            for i, j in np.ndindex(*self.kernel):
                row, column = s_h * y + i - p_h, s_w * x + j - p_w
                if not (0 <= row < height and 0 <= column < width):
                    continue
                for m, c in np.ndindex(self.maps, self.image[0]):
                    unit, pixel = (m * out_h + y) * out_w + x, (c * height + row) * width + column
                    found.append((unit, pixel, (m, c, i, j)))
        return found

    @cached_property
    def _indices(self):
        rows, columns, weights = zip(*self.places, strict=True)
        return np.array(rows), np.array(columns), tuple(np.array(weights).T)

    def dense(self, w: np.ndarray) -> np.ndarray:
        """A (n_out, n_in)."""
        rows, columns, index = self._indices
        matrix = np.zeros((self.units, int(np.prod(self.image))))
        matrix[rows, columns] = np.asarray(w)[index]
        return matrix

    def kept(self, matrix: np.ndarray) -> np.ndarray:
        """Of a matrix like A, for each weight the sum of the elements that it is."""
        rows, columns, index = self._indices
        w = np.zeros(self.shape)
        np.add.at(w, index, matrix[rows, columns])
        return w

    def of_units(self, b: np.ndarray) -> np.ndarray:
        return np.repeat(b, self.units // self.maps)

    def of_maps(self, gradient: np.ndarray) -> np.ndarray:
        return gradient.reshape(self.maps, -1).sum(axis=1)


@dataclass(frozen=True)
class Pool:
    """Pooling above something of shape (C, H, W)."""

    largest: bool
    image: tuple[int, int, int]
    size: tuple[int, int]
    stride: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        (h, w), (k_h, k_w), (s_h, s_w) = self.image[1:], self.size, self.stride
        return self.image[0], (h - k_h) // s_h + 1, (w - k_w) // s_w + 1

    def derivative(self, h: np.ndarray) -> np.ndarray:
        """D (units, inputs) of one example h (inputs,)."""
        _, height, width = self.image
        d = np.zeros((int(np.prod(self.shape)), h.size))
        for u, (c, y, x) in enumerate(np.ndindex(self.shape)):
            patch = [
                (c * height + y * self.stride[0] + i) * width + x * self.stride[1] + j
                for i, j in np.ndindex(self.size)
            ]
            if self.largest:
                d[u, patch[int(np.argmax(h[patch]))]] = 1  # argmax: the first of several
            else:
                d[u, patch] = 1 / len(patch)
        return d

    def passes(self) -> float:
        """Mean square of Dᵀδ where δ has independent elements of mean square 1."""
        share = np.prod(self.shape) / np.prod(self.image)
        return share if self.largest else share / np.prod(self.size)


@dataclass
class Network(reference.Network):
    """``pools[l]`` are those above the input (l = 0) and above each layer, from below."""

    pools: list[list[Pool]] = field(default_factory=list)

    def pooled(self, place: int, h: np.ndarray) -> np.ndarray:
        for pool in self.pools[place]:
            h = np.array([pool.derivative(row) @ row for row in h])
        return h

    def pooled_back(self, place: int, h: np.ndarray, delta: np.ndarray) -> np.ndarray:
        below = [h]
        for pool in self.pools[place][:-1]:
            below.append(np.array([pool.derivative(row) @ row for row in below[-1]]))
        for pool, under in zip(self.pools[place][::-1], below[::-1], strict=False):
            delta = np.array([pool.derivative(r).T @ d for r, d in zip(under, delta, strict=True)])
        return delta

    def bias_of_units(self, i: int) -> np.ndarray | float:
        b, layer = self.biases[i], self.layers[i]
        return 0.0 if b is None else layer.of_units(b) if hasattr(layer, "of_units") else b

    def pre_activations(self, x, noise=None) -> list[np.ndarray]:
        h, result = self.pooled(0, np.asarray(x, dtype=np.float64)), []
        for i, layer in enumerate(self.layers):
            a = h @ self.matrix(i).T + self.bias_of_units(i) + (0.0 if noise is None else noise[i])
            result.append(a)
            h = self.pooled(i + 1, reference.sigma(layer.activation, a))
        return result

    def inputs(self, x, pre) -> list[np.ndarray]:
        own = [reference.sigma(lr.activation, a) for lr, a in zip(self.layers, pre, strict=True)]
        below = [np.asarray(x, dtype=np.float64), *own[:-1]]
        return [self.pooled(i, h) for i, h in enumerate(below)]

    def deltas_from(self, pre, y, w) -> list[np.ndarray]:
        delta: list = [None] * len(pre)
        top = reference.Network(self.layers[-1:], self.weights[-1:], [None], [], self.loss)
        delta[-1] = top.deltas_from(pre[-1:], y, w)[0]
        for i in reversed(range(len(pre) - 1)):
            fb, name = self.feedback[i], self.layers[i].activation
            target = w[:, None] * np.asarray(y, dtype=np.float64)
            source = {"layerwise": delta[i + 1], "direct": delta[-1], "target": target}[fb.route]
            carried = source @ fb.at(self.matrix(i + 1), self.steps).T
            carried = self.pooled_back(i + 1, reference.sigma(name, pre[i]), carried)
            delta[i] = carried * reference.sigma_prime(name, pre[i])
        return delta

    def bias_gradient(self, i: int, delta: np.ndarray) -> np.ndarray:
        layer, g = self.layers[i], delta.sum(axis=0)
        return layer.of_maps(g) if hasattr(layer, "of_maps") else g


SCALED = (*reference_feedback.DRAWN, "sign")


def _image(shape) -> tuple[int, int, int]:
    return (1, *shape) if len(shape) == 2 else tuple(shape)


def _layer(layer, below):
    if type(layer).__name__ != "Conv2D":
        return None
    names = ("kernel_size", "stride", "padding", "trainable")
    return Conv(layer.activation, _image(below), layer.maps, *(getattr(layer, n) for n in names))


def _pools(net) -> tuple[list[list[Pool]], list[tuple[int, ...]]]:
    """Those above the input and each layer, and the shapes that they leave."""
    stacks, left = [], []
    for pooling, shape in zip(net.pooling, net.shapes, strict=True):
        stack = []
        for each in pooling:
            largest = type(each).__name__ == "MaxPool2D"
            stack.append(Pool(largest, _image(shape), each.size, each.stride))
            shape = stack[-1].shape
        stacks.append(stack)
        left.append(shape)
    return stacks, left


def scale_of(fb, i: int, own, left, fan_ins, pools, slopes, above) -> float:
    """What equal_error makes of B into what pooling leaves of hidden layer i."""
    hidden = len(own) - 2

    def size(layer: int) -> float:  # mean square of δ of the layer where that of Bδ is 1
        passes = np.prod([pool.passes() for pool in pools[layer + 1]])
        return passes * (1.0 if fb.scale == "equal_before_slope" else slopes[layer])

    sources = own[i + 2] if fb.route == "layerwise" else own[-1]
    if fb.route == "layerwise" and fb.matrix in reference_feedback.PATTERNED and above is not None:
        sources = own[i + 2] * fan_ins[i + 1] / left[i + 1]
    growth, last = fb.growth or 1.0, i == hidden - 1
    if fb.route == "layerwise" and not last:
        wanted = growth**2
    elif fb.gain is not None:
        wanted = (fb.gain * growth ** (hidden - 1 - i)) ** 2
    else:
        wanted = size(hidden - 1) * own[-1] / (3 * left[hidden]) * growth ** (2 * (hidden - 1 - i))
    v = wanted / (sources * size(i))
    if fb.matrix in ("uniform", "procedural") or (
        fb.matrix == "sign" and fb.magnitude != "uniform"
    ):
        return np.sqrt(3 * v)
    share = reference_feedback.density_of(fb) if fb.matrix in ("sparse", "ternary") else 1.0
    return np.sqrt((3 if fb.matrix == "sparse" else 1) * v / share)


def _feedback(net, layers, pools, left_shapes) -> list[reference.Feedback]:
    if not isinstance(net.feedback, tuple):
        return []
    own = [int(np.prod(shape)) for shape in net.shapes]
    left = [int(np.prod(shape)) for shape in left_shapes]
    fan_ins = [
        layer.fan_in(below) for layer, below in zip(net.layers, left_shapes[:-1], strict=True)
    ]
    slopes, state, made = _slopes(net, fan_ins), net.state_dict(), []
    for i, (fb, b) in enumerate(zip(net.feedback, net.feedback_matrices, strict=True)):
        above = layers[i + 1] if isinstance(layers[i + 1], Conv | reference_local.Local) else None
        pattern = (
            above if fb.route == "layerwise" and fb.matrix in reference_feedback.PATTERNED else None
        )
        if isinstance(fb.scale, str) and fb.matrix in SCALED:
            fb = fb._with_scale(scale_of(fb, i, own, left, fan_ins, pools, slopes, above))
        if b.flags.writeable:
            matrix = np.array(b, np.float64)
        elif pattern is not None and fb.matrix == "uniform":
            matrix = state[f"feedback.{i}"].astype(np.float64)
        else:
            widths = [0] * len(own)
            widths[i + 1], widths[i + 2], widths[-1] = left[i + 1], own[i + 2], own[-1]
            matrix = reference_feedback.matrix_of(fb, widths, net.seed, i, pattern)
            pattern = None
        zero = isinstance(fb.matrix, str) and fb.matrix == "zero"
        plastic = reference_feedback.plasticity_of(fb)
        made.append(reference.Feedback(matrix, fb.route, plastic, pattern, zero))
    return made


def _slopes(net, fan_ins) -> list[float]:
    """As reference_feedback.expected_slopes, of layers that see fan_ins inputs."""
    layers = [
        SimpleNamespace(
            activation=layer.activation,
            weight_scale=layer.weight_scale,
            density=getattr(layer, "density", 1.0),
        )
        for layer in net.layers
    ]
    shapes = [*((n,) for n in fan_ins), net.shapes[-1]]
    return reference_feedback.expected_slopes(SimpleNamespace(layers=layers, shapes=shapes))


def of(net) -> Network:
    """The reference of a fastfa.Network with convolutions or pooling."""
    pools, left = _pools(net)
    layers = []
    for layer, below in zip(net.layers, left[:-1], strict=True):
        own = _layer(layer, below)
        if own is None and hasattr(layer, "maps"):
            own = reference_local.of(layer, below)
        layers.append(own or reference.Layer(layer.activation, layer.trainable, layer.density))
    return Network(
        layers,
        list(net.weights),
        list(net.biases),
        _feedback(net, layers, pools, left),
        net.loss,
        net.seed,
        net.steps,
        getattr(net.feedback, "sigma", 0.0),
        scales=reference.scales_of(net),
        pools=pools,
    )
