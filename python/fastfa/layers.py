"""Layers: descriptions from which a network is built."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from . import _check, _core
from ._attributes import immutable

ActivationName = Literal["linear", "logistic", "tanh", "relu", "leaky_relu", "softmax"]
Padding = Literal["valid", "same"]


@immutable
@dataclass(frozen=True)
class Dense:
    """A fully connected layer, ``h = σ(W x + b)``.

    Weights start as ``W ~ U(−weight_scale, weight_scale)``, drawn from the network's seed, biases at 0.

    Parameters
    ----------
    units : int
        Number of units, at least 1.
    activation : {"linear", "logistic", "tanh", "relu", "leaky_relu", "softmax"}
        σ. ``leaky_relu`` has slope 1/20 below zero, as in the paper's supplement (Note 5);
        ``softmax`` is for the output layer only.
    bias : bool
        Whether the units have a bias b.
    weight_scale : float, optional
        The paper's ω, at least 0. Default: 1/√n_in.
    density : float
        The share of W that exists, in (0, 1]. Which weights do is drawn from the network's seed; those
        that exist start as in the dense layer, the others are exactly 0 for ever. With
        ``Feedback("sparse")`` as well, half of each, a quarter of the connections is reciprocal: the
        paper's removal of weights.
    trainable : bool
        False freezes W and b; the error still passes through to the layers below.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.
    """

    units: int
    activation: ActivationName
    bias: bool
    weight_scale: float | None
    density: float
    trainable: bool

    def __init__(
        self,
        units: int,
        activation: ActivationName = "linear",
        *,
        bias: bool = True,
        weight_scale: float | None = None,
        density: float = 1.0,
        trainable: bool = True,
    ) -> None:
        if weight_scale is not None:
            weight_scale = _check.real("Dense", "weight_scale", weight_scale)
        fields = {
            "units": _check.integer("Dense", "units", units, 1, 2**31 - 1),
            "activation": _check.choice("Dense", "activation", activation, _core.ACTIVATIONS),
            "bias": _check.flag("Dense", "bias", bias),
            "weight_scale": weight_scale,
            "density": _check.real("Dense", "density", density, high=1.0, open_low=True),
            "trainable": _check.flag("Dense", "trainable", trainable),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _build(
        self, shape: tuple[int, ...], where: str, dropout: float
    ) -> tuple[_core.LayerSpec, tuple[int, ...]]:
        """The core's description above something of this shape, and the shape of the layer."""
        spec = _core.LayerSpec(
            units=self.units,
            activation=self.activation,
            weight_scale=_omega(self.weight_scale, math.prod(shape)),
            bias=self.bias,
            trainable=self.trainable,
            density=self.density,
            local=None,
            dropout=dropout,
        )
        return spec, (self.units,)


@immutable
@dataclass(frozen=True)
class LocallyConnected2D:
    """Convolution without weight sharing: every position has weights of its own.

    ``h = σ(a)``, ``a[m, y, x] = Σ W[m, y, x, c, i, j] in[c, s y + i − p, s x + j − p] + b[m, y, x]``.
    Above an input of shape (H, W) or (C, H, W), or another such layer. Units are numbered in
    (maps, out_h, out_w) order. Weights start as for :class:`Dense`.

    Feedback *into* the layer is a matrix over its units, as for a dense layer. Feedback *through* it,
    layerwise to the layer below, keeps its pattern for ``"uniform"`` (a random weight for every
    weight of the layer), ``"sign"`` and ``"transpose"`` (true backprop); other matrices are dense,
    and ``"pseudoinverse"`` and the weight mirror are not there.

    Parameters
    ----------
    maps : int
        Units at each position, at least 1.
    kernel_size : int or (int, int)
        Height and width of a patch.
    stride : int or (int, int)
        Between neighbouring patches.
    padding : {"valid", "same"}
        ``valid``: all patches lie inside, (size − kernel) // stride + 1 positions. ``same``: zeros
        around the input, as evenly as possible (the extra one at the end), ⌈size / stride⌉ positions.
    activation, bias, weight_scale, trainable
        As for :class:`Dense`; the default weight_scale is 1/√(channels · kernel height · width).

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.

    References
    ----------
    Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276 (2016), supplement, Note 5:
    6 maps of 6 × 6 patches. Bartunov et al., Advances in Neural Information Processing Systems 31
    (2018).
    """

    maps: int
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding
    activation: ActivationName
    bias: bool
    weight_scale: float | None
    trainable: bool

    def __init__(
        self,
        maps: int,
        kernel_size: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: Padding = "valid",
        activation: ActivationName = "linear",
        bias: bool = True,
        weight_scale: float | None = None,
        trainable: bool = True,
    ) -> None:
        where = "LocallyConnected2D"
        if weight_scale is not None:
            weight_scale = _check.real(where, "weight_scale", weight_scale)
        fields = {
            "maps": _check.integer(where, "maps", maps, 1, 2**31 - 1),
            "kernel_size": _pair(where, "kernel_size", kernel_size),
            "stride": _pair(where, "stride", stride),
            "padding": _check.choice(where, "padding", padding, ("valid", "same")),
            "activation": _check.choice(where, "activation", activation, _core.ACTIVATIONS),
            "bias": _check.flag(where, "bias", bias),
            "weight_scale": weight_scale,
            "trainable": _check.flag(where, "trainable", trainable),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def output_shape(self, input_shape: Sequence[int]) -> tuple[int, int, int]:
        """(maps, out_h, out_w) above an input of shape (H, W) or (C, H, W)."""
        if not isinstance(input_shape, Sequence) or len(input_shape) not in (2, 3):
            raise ValueError(
                f"[output_shape] input_shape was {input_shape!r}; it must be (H, W) or (C, H, W)"
            )
        *_, height, width = input_shape

        def positions(size: int, kernel: int, stride: int) -> int:
            if self.padding == "same":
                return -(-size // stride)
            return (size - kernel) // stride + 1 if size >= kernel else 0

        return (
            self.maps,
            positions(height, self.kernel_size[0], self.stride[0]),
            positions(width, self.kernel_size[1], self.stride[1]),
        )

    def _build(
        self, shape: tuple[int, ...], where: str, dropout: float
    ) -> tuple[_core.LayerSpec, tuple[int, ...]]:
        if len(shape) not in (2, 3):
            raise ValueError(
                f"[Network] {where} is LocallyConnected2D above something of shape {shape}; it must be "
                "above an input of shape (H, W) or (C, H, W), or another LocallyConnected2D"
            )
        image = (1, *shape) if len(shape) == 2 else shape
        out = self.output_shape(image)
        if min(out) < 1:
            raise ValueError(
                f"[Network] {where}.kernel_size was {self.kernel_size}; the image is {image[1:]}, so "
                "with padding 'valid' it must not be larger"
            )
        spec = _core.LayerSpec(
            units=math.prod(out),
            activation=self.activation,
            weight_scale=_omega(self.weight_scale, image[0] * math.prod(self.kernel_size)),
            bias=self.bias,
            trainable=self.trainable,
            density=1.0,
            local=_core.LocalSpec(
                input=image,
                maps=self.maps,
                kernel=self.kernel_size,
                stride=self.stride,
                same=self.padding == "same",
            ),
            dropout=dropout,
        )
        return spec, out


@immutable
@dataclass(frozen=True)
class Dropout:
    """Silences a random share of what lies below it while the network learns.

    Stands in the list of layers above a hidden layer, or first, above the input. In every step each
    value is 0 with probability ``rate`` and otherwise 1/(1 − rate) times as large, in the pass up as in
    the pass down; nothing is dropped or scaled where the network is only looked at (``forward``,
    ``evaluate``, ``deltas``). Masks are Philox streams of (seed, layer, step).

    Parameters
    ----------
    rate : float
        In [0, 1).

    Raises
    ------
    ValueError, TypeError
        If rate is outside its range or not a number.

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, Journal of Machine Learning Research
    15:1929 (2014); used with feedback alignment by Lillicrap et al. (2016), supplement, Note 5.
    """

    rate: float

    def __post_init__(self) -> None:
        rate = _check.real("Dropout", "rate", self.rate, high=1.0, open_high=True)
        object.__setattr__(self, "rate", rate)


Layer = Dense | LocallyConnected2D | Dropout
Weighted = Dense | LocallyConnected2D


def _omega(given: float | None, fan_in: int) -> float:
    return 1.0 / math.sqrt(fan_in) if given is None else given


def _pair(where: str, name: str, value: Any) -> tuple[int, int]:
    """(height, width) from an integer for both or a pair."""
    if not isinstance(value, Sequence):
        both = _check.integer(where, name, value, 1, 2**31 - 1)
        return both, both
    if isinstance(value, str) or len(value) != 2:
        raise ValueError(f"[{where}] {name} was {value!r}; it must be an integer or a pair of them")
    height, width = (
        _check.integer(where, f"{name}[{i}]", v, 1, 2**31 - 1) for i, v in enumerate(value)
    )
    return height, width
