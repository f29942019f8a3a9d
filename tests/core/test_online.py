"""The compiled loop with few examples a batch, where an update waits for the next forward pass."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest

WIDE = [(70, "tanh"), (130, "logistic"), (5, "linear")]  # more and fewer columns than four vectors
RULES = (
    "fa",
    "bp",
    "dfa",
    "drtp",
    "shallow",
    "usf",
    "brsf",
    "frsf",
    "pbp",
    "kp",
    "wm",
    "sparse_fa",
)


def make(feedback="fa", *, seed=3, dtype="float32", dropout=0.0, layers=WIDE, inputs=40, **dense):
    stack = []
    for units, activation in layers:
        stack.append(fa.Dense(units, activation, **dense))
        if dropout and units > 5:
            stack.append(fa.Dropout(dropout))
    return fa.Network(inputs, stack, feedback=feedback, seed=seed, dtype=dtype)


def examples(rng, net, n, zeros=0.0):
    x = rng.normal(size=(n, net.input_size)) * (rng.random((n, net.input_size)) >= zeros)
    return x, rng.normal(size=(n, net.output_size))


def state(net):
    return {name: array.copy() for name, array in net.state_dict().items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def in_turn(net, x, y, optimizer, batch_size):
    for first in range(0, len(x), batch_size):
        net.step(x[first : first + batch_size], y[first : first + batch_size], optimizer)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 8, 9])
@pytest.mark.parametrize("decay", [0.0, 1e-3])
@pytest.mark.parametrize("zeros", [0.0, 0.7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_loop_makes_the_updates_of_single_steps(rng, batch_size, decay, zeros, dtype):
    loop, steps = make(dtype=dtype), make(dtype=dtype)
    x, y = examples(rng, loop, 41, zeros)
    optimizer = fa.SGD(0.05, weight_decay=decay)
    loop.train_epoch(x, y, optimizer, batch_size=batch_size)
    in_turn(steps, x, y, optimizer, batch_size)
    assert_same(state(loop), state(steps))


def silent_for_long(rng, net, n):
    """Inputs of which some never come, some once, and some for a stretch; and targets."""
    x, y = examples(rng, net, n, 0.5)
    columns = rng.permutation(net.input_size)
    x[:, columns[::3]] = 0
    x[:, np.sort(columns)[:17]] = 0  # a vector's width and more
    x[n // 3, columns[3::12]] = 1
    x[n // 4 : n // 2, columns[1::3]] = 0
    return x, y


@pytest.mark.parametrize("batch_size", [1, 2, 4])
@pytest.mark.parametrize("decay", [0.3, 1e-3, 1e-7, 1e-12])  # the last is lost in rounding
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", ["fa", "bp"])
def test_rows_without_input_decay_all_the_same(rng, batch_size, decay, dtype, rule):
    loop, steps = make(rule, dtype=dtype, inputs=70), make(rule, dtype=dtype, inputs=70)
    x, y = silent_for_long(rng, loop, 203)
    optimizer = fa.SGD(0.05, weight_decay=decay / 0.05)
    for first, last in ((0, 150), (150, 203)):
        loop.train_epoch(x[first:last], y[first:last], optimizer, batch_size=batch_size)
        in_turn(steps, x[first:last], y[first:last], optimizer, batch_size)
        assert_same(state(loop), state(steps))


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("rule", ["fa", "bp"])
def test_rows_of_several_blocks_of_columns_decay(rng, batch_size, rule):
    layers = [(4400, "relu"), (90, "relu"), (5, "linear")]  # relu: hidden units are silent, too
    loop, steps = make(rule, layers=layers), make(rule, layers=layers)
    x, y = silent_for_long(rng, loop, 37)
    loop.train_epoch(x, y, fa.SGD(0.01, weight_decay=0.1), batch_size=batch_size)
    in_turn(steps, x, y, fa.SGD(0.01, weight_decay=0.1), batch_size)
    assert_same(state(loop), state(steps))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("batch_size", [1, 4])
def test_whatever_the_feedback_depends_on(rng, rule, batch_size):
    loop, steps = make(rule), make(rule)
    x, y = examples(rng, loop, 17, 0.3)
    if rule == "drtp":
        y = np.eye(5)[rng.integers(5, size=17)]
    loop.train_epoch(x, y, fa.SGD(0.02), batch_size=batch_size)
    in_turn(steps, x, y, fa.SGD(0.02), batch_size)
    assert_same(state(loop), state(steps))


class Watching:
    """A user's own feedback, which looks at the first layer's weights meanwhile."""

    def __init__(self, rng):
        self.b, self.w, self.seen = rng.normal(size=(70, 130)), None, []

    def propagate(self, delta):
        if self.w is not None:
            self.seen.append(self.w.copy())
        return delta @ self.b.T


def test_custom_feedback_sees_the_weights_of_the_step(rng):
    watching = [Watching(np.random.default_rng(1)) for _ in range(2)]
    nets = [make([fa.Feedback(one), fa.Feedback("uniform")]) for one in watching]
    x, y = silent_for_long(rng, nets[0], 30)
    for one, net in zip(watching, nets, strict=True):
        one.w = net.weights[0]
    optimizer = fa.SGD(0.05, weight_decay=0.1)
    nets[0].train_epoch(x, y, optimizer, batch_size=1)
    in_turn(nets[1], x, y, optimizer, 1)
    assert len(watching[0].seen) == 30
    np.testing.assert_array_equal(watching[0].seen, watching[1].seen)


@pytest.mark.parametrize("optimizer", [fa.SGD(0.02, momentum=0.9), fa.Adam(1e-3)])
@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize(
    "settings",
    [{}, {"density": 0.6}, {"dropout": 0.4}, {"bias": False}, {"bias": False, "density": 0.6}],
)
def test_with_memory_masks_and_dropout(rng, optimizer, batch_size, settings):
    for rule in (optimizer, fa.SGD(0.02)):
        loop, steps = make(**settings), make(**settings)
        x, y = examples(rng, loop, 14, 0.3)
        loop.train_epoch(x, y, rule, batch_size=batch_size)
        in_turn(steps, x, y, rule, batch_size)
        assert_same(state(loop), state(steps))


@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_a_step_that_diverges_leaves_the_weights_of_the_one_before(rng, batch_size, decay):
    loop, steps = make(), make()
    x, y = examples(rng, loop, 10 * batch_size, zeros=0.5)
    y[7 * batch_size] = 1e30
    x[7 * batch_size] = 1.0
    x[:, 5:25] = 0
    optimizer = fa.SGD(0.05, weight_decay=decay)
    with pytest.raises(fa.DivergenceError, match="step 7"):
        loop.train_epoch(x, y, optimizer, batch_size=batch_size)
    in_turn(steps, x[: 7 * batch_size], y[: 7 * batch_size], optimizer, batch_size)
    assert_same(state(loop), state(steps))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 6])
def test_same_bits_on_any_number_of_threads(rng, restore_threads, threads, batch_size):
    layers = [(700, "logistic"), (10, "logistic")]
    x, y = rng.random((30, 400)), rng.random((30, 10))
    found = []
    for count in (1, threads):
        fa.set_num_threads(count)
        net = make(layers=layers, inputs=400)
        net.train_epoch(x, y, fa.SGD(0.05, weight_decay=1e-4), batch_size=batch_size)
        found.append(state(net))
    assert_same(*found)


@pytest.mark.parametrize("optimizer", [fa.SGD(0.02), fa.SGD(0.02, momentum=0.9), fa.Adam(1e-3)])
@pytest.mark.parametrize("layers", [WIDE, [(9, "tanh"), (7, "tanh"), (5, "tanh")]])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_looking_in_between_changes_nothing(rng, optimizer, layers, batch_size):
    alone, watched = make(layers=layers), make(layers=layers)
    x, y = examples(rng, alone, 12)
    looks = (
        lambda: fa.metrics.alignment(watched, x[:9], y[:9]),
        lambda: watched.deltas(x[:1], y[:1], "bp"),
        lambda: watched.evaluate(x, y),
        lambda: watched.activations(x[:2]),
    )
    for at in range(0, 12, batch_size):
        for net in (alone, watched):
            part = slice(at, at + batch_size)
            net.step(x[part], y[part], optimizer)
            net.train_epoch(x[part], y[part], optimizer, batch_size=batch_size)
        looks[at // batch_size % len(looks)]()
        assert_same(state(alone), state(watched))
