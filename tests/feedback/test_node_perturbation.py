"""Node perturbation: the same samples as the reference's, and on average the gradient."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference
import reference_streams as streams
from parity import TOLERANCE, relative_error

OUTPUTS = [
    ("squared_error", "tanh"),
    ("squared_error", "linear"),
    ("cross_entropy", "logistic"),
    ("cross_entropy", "softmax"),
]


# Where the noise is, but for the usual place.
PLACES = [
    {"layers": "hidden"},
    {"noise_on": "activation"},
    {"layers": "hidden", "noise_on": "activation"},
]


def network(
    sigma=0.1, *, loss="squared_error", output="linear", dtype="float64", hidden="tanh", **place
):
    layers = [fa.Dense(9, hidden), fa.Dense(6, hidden), fa.Dense(4, output)]
    return fa.Network(5, layers, fa.NodePerturbation(sigma, **place), loss, seed=6, dtype=dtype)


def examples(rng, count=20, dtype="float64"):
    x = rng.standard_normal((count, 5)).astype(dtype)
    return x, np.eye(4, dtype=dtype)[rng.integers(0, 4, count)]


# ---- sample by sample --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("loss", "output"), OUTPUTS)
@pytest.mark.parametrize("count", [1, 2, 3, 5, 127, 300, 1030])
def test_every_sample_is_the_references(count, loss, output, dtype, rng):
    """Rows are numbered over the whole call, however it is cut up inside."""
    net = network(0.3, loss=loss, output=output, dtype=dtype)
    ref = reference.of(net)
    x, y = examples(rng, count, dtype)
    for _ in range(2):
        noise = ref.noise(count)
        change = ref.losses(x, y, noise) - ref.losses(x, y)
        for delta, expected, xi in zip(net.deltas(x, y), ref.deltas(x, y), noise, strict=True):
            assert delta.dtype == np.dtype(dtype)
            assert relative_error(delta, expected) < TOLERANCE[dtype]
            np.testing.assert_array_equal(expected, -change[:, None] * xi / 0.3**2)
        loss_before = net.step(x, y, fa.SGD(0.05, momentum=0.5))
        expected_loss = ref.step(x, y, fa.SGD(0.05, momentum=0.5))
        assert loss_before == pytest.approx(expected_loss, rel=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("hidden", ["tanh", "gelu", "softplus"])
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_samples_of_noise_elsewhere_are_the_references(place, hidden, dtype, rng):
    for (loss, output), count in zip(OUTPUTS, (5, 7, 33, 300), strict=True):
        net = network(0.3, loss=loss, output=output, dtype=dtype, hidden=hidden, **place)
        ref = reference.of(net)
        x, y = examples(rng, count, dtype)
        weights = (0.5 + rng.random(count)).astype(dtype)
        for _ in range(2):
            found = net.deltas(x, y, sample_weight=weights)
            for delta, expected in zip(found, ref.deltas(x, y, weights), strict=True):
                assert relative_error(delta, expected) < TOLERANCE[dtype]
            optimizer = fa.SGD(0.05, momentum=0.5)
            loss_before, expected_loss = net.step(x, y, optimizer), ref.step(x, y, optimizer)
            assert loss_before == pytest.approx(expected_loss, rel=TOLERANCE[dtype])
        for w, expected in zip(net.weights, ref.weights, strict=True):
            assert relative_error(w, expected) < TOLERANCE[dtype]


def test_the_outputs_error_is_exact_where_it_has_no_noise(rng):
    net = network(0.2, layers="hidden")
    x, y = examples(rng)
    np.testing.assert_array_equal(net.deltas(x, y)[-1], net.deltas(x, y, feedback="bp")[-1])


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_noise_elsewhere_under_dropout_pooling_and_in_files(place, rng, tmp_path):
    """What is dropped learns nothing, what pools has no noise, and a file keeps where noise is."""
    layers = [fa.Conv2D(3, 3), fa.AvgPool2D(2), fa.Dense(8, "tanh"), fa.Dropout(0.5), fa.Dense(3)]
    net = fa.Network((1, 6, 6), layers, fa.NodePerturbation(0.1, **place), seed=2)
    x = rng.standard_normal((30, 1, 6, 6)).astype("float32")
    y = np.eye(3, dtype="float32")[rng.integers(0, 3, 30)]
    start = net.evaluate(x, y).loss
    for _ in range(100):
        net.train_epoch(x, y, fa.SGD(0.01), batch_size=10)
    assert net.evaluate(x, y).loss < 0.9 * start
    fa.save(tmp_path / "net.safetensors", net)
    again = fa.load(tmp_path / "net.safetensors")
    assert again.feedback == net.feedback
    for each in (net, again):
        each.train_epoch(x, y, fa.SGD(0.01), batch_size=7)
    np.testing.assert_array_equal(net.weights[0], again.weights[0])


def test_noise_is_new_at_every_step_and_the_same_when_asked_twice(rng):
    net = network()
    x, y = examples(rng)
    first, again = net.deltas(x, y), net.deltas(x, y)
    net.step(x, y, fa.SGD(0.0))
    later = net.deltas(x, y)
    for a, b, c in zip(first, again, later, strict=True):
        np.testing.assert_array_equal(a, b)
        assert abs(np.corrcoef(a.ravel(), c.ravel())[0, 1]) < 0.6
        assert not np.isclose(a, c).any()


def test_deltas_on_request_need_no_network_that_perturbs(rng):
    net, other = network(0.2), fa.Network(5, network().layers, "fa", seed=6, dtype="float64")
    x, y = examples(rng)
    asked = other.deltas(x, y, feedback=fa.NodePerturbation(0.2))
    for left, right in zip(net.deltas(x, y), asked, strict=True):
        np.testing.assert_array_equal(left, right)
    assert isinstance(other.feedback, tuple)
    for left, right in zip(net.deltas(x, y, feedback="fa"), other.deltas(x, y), strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_references_noise_is_normal_and_unrelated():
    """Bounds are five standard errors of 99,000 draws."""
    z = streams.step_normal((331, 299), 1.0, 7, 2, 5)
    n = z.size
    assert abs(z.mean()) < 5 / np.sqrt(n)
    assert abs(z.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs((z**4).mean() - 3) < 5 * np.sqrt(96 / n)
    for a, b in ((z[:-1], z[1:]), (z[:-2], z[2:]), (z[:, :-1], z[:, 1:])):
        assert abs((a * b).mean()) < 5 / np.sqrt(a.size)
    for other in (
        streams.step_normal(z.shape, 1.0, 7, 2, 6),
        streams.step_normal(z.shape, 1.0, 7, 3, 5),
    ):
        assert abs((z * other).mean()) < 5 / np.sqrt(n)


# ---- on average --------------------------------------------------------------------------------


def standardised(samples: np.ndarray, expected: np.ndarray) -> float:
    """χ²/ν of the samples' mean (n, k) from ``expected`` (k,): near 1 if that is what they estimate."""
    n = len(samples)
    error = samples.std(axis=0, ddof=1) / np.sqrt(n)
    return float(np.mean(((samples.mean(axis=0) - expected) / error) ** 2))


@pytest.mark.parametrize(("loss", "output"), OUTPUTS)
@pytest.mark.parametrize("place", [{}, PLACES[2]], ids=str)
def test_the_mean_of_many_samples_is_the_gradient(place, loss, output, rng):
    """8 examples, each 5,000 times; and the test has the power to see a wrong sign or factor.

    Bias is of order σ² and far below the standard error at σ = 0.01.
    """
    copies, sigma = 5000, 0.01
    net = network(sigma, loss=loss, output=output, **place)
    x, y = examples(rng, 8)
    deltas = net.deltas(np.tile(x, (copies, 1)), np.tile(y, (copies, 1)))
    gradients = net.deltas(x, y, feedback="bp")  # that bp is the gradient: test_finite_differences
    noisy = slice(-1 if place else None)  # else the output's is exact
    for delta, gradient in zip(deltas[noisy], gradients[noisy], strict=True):
        samples, expected = delta.reshape(copies, -1), gradient.ravel()
        # mean of k squares of standard normals: sd √(2/k), here within six of them
        bound = 1 + 6 * np.sqrt(2 / expected.size)
        assert standardised(samples, expected) < bound
        for wrong in (-samples, samples * sigma, samples / sigma, 1.5 * samples, 0.5 * samples):
            assert standardised(wrong, expected) > bound


def test_without_noise_in_the_output_layer_the_mean_would_differ(rng):
    """The output's delta is estimated like any other: it isn't the error itself."""
    net = network(0.1)
    x, y = examples(rng)
    out, exact = net.deltas(x, y)[-1], net.deltas(x, y, feedback="bp")[-1]
    assert np.linalg.norm(out - exact) > np.linalg.norm(exact)


# ---- learning ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch", [1, 20])
def test_it_learns(batch, dtype, rng):
    net = network(0.1, dtype=dtype)
    x = rng.standard_normal((200, 5)).astype(dtype)
    y = np.tanh(x @ rng.standard_normal((5, 4))).astype(dtype)
    before = net.evaluate(x, y).loss
    for epoch in range(30 if batch == 1 else 120):
        order = fa.data.permutation(200, 0, epoch)
        net.train_epoch(x, y, fa.SGD(0.01 if batch == 1 else 0.05), batch_size=batch, order=order)
    assert net.evaluate(x, y).loss < 0.5 * before


def test_what_a_network_with_node_perturbation_shows(rng):
    net = network(0.25)
    assert net.feedback == fa.NodePerturbation(0.25)
    assert net.feedback_matrices == ()
    assert sum(net.feedback_bytes) == 0
    assert not [name for name in net.state_dict() if name.startswith("feedback")]
    assert "0.25" in repr(net)
    x, y = examples(rng)
    net.step(x, y, fa.SGD(0.1))
    net.set_feedback("fa")
    assert [f.matrix for f in net.feedback] == ["uniform"] * 2
    assert len(net.feedback_matrices) == 2
    net.step(x, y, fa.SGD(0.1))
    net.set_feedback(fa.NodePerturbation(0.5))
    assert net.feedback.sigma == 0.5
    ref = reference.of(net)
    for left, right in zip(net.deltas(x, y), ref.deltas(x, y), strict=True):
        assert relative_error(left, right) < 1e-10


def test_layers_that_got_nothing_before_learn_from_the_noise(rng):
    """That a layer's delta was zero is forgotten with the rule that made it so."""
    net = network(0.1)
    x, y = examples(rng)
    net.set_feedback("shallow")
    net.step(x, y, fa.SGD(0.05))
    net.set_feedback(fa.NodePerturbation(0.1))
    ref = reference.of(net)
    for each in (net, ref):
        each.step(x, y, fa.SGD(0.05))
    for w, expected in zip(net.weights, ref.weights, strict=True):
        assert relative_error(w, expected) < 1e-10


def test_a_frozen_layer_stays_and_a_network_without_hidden_layers_learns(rng):
    layers = [fa.Dense(9, "tanh", trainable=False), fa.Dense(4, "linear")]
    for net in (
        fa.Network(5, layers, fa.NodePerturbation(0.1), dtype="float64"),
        fa.Network(5, layers[1:], fa.NodePerturbation(0.1), dtype="float64"),
    ):
        x, y = examples(rng)
        ref, before = reference.of(net), net.state_dict()
        for each in (net, ref):
            each.train_epoch(x, y, fa.SGD(0.05), batch_size=3)
        for w, expected in zip(net.weights, ref.weights, strict=True):
            assert relative_error(w, expected) < 1e-10
        frozen = np.array_equal(net.weights[0], before["weights.0"])
        assert frozen == (len(net.layers) == 2)


def test_divergence_is_found_in_the_perturbed_pass_too():
    net = network(1e6, dtype="float32", hidden="linear")
    for w in net.weights:
        w[...] = 1e12
    x, y = np.zeros((4, 5)), np.ones((4, 4))
    assert not net.forward(x).any()  # the clean pass is fine
    before = net.state_dict()
    with pytest.raises(fa.DivergenceError):
        net.step(x, y, fa.SGD(0.1))
    for name, value in net.state_dict().items():
        assert value.tobytes() == before[name].tobytes()
    assert net.steps == 0


def test_the_command_says_where_the_noise_is(tmp_path, capsys):
    from fastfa.cli import main

    call = ["train", "mnist-mini", "--feedback", "np", "--epochs", "1", "--hidden", "20"]
    place = ["--perturbation-layers", "hidden", "--perturbation-noise-on", "activation"]
    assert main([*call, *place, "--save", str(tmp_path / "net.safetensors")]) == 0
    saved = fa.load(tmp_path / "net.safetensors").net.feedback
    assert saved == fa.NodePerturbation(0.01, layers="hidden", noise_on="activation")
    assert main([*call[:2], "--feedback", "fa", *place]) != 0
    assert "perturbation_layers" in capsys.readouterr().err
