"""A step in parts, call by call: what is kept in between, and what each call takes."""

from __future__ import annotations

import threading

import fastfa as fa
import numpy as np
import pytest
from parity_cases import bits, draw_data, plain_case, twins
from stepwise_cases import SGD, examples, network


def test_the_state_can_be_read_at_every_stage(rng):
    net = network()
    x, y = examples(rng)
    assert net.state is None
    out = net.forward_step(x)
    np.testing.assert_allclose(out, net.forward(x), rtol=1e-14)
    state = net.state
    assert state.deltas is None
    assert not state.updated
    for kept, expected in zip(state.activations, net.activations(x), strict=True):
        np.testing.assert_allclose(kept, expected, rtol=1e-13)
    np.testing.assert_array_equal(state.activations[-1], out)
    net.feedback_step(y - out)
    expected = net.deltas(x, y)
    for kept, delta in zip(net.state.deltas, expected, strict=True):
        np.testing.assert_allclose(kept, delta, rtol=1e-12)
    assert not net.state.updated
    assert net.steps == 0
    before = bits(net)
    net.update_step(SGD)
    assert bits(net) != before
    assert net.state.updated
    assert net.steps == 1
    for kept, delta in zip(net.state.deltas, expected, strict=True):
        np.testing.assert_allclose(kept, delta, rtol=1e-12)  # still those of the step


@pytest.mark.parametrize("feedback", ["fa", "wm", "shallow"])
@pytest.mark.parametrize("count", [1, 4])
def test_looking_in_between_changes_nothing(count, feedback, rng):
    """Not even with more examples than the pass has, for which the core needs larger buffers."""
    x, y = examples(rng, count)
    more_x, more_y = examples(rng, 300)

    def look(net):
        net.forward(more_x), net.activations(more_x), net.deltas(more_x, more_y, feedback="bp")
        net.predict(more_x), net.evaluate(more_x, more_y), net.forward(more_x[:1])
        fa.metrics.alignment(net, more_x, more_y)
        return net.feedback_matrices, net.state_dict()

    nets = [network(feedback) for _ in range(2)]
    for _ in range(3):
        states = []
        for net, curious in zip(nets, (False, True), strict=True):
            for part in (
                lambda net: net.forward_step(x),
                lambda net: net.feedback_step(y - net.state.activations[-1]),
                lambda net: net.update_step(SGD),
            ):
                part(net)
                if curious:
                    look(net)
            states.append([*net.state.activations, *net.state.deltas])
        assert bits(nets[0]) == bits(nets[1])
        for left, right in zip(*states, strict=True):
            np.testing.assert_array_equal(left, right)


def test_what_was_read_survives_the_next_step(rng):
    net = network()
    x, y = examples(rng)
    net.apply_error(y - net.forward_step(x), SGD)
    state = net.state
    kept = [np.array(a) for a in [*state.activations, *state.deltas]]
    net.apply_error(y - net.forward_step(x + 1))
    for before, after in zip(kept, [*state.activations, *state.deltas], strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_arrays_given_are_not_needed_afterwards(rng):
    left, right = network(), network()
    x, y = examples(rng)
    left.step(x, y, SGD)
    given = x.copy()
    out = right.forward_step(given)
    given[...] = np.nan
    error = y - out
    right.feedback_step(error)
    error[...] = np.nan
    right.update_step(SGD)
    assert bits(left) == bits(right)


def test_the_error_may_come_again_and_the_last_one_counts(rng):
    left, right = network(), network()
    x, y = examples(rng)
    left.step(x, y, SGD)
    out = right.forward_step(x)
    right.feedback_step(out - y)
    right.feedback_step(y - out)
    right.update_step(SGD)
    assert bits(left) == bits(right)


def test_a_second_forward_pass_takes_the_place_of_the_first(rng):
    left, right = network(), network()
    x, y = examples(rng)
    left.step(x, y, SGD)
    right.forward_step(x[:2] + 1)
    right.apply_error(y - right.forward_step(x), SGD)
    assert bits(left) == bits(right)


def test_feedback_may_be_switched_between_the_parts(rng):
    left, right = network("dfa"), network("fa")
    x, y = examples(rng)
    left.step(x, y, SGD)
    out = right.forward_step(x)
    right.set_feedback("dfa")
    right.apply_error(y - out, SGD)
    for a, b in zip(left.weights, right.weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("units", [7, 300], ids=["tiny", "wide"])
@pytest.mark.parametrize("pair", [("fa", "shallow"), ("shallow", "fa")])
def test_feedback_switched_after_the_pass_leaves_its_deltas(units, pair, rng):
    first, then = pair
    layers = [fa.Dense(units, "tanh"), fa.Dense(3)]
    left, right = fa.Network(5, layers, first, seed=4), fa.Network(5, layers, first, seed=4)
    x, e = rng.normal(size=(1, 5)), rng.normal(size=(1, 3))
    for net in (left, right):
        net.forward_step(x)
        net.feedback_step(e)
    right.set_feedback(then)
    for net in (left, right):
        net.update_step(fa.SGD(0.1))
    for a, b in zip(left.weights, right.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_weights_written_in_between_count_from_then_on(rng):
    """Activations are those of the forward pass; feedback and update take the weights as they are."""
    net = network("bp")
    x, y = examples(rng)
    out = net.forward_step(x)
    h = net.state.activations
    before = [np.array(w) for w in net.weights]
    net.weights[2][...] = 0.5
    net.apply_error(y - out, SGD)
    top = (y - out) * (1 - out**2)
    np.testing.assert_allclose(net.state.deltas[1], top @ np.full((3, 7), 0.5) * h[1] * (1 - h[1]))
    np.testing.assert_allclose(net.weights[2], 0.5 + 0.1 * top.T @ h[1] / 4)
    np.testing.assert_allclose(
        net.weights[1], before[1] + 0.1 * net.state.deltas[1].T @ h[0] / 4, rtol=1e-12
    )


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_the_loss_says_whether_the_outputs_slope_counts(loss, rng):
    net = fa.Network(5, [fa.Dense(4, "tanh"), fa.Dense(3, "logistic")], loss=loss, dtype="float64")
    e = rng.standard_normal((2, 3))
    out = net.forward_step(rng.standard_normal((2, 5)))
    net.feedback_step(e)
    slope = out * (1 - out) if loss == "squared_error" else 1
    np.testing.assert_allclose(net.state.deltas[-1], e * slope, rtol=1e-13)


def test_one_example_may_be_a_vector(rng):
    left, right = network(), network()
    x, y = examples(rng, 1)
    error = y - left.forward_step(x)
    left.apply_error(error, SGD)
    out = right.forward_step(x[0])
    assert out.shape == (3,)
    right.apply_error(y[0] - out, SGD)
    assert bits(left) == bits(right)


@pytest.mark.parametrize(
    "change",
    [np.ndarray.tolist, np.asfortranarray, lambda a: a.astype("float32").astype("f8")[::1]],
)
def test_arrays_of_other_kinds_are_converted(change, rng):
    left, right = network(), network()
    x, y = (a.astype("float32").astype("float64") for a in examples(rng))
    error = (y - left.forward_step(x)).astype("float32").astype("float64")
    left.apply_error(error, SGD)
    right.forward_step(change(x))
    right.apply_error(change(error), SGD)
    assert bits(left) == bits(right)
    image = fa.Network((5, 1), [fa.Dense(3)], dtype="float64")
    assert image.forward_step(x[:, :, None]).shape == (4, 3)
    assert image.forward_step(x[0].tolist()).shape == (3,)


def test_the_optimizer_that_was_given_last_is_the_default(rng):
    left, right = network(), network()
    x, y = examples(rng)
    for i in range(4):
        sgd = fa.SGD(0.1, momentum=0.5) if i < 2 else fa.SGD(0.3)
        left.apply_error(y - left.forward_step(x), sgd)
        right.apply_error(y - right.forward_step(x), *([] if i % 2 else [sgd]))
    assert bits(left) == bits(right)


def test_divergence_is_told_by_layer_and_step(rng):
    net = network()
    x, y = examples(rng)
    net.apply_error(y - net.forward_step(x), SGD)
    before = bits(net)
    with pytest.raises(fa.DivergenceError) as caught:
        net.forward_step(x * 1e200)
    assert (caught.value.layer, caught.value.step) == (-1, 1)
    assert net.state is None
    out = net.forward_step(x)
    with pytest.raises(fa.DivergenceError) as caught:
        net.apply_error((y - out) * 1e200, SGD)
    assert (caught.value.layer, caught.value.step) == (2, 1)
    assert bits(net) == before
    net.apply_error(y - out, SGD)  # the pass is still there
    for one in (x[:1], x):  # a tiny network alone, and in batches
        net.weights[0][...] = 1e139
        with pytest.raises(fa.DivergenceError) as caught:
            net.forward_step(one * 1e3)
        assert caught.value.layer == 0


def test_custom_feedback_that_fails_can_be_tried_again(rng):
    class Sulky:
        fails = True

        def propagate(self, delta):
            if self.fails:
                raise KeyError("not today")
            return delta @ np.ones((3, 7))

    sulky = Sulky()
    net = network(["shallow", sulky])
    x, y = examples(rng)
    out = net.forward_step(x)
    with pytest.raises(KeyError, match="not today"):
        net.apply_error(y - out, SGD)
    assert net.state.deltas is None
    sulky.fails = False
    net.apply_error(y - out, SGD)
    assert net.steps == 1


def test_a_network_called_from_its_own_feedback_refuses(rng):
    class Meddler:
        def propagate(self, delta):
            with pytest.raises(RuntimeError, match="called from within a call of its own"):
                net.forward_step(x)
            with pytest.raises(RuntimeError, match="called from within a call of its own"):
                net.state  # noqa: B018
            return np.zeros((len(delta), 7))

    net = network(["shallow", Meddler()])
    x, y = examples(rng)
    net.apply_error(y - net.forward_step(x), SGD)


def test_any_number_of_networks_in_turn_do_not_meet(rng):
    alone = [network(seed=i) for i in range(5)]
    mixed = [network(seed=i) for i in range(5)]
    x, y = examples(rng)
    for net in alone:
        for _ in range(3):
            net.apply_error(y - net.forward_step(x), SGD)
    for _ in range(3):
        outs = [net.forward_step(x) for net in mixed]
        for net, out in reversed(list(zip(mixed, outs, strict=True))):
            net.apply_error(y - out, SGD)
    for left, right in zip(alone, mixed, strict=True):
        assert bits(left) == bits(right)


@pytest.mark.parametrize("widths", [(5, 11, 3), (60, 400, 3)])
def test_networks_in_threads_do_not_meet(widths, rng):
    def learn(net, x, y):
        for _ in range(50):
            net.apply_error(y - net.forward_step(x), fa.SGD(0.003))

    case = plain_case(widths)
    alone, threaded = twins(case, "float32")
    others = [twins(case, "float32")[0] for _ in range(2)]
    x, y = draw_data(case, 3, "float32", rng)
    learn(alone, x, y)
    threads = [threading.Thread(target=learn, args=(n, x, y)) for n in (threaded, *others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for net in (threaded, *others):
        assert bits(net) == bits(alone)
