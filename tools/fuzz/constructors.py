"""Targets that make and call fastfa's objects, with arguments of every kind drawn from the bytes."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import Any

import fastfa as fa
import numpy as np
from refusal import refusal

# fmt: off
_VALUES: list[Any] = [
    None, True, 0, 1, 2, 3, -1, 5, 2**31, 2**63, 2**64, 10**400, 0.0, 0.5, 1.0, -0.1, 1e308,
    math.nan, math.inf, 1e-320, "", "equal_error", "uniform", "normal", "sign", "sparse", "low_rank",
    "ternary", "hadamard", "procedural", "array", "transpose", "pseudoinverse", "zero", "custom",
    "layerwise", "direct", "target", "kolen_pollack", "weight_mirror", "fixed", "redrawn",
    "orthogonal", "binary", "tanh", "softmax", "logistic", "fa", "dfa", "cross_entropy", "cuda",
    b"fa", "float64", "float16", "same", [], (), (1, 2), (2, 2), [0.5], {"a": 1}, object,
    np.ones((2, 2)), np.ones((2, 0)), np.ones(3), np.full((2, 2), np.nan), np.array(["a"]),
    np.float32(0.25), np.int64(3), np.array(0.5), 1j, range(3), fa.WeightMirror(),
    fa.NodePerturbation(0.01), "é" * 50,
]
# fmt: on


class _Draw:
    """Values of the table, as the bytes say."""

    def __init__(self, data: bytes) -> None:
        self.left = list(data)

    def byte(self) -> int:
        return self.left.pop(0) if self.left else 0

    def value(self) -> Any:
        return _VALUES[self.byte() % len(_VALUES)]

    def some(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: self.value() for name in names if self.byte() % 4 == 0}

    def of(self, *usual: Any) -> Any:
        which = self.byte()
        return self.value() if which > 230 else usual[which % len(usual)]


def feedback(data: bytes) -> None:
    """Feedback, its matrix written out, and its pickle-free copy."""
    draw = _Draw(data)
    with refusal(ValueError, TypeError):
        rule = fa.Feedback(
            draw.of("uniform", "sign", "sparse", "low_rank", "ternary", "array", "transpose"),
            **draw.some(
                (
                    "scale",
                    "gain",
                    "route",
                    "plasticity",
                    "density",
                    "rank",
                    "array",
                    "magnitude",
                    "refresh",
                )
            ),
        )
        repr(rule), copy.deepcopy(rule)
        rule.toarray(draw.of(1, 2, 3), draw.of(2, 1, 5), seed=draw.of(0), layer=draw.of(0))


def _layer(draw: _Draw) -> Any:
    kind = draw.byte() % 8
    if kind == 0:
        return draw.value()
    if kind == 1:
        return fa.Dropout(draw.of(0.5, 0.1))
    names = ("bias", "weight_scale", "trainable", "density")
    if kind == 2:
        more = draw.some((*names[:3], "stride", "padding"))
        return fa.LocallyConnected2D(
            draw.of(1, 2), draw.of(1, 2, (2, 1)), activation=draw.of("tanh", "relu"), **more
        )
    return fa.Dense(
        draw.of(2, 3, 5, 1), draw.of("tanh", "linear", "logistic", "softmax"), **draw.some(names)
    )


def network(data: bytes) -> None:
    """Layers, a network of them, and calls on it."""
    draw = _Draw(data)
    with refusal(ValueError, TypeError, fa.DivergenceError, fa.DeviceError):
        shape = draw.of(3, (4, 4), (1, 4, 4), (2, 3, 3))
        layers = [_layer(draw) for _ in range(draw.byte() % 4 + 1)]
        if _too_large(shape, layers):
            return
        net = fa.Network(
            shape,
            layers,
            **draw.some(("feedback", "loss", "seed", "dtype", "device", "matmul_precision")),
        )
        for _ in range(draw.byte() % 6):
            _call(draw, net)


def _too_large(shape: Any, layers: list[Any]) -> bool:
    """Sizes that would honestly take a second or a gigabyte."""
    given = [shape] + [
        value
        for layer in layers
        if dataclasses.is_dataclass(layer)
        for value in vars(layer).values()
    ]
    sizes = [n for value in given for n in (value if isinstance(value, tuple | list) else [value])]
    return any(isinstance(n, int) and 1000 < n < 2**63 for n in sizes)


def _call(draw: _Draw, net: Any) -> None:
    n = draw.of(1, 2, 5)
    n = n if isinstance(n, int) and 0 <= n < 10 else 2
    x = draw.of(
        np.ones((n, net.input_size)),
        np.zeros((n, *net.input_shape)),
        np.ones((n, net.input_size), np.float32),
    )
    y = draw.of(
        np.ones((n, net.output_size)) * 0.5, np.zeros((n, net.output_size)), np.zeros(n, dtype=int)
    )
    momentum, nesterov = (
        fa.SGD(0.01, momentum=0.9, nesterov=nesterov) for nesterov in (False, True)
    )
    adaptive = fa.Adam(0.001), fa.AdamW(0.001), fa.RMSprop(0.001)
    rule = draw.of(fa.SGD(0.1), momentum, nesterov, *adaptive)
    which = draw.byte() % 8
    if which == 0:
        net.forward(x)
    elif which == 1:
        net.step(x, y, rule)
    elif which == 2:
        net.train_epoch(x, y, rule, batch_size=draw.of(1, 2, 100), **draw.some(("order",)))
    elif which == 3:
        net.evaluate(x, y)
    elif which == 4:
        net.deltas(x, y)
    elif which == 5:
        net.load_state_dict(draw.of(net.state_dict(), {}))
    elif which == 6:
        fa.metrics.alignment(net, x, y)
    else:
        net.activations(x)


def rest(data: bytes) -> None:
    """Optimizers, schedules, callbacks, the trainer."""
    draw = _Draw(data)
    net = fa.Network(2, [fa.Dense(2)])
    with refusal(ValueError, TypeError, fa.DivergenceError):
        rule = fa.SGD(
            draw.of(0.1, 0.01), **draw.some(("momentum", "weight_decay", "reduction", "nesterov"))
        )
        if draw.byte() % 2:
            rule = fa.Adam(draw.of(0.1), **draw.some(("beta1", "beta2", "epsilon", "weight_decay")))
        schedule = draw.of(None, fa.Constant(), {2: 0.1}, {1: draw.value(), 3: draw.value()})
        callback = draw.of(fa.BestWeights("train_loss"), fa.AveragedWeights(1))
        if draw.byte() % 4 == 0:
            callback = fa.EarlyStopping(**draw.some(("patience", "monitor", "min_delta")))
        if draw.byte() % 4 == 0:
            schedule = fa.Plateau(
                **draw.some(("factor", "patience", "min_delta", "min_lr", "monitor"))
            )
        epochs = draw.of(1, 2)
        more = draw.some(("batch_size", "shuffle", "seed", "augment", "targets"))
        trainer = fa.Trainer(
            net,
            rule,
            epochs=1 if isinstance(epochs, int) and epochs > 4 else epochs,
            schedule=schedule,
            callbacks=[callback],
            progress=False,
            **more,
        )
        trainer.fit(
            (draw.of(np.eye(2)), draw.of(np.arange(2))), **draw.some(("validation", "test"))
        )
