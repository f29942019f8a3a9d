"""Activations of the user's own, as two functions."""

from __future__ import annotations

import copy
import pickle

import fastfa as fa
import numpy as np
import pytest
from parity import TOLERANCE, relative_error

TANH = fa.Activation(np.tanh, lambda a: 1 - np.tanh(a) ** 2, name="my tanh")
SPIKE = fa.Activation(lambda a: (a > 0) * 1.0, lambda a: 1 / (1 + np.abs(a)) ** 2, name="spike")


def layers(activation):
    return {
        "dense": (5, [fa.Dense(17, activation), fa.Dense(9, activation), fa.Dense(3)]),
        "sparse": (5, [fa.Dense(17, activation, density=0.5), fa.Dense(3)]),
        "patches": (
            (2, 6, 7),
            [
                fa.Conv2D(3, 3, activation=activation),
                fa.AvgPool2D(2),
                fa.LocallyConnected2D(2, 2, activation=activation),
                fa.Dropout(0.3),
                fa.Dense(3),
            ],
        ),
    }


KINDS = list(layers("tanh"))


def pair(kind, rule, dtype, **options):
    """The same network with the user's tanh and with fastfa's."""
    return [
        fa.Network(*layers(activation)[kind], rule, seed=4, dtype=dtype, **options)
        for activation in (TANH, "tanh")
    ]


def examples(net, rng, count=23):
    x = rng.standard_normal((count, *net.input_shape)).astype(net.dtype)
    return x, rng.standard_normal((count, 3)).astype(net.dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", ["bp", "fa", "dfa", "drtp", "kp", "usf", "shallow"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_tanh_of_ones_own_is_fastfas(kind, rule, dtype, rng):
    """In passes, deltas and learning; B has the same size, which follows from E[σ′²]."""
    mine, theirs = pair(kind, rule, dtype)
    # E[σ′²] is a sum here and a formula there, and 0 the same scale where B has none.
    np.testing.assert_allclose(mine.feedback_scales, theirs.feedback_scales, rtol=1e-3)
    if isinstance(mine.feedback, tuple):
        for net in (mine, theirs):
            net.set_feedback(
                [
                    f._with_scale(s) if s else f
                    for f, s in zip(net.feedback, theirs.feedback_scales, strict=True)
                ]
            )
    x, y = examples(mine, rng)
    for optimizer, batch in ((fa.SGD(0.05, momentum=0.5), 1), (fa.Adam(1e-3, epsilon=0.01), 7)):
        for net in (mine, theirs):
            net.train_epoch(x, y, optimizer, batch_size=batch)
        for a, b in zip(mine.deltas(x, y), theirs.deltas(x, y), strict=True):
            assert relative_error(a, b) < 10 * TOLERANCE[dtype]
    for name, value in theirs.state_dict().items():
        assert relative_error(mine.state_dict()[name], value) < 10 * TOLERANCE[dtype], name
    assert mine.evaluate(x, y).loss == pytest.approx(theirs.evaluate(x, y).loss, rel=1e-4)


def test_the_slope_is_what_was_given_and_need_not_be_a_derivative(rng):
    net = fa.Network(4, [fa.Dense(6, SPIKE), fa.Dense(2)], "fa", seed=1, dtype="float64")
    x, y = rng.standard_normal((9, 4)), rng.standard_normal((9, 2))
    a = x @ net.weights[0].T + net.biases[0]
    h = np.where(a > 0, 1.0, 0.0)
    np.testing.assert_allclose(net.activations(x)[0], h)
    e = y - (h @ net.weights[1].T + net.biases[1])
    expected = (e @ net.feedback_matrices[0].T) / (1 + np.abs(a)) ** 2
    np.testing.assert_allclose(net.deltas(x, y)[0], expected, rtol=1e-12)


def test_steps_in_parts_ensembles_and_instruments(rng):
    mine, _ = pair("dense", "fa", "float64")
    twin, other = copy.deepcopy(mine), copy.deepcopy(mine)
    x, y = examples(mine, rng)
    for i in range(0, 20, 4):
        mine.step(x[i : i + 4], y[i : i + 4], fa.SGD(0.1))
        out = twin.forward_step(x[i : i + 4])
        twin.apply_error(y[i : i + 4] - out, fa.SGD(0.1))
    fa.Ensemble([other]).train_epoch(x[:20], y[:20], fa.SGD(0.1), batch_size=4, order=np.arange(20))
    for net in (twin, other):
        np.testing.assert_allclose(net.weights[0], mine.weights[0], rtol=1e-10)
    assert all(0 <= each.angle_bp <= 180 for each in fa.metrics.alignment(mine, x, y))


def test_copies_and_pickles_have_it_and_files_say_why_not(rng, tmp_path):
    sine = fa.Activation(np.sin, np.cos, name="sine")
    net = fa.Network((1, 5, 5), [fa.Conv2D(2, 2, activation=sine), fa.MaxPool2D(2), fa.Dense(3)])
    x, y = examples(net, rng)
    net.train_epoch(x, y, fa.SGD(0.01), batch_size=5)
    for again in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert again.layers == net.layers
        np.testing.assert_array_equal(again.forward(x), net.forward(x))
    with pytest.raises(ValueError, match=r"layers\[0\].activation was sine; it must be one of"):
        fa.save(tmp_path / "net.safetensors", net)
    assert not list(tmp_path.iterdir())
    other = fa.Network(net.input_shape, [*net.layers[:1], fa.MaxPool2D(2), *net.layers[1:]], seed=9)
    other.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(other.forward(x), net.forward(x))


WRONG = {
    "another shape": (lambda a: a[:1], "has shape"),
    "nan": (lambda a: a * np.nan, "nan"),
    "text": (lambda a: "x", "must hold real numbers"),
    "too large": (lambda a: a * 0 + 1e30, "activation"),
    "an exception": (lambda a: 1 / 0, "division"),
}


@pytest.mark.parametrize("part", ["value", "slope"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_changes_nothing(wrong, part, rng):
    calls = []

    def function(a):
        calls.append(len(a))
        return np.tanh(a) if len(calls) < 3 else WRONG[wrong][0](a)

    def good(a):
        return a + 0

    parts = {"value": good, "slope": good} | {part: function}
    net = fa.Network(
        5, [fa.Dense(4, fa.Activation(**parts)), fa.Dense(3)], fa.Feedback("uniform", scale=0.1)
    )
    x, y = examples(net, rng)
    net.step(x, y, fa.SGD(0.01))
    net.step(x, y, fa.SGD(0.01))
    before = {name: np.array(value) for name, value in net.state_dict().items()}
    with pytest.raises(
        (ValueError, TypeError, fa.DivergenceError, ZeroDivisionError), match=WRONG[wrong][1]
    ):
        net.step(x, y, fa.SGD(0.01))
    assert net.steps == 2
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_the_arrays_are_copies(rng):
    def greedy(a):
        a *= 0
        return a

    net = fa.Network(
        5, [fa.Dense(4, fa.Activation(greedy, np.cos)), fa.Dense(3)], "fa", dtype="float64"
    )
    x, y = examples(net, rng)
    a = x @ net.weights[0].T
    e = y - net.biases[1]
    np.testing.assert_allclose(net.deltas(x, y)[0], e @ net.feedback_matrices[0].T * np.cos(a))


@pytest.mark.parametrize(
    "make",
    [
        lambda: fa.Dense(3, TANH, leaky_slope=0.1),
        lambda: fa.Activation(1, np.cos),
        lambda: fa.Activation(np.sin, None),
        lambda: fa.Activation(np.sin, np.cos, name=3),
        lambda: fa.Network(3, [fa.Dense(2, TANH)]),
        lambda: fa.Network(3, [fa.Dense(4), fa.Dense(2, TANH)]),
        lambda: fa.Network(3, [fa.Dense(4, TANH), fa.Dense(2)], fa.NodePerturbation(0.1)),
        lambda: fa.Network(3, [fa.Dense(4), fa.Dense(4, TANH), fa.Dense(2)], "wm"),
        lambda: fa.Network(3, [fa.Recurrent(4, TANH), fa.Dense(2)]),
        lambda: fa.Network(3, [fa.Dense(4, TANH), fa.Dense(2)], device="emulated"),
    ],
)
def test_where_it_cannot_be_is_refused(make):
    with pytest.raises(
        (ValueError, TypeError, fa.DeviceError), match=r"^\[(Activation|Dense|Network)\]"
    ):
        make()
