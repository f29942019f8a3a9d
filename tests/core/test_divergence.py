"""NaN and Inf: DivergenceError says where and when, and the last finite weights stay."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest


def network(hidden="tanh", output="linear", *, loss="squared_error", dtype="float32", rule="fa"):
    layers = [fa.Dense(20, hidden), fa.Dense(9, hidden), fa.Dense(3, output)]
    return fa.Network(8, layers, rule, loss=loss, dtype=dtype, seed=1)


def data(count: int = 40):
    rng = np.random.default_rng(3)
    return rng.standard_normal((count, 8)), rng.standard_normal((count, 3))


def divergence_of_a_step(net: fa.Network, x, y, sgd) -> fa.DivergenceError | None:
    """Takes one step; the error that it ended in, if any."""
    try:
        net.step(x, y, sgd)
    except fa.DivergenceError as error:
        return error
    return None


def assert_finite(net: fa.Network) -> None:
    for a in [*net.weights, *net.biases]:
        assert np.isfinite(a).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", ["linear", "relu", "leaky_relu", "tanh"])
@pytest.mark.parametrize("rule", ["bp", "fa", "dfa", "drtp", "kp", "brsf"])
def test_a_step_that_would_diverge_leaves_the_weights_from_before_it(rule, hidden, dtype):
    net, sgd = network(hidden, dtype=dtype, rule=rule), fa.SGD(1e6, momentum=0.9)
    x, y = data()
    for _ in range(10_000):
        before, steps, error = net.state_dict(), net.steps, divergence_of_a_step(net, x, y, sgd)
        if error:
            break
    else:
        pytest.fail("a learning rate of 1e6 did not diverge in 10,000 steps")
    assert error.step == steps == net.steps
    assert 0 <= error.layer < 3
    assert str(error.layer) in str(error)
    assert str(error.step) in str(error)
    after = net.state_dict()
    for name in before:
        assert before[name].tobytes() == after[name].tobytes(), name
    assert_finite(net)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_an_epoch_that_diverges_stops_at_the_last_finite_weights(batch_size, dtype):
    x, y = data(400)
    sgd = fa.SGD(1e6)
    net, twin = network("relu", dtype=dtype), network("relu", dtype=dtype)
    order = np.tile(np.arange(400), 100)
    with pytest.raises(fa.DivergenceError) as caught:
        net.train_epoch(x, y, sgd, batch_size=batch_size, order=order)
    assert_finite(net)
    assert caught.value.step == net.steps > 0
    for start in range(0, batch_size * net.steps, batch_size):
        rows = order[start : start + batch_size]
        twin.step(x[rows], y[rows], sgd)  # every step before it is fine
    rows = order[batch_size * net.steps : batch_size * (net.steps + 1)]
    with pytest.raises(fa.DivergenceError) as again:
        twin.step(x[rows], y[rows], sgd)
    assert (again.value.step, again.value.layer) == (caught.value.step, caught.value.layer)


@pytest.mark.parametrize("batch_size", [1, 40])
@pytest.mark.parametrize("hidden", ["tanh", "logistic", "relu"])
@pytest.mark.parametrize(("size", "lr"), [(1.0, 1e39), (1e10, 1e25)])
def test_one_step_from_finite_to_infinite_is_not_taken(size, lr, hidden, batch_size):
    """From weights that are fine: the rate, or the gradient times the rate, overflows float32."""
    net = network(hidden)
    x, y = data()
    # a rate that float32 cannot hold may as well be refused as a bad argument
    with pytest.raises((fa.DivergenceError, ValueError)):
        net.train_epoch(
            np.tile(size * x, (5, 1)), np.tile(size * y, (5, 1)), fa.SGD(lr), batch_size=batch_size
        )
    assert_finite(net)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["weights", "biases", "feedback_matrices"])
@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("hidden", ["tanh", "logistic", "relu", "linear"])
@pytest.mark.parametrize("batch_size", [1, 5])
def test_a_number_made_bad_through_a_view_is_found(batch_size, hidden, layer, where, bad):
    net = network(hidden)
    x, y = data()
    before = net.state_dict()
    array = getattr(net, where)[layer]
    index = (2,) * array.ndim
    kept = array[index]
    array[index] = bad
    spoilt = net.state_dict()
    with pytest.raises(fa.DivergenceError) as caught:
        net.train_epoch(np.abs(x), y, fa.SGD(0.1), batch_size=batch_size)
    assert caught.value.step == net.steps == 0
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, spoilt[name])
    array[index] = kept
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    net.train_epoch(x, y, fa.SGD(0.01), batch_size=batch_size)  # mended, it goes on
    assert_finite(net)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_error_names_the_first_layer_that_is_not_finite(layer):
    net = network("linear")
    net.weights[layer][1, 1] = np.nan
    x, y = data()
    with pytest.raises(fa.DivergenceError) as caught:
        net.step(x, y, fa.SGD(0.1))
    assert caught.value.layer == layer


@pytest.mark.parametrize("depth", [1, 2])
def test_targets_out_of_all_proportion_are_the_output_layers(depth):
    layers = [fa.Dense(9, "tanh"), fa.Dense(3, "linear")][-depth:]
    net = fa.Network(8, layers, "fa")
    before = net.state_dict()
    x, y = data()
    with pytest.raises(fa.DivergenceError) as caught:
        net.step(x, 1e25 * y, fa.SGD(0.1))
    assert (caught.value.layer, caught.value.step) == (depth - 1, 0)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    net.step(x, y, fa.SGD(0.1))


def test_inputs_out_of_all_proportion_are_layer_minus_one():
    net = network()
    x, y = data()
    with pytest.raises(fa.DivergenceError) as caught:
        net.step(1e25 * x, y, fa.SGD(0.1))
    assert (caught.value.layer, caught.value.step) == (-1, 0)


def test_the_error_is_an_arithmetic_error_with_a_layer_and_a_step():
    assert issubclass(fa.DivergenceError, ArithmeticError)
    net = network("linear")
    x, y = data()
    for _ in range(7):
        net.step(x, y, fa.SGD(0.001))
    net.biases[1][0] = np.inf
    with pytest.raises(fa.DivergenceError) as caught:
        net.step(x, y, fa.SGD(0.001))
    assert (caught.value.layer, caught.value.step) == (1, 7)


def test_large_but_finite_is_not_divergence():
    net = network("tanh", dtype="float64")
    x, y = data()
    for _ in range(5):
        assert np.isfinite(net.step(1e30 * x, y, fa.SGD(1e-3)))
    assert_finite(net)


def test_subnormal_numbers_count_as_zero():
    net = network("linear", dtype="float64")
    for w in net.weights:
        w[...] = 0
    net.biases[-1][...] = [5e-324, 2.3e-308, 1.0]  # 2.2e-308 is the smallest normal number
    np.testing.assert_array_equal(net.forward(np.ones((1, 8))), [[0.0, 2.3e-308, 1.0]])
