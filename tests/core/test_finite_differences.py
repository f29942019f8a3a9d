"""Backprop is the gradient: central differences of the loss, parameter by parameter, in float64."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import fastfa as fa
import numpy as np
import pytest
import reference
from gradient_cases import WIDTHS, H, assert_close, core_network, data, loss_of, numerical_gradient
from parity_cases import HIDDEN, OUTPUTS


@pytest.mark.parametrize(("loss", "output"), OUTPUTS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_core_step_with_bp_goes_down_the_gradient(hidden, loss, output):
    net, (x, y) = core_network(hidden, loss, output)
    gradients = [
        numerical_gradient(partial(loss_of, net, x, y), a) for a in [*net.weights, *net.biases]
    ]
    before = [np.array(a) for a in [*net.weights, *net.biases]]
    net.step(x, y, fa.SGD(1.0))  # mean reduction: the change is minus the gradient of the mean loss
    for gradient, old, new in zip(gradients, before, [*net.weights, *net.biases], strict=True):
        assert_close(new - old, -gradient)


@pytest.mark.parametrize(("loss", "output"), OUTPUTS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_deltas_of_bp_are_the_gradient_with_respect_to_each_pre_activation(
    hidden, loss, output
):
    """A bias is added to a, so one example's dL/db is minus its delta; any feedback may be set."""
    net, (x, y) = core_network(hidden, loss, output, feedback="fa")
    for example in range(3):
        x1, y1 = x[example : example + 1], y[example : example + 1]
        for delta, bias in zip(net.deltas(x1, y1, feedback="bp"), net.biases, strict=True):
            assert_close(delta[0], -numerical_gradient(partial(loss_of, net, x1, y1), bias))


@pytest.mark.parametrize(("loss", "output"), OUTPUTS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_reference_goes_down_the_gradient(hidden, loss, output):
    """The reference itself, so that core and reference cannot be wrong together."""
    rng = np.random.default_rng(0)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        names = [hidden] * (len(WIDTHS) - 2) + [output]
        ref = reference.Network(
            [reference.Layer(name) for name in names],
            [rng.uniform(-1, 1, (n, m)) for m, n in pairwise(WIDTHS)],
            [rng.standard_normal(n) for n in WIDTHS[1:]],
            [reference.Feedback()] * (len(names) - 1),
            loss,
        )
        x, y = data(output, rng)
        if min(np.abs(a).min() for a in ref.pre_activations(x)) > 100 * H:
            break
    else:
        raise AssertionError("no seed keeps clear of the kinks")
    gradients = [
        numerical_gradient(lambda: ref.losses(x, y).mean(), a) for a in [*ref.weights, *ref.biases]
    ]
    before = [a.copy() for a in [*ref.weights, *ref.biases]]
    ref.step(x, y, fa.SGD(1.0))
    for gradient, old, new in zip(gradients, before, [*ref.weights, *ref.biases], strict=True):
        assert_close(new - old, -gradient)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("loss", "output"), OUTPUTS)
def test_locally_connected_layers_go_down_the_gradient(loss, output, padding):
    """Two of them below a dense one; every activation comes to be hidden, and the output local too."""
    for i, hidden in enumerate(HIDDEN):
        layers = [
            fa.LocallyConnected2D(2, (2, 3), stride=(1, 2), padding=padding, activation=hidden),
            fa.LocallyConnected2D(3, 2, padding=padding, activation=hidden),
            fa.Dense(3, output) if i % 2 else fa.LocallyConnected2D(3, (2, 1), activation=output),
        ]
        for seed in range(100):
            rng = np.random.default_rng(seed)
            net = fa.Network((2, 4, 5), layers, "bp", loss=loss, seed=seed, dtype="float64")
            for b in net.biases:
                b[...] = 0.5 * rng.standard_normal(b.shape)
            x = rng.standard_normal((4, net.input_size))
            y = np.eye(net.output_size)[rng.integers(0, net.output_size, 4)]
            if min(np.abs(a).min() for a in reference.of(net).pre_activations(x)) > 20 * H:
                break
        else:
            raise AssertionError("no seed keeps clear of the kinks")
        arrays = [*net.weights, *net.biases]
        gradients = [numerical_gradient(partial(loss_of, net, x, y), a) for a in arrays]
        before = [np.array(a) for a in arrays]
        net.step(x, y, fa.SGD(1.0))
        for gradient, old, new in zip(gradients, before, arrays, strict=True):
            assert_close(new - old, -gradient)


def test_feedback_alignment_is_not_the_gradient():
    """The comparison above can fail: the hidden part of an FA step is somewhere else."""
    net, (x, y) = core_network("tanh", "squared_error", "linear", feedback="fa")
    gradient = numerical_gradient(partial(loss_of, net, x, y), net.weights[0])
    before = np.array(net.weights[0])
    net.step(x, y, fa.SGD(1.0))
    change = net.weights[0] - before
    assert np.linalg.norm(change + gradient) > 0.1 * np.linalg.norm(gradient)


@pytest.mark.parametrize("name", HIDDEN)
def test_the_references_sigma_prime_is_the_slope_of_sigma(name):
    a = np.concatenate([np.linspace(-8, -0.01, 200), np.linspace(0.011, 8, 200)])
    slope = (reference.sigma(name, a + H) - reference.sigma(name, a - H)) / (2 * H)
    np.testing.assert_allclose(reference.sigma_prime(name, a), slope, atol=1e-9)


@pytest.mark.parametrize(("name", "slope"), [("relu", 0.0), ("leaky_relu", 1 / 20)])
def test_the_slope_at_the_kink_is_the_lower_one(name, slope):
    """The paper's piecewise-linear unit takes x/20 for x <= 0 (Supplement, equation 1)."""
    layers = [fa.Dense(3, name), fa.Dense(2, "linear")]
    net = fa.Network(2, layers, "bp", dtype="float64")
    x, y = np.zeros((4, 2)), np.ones((4, 2))  # zero inputs and zero biases: a is exactly zero
    hidden, output = net.deltas(x, y)
    np.testing.assert_allclose(hidden, slope * (output @ net.weights[1]), rtol=1e-14, atol=0)
