"""Feedback that learns: Kolen-Pollack and the weight mirror, by their equations and by what they do.

test_parity_rules.py compares them with the reference in many shapes; here are single steps that can
be followed by eye, what belongs to B's state, and the angle to Wᵀ on real digits.
"""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference_streams as streams

RATE, DECAY = 0.05, 0.01


def network(feedback, *, dtype="float64", seed=3, trainable=True) -> fa.Network:
    layers = [fa.Dense(9, "tanh"), fa.Dense(7, "logistic"), fa.Dense(4, "linear")]
    layers[1] = fa.Dense(7, "logistic", trainable=trainable)
    return fa.Network(5, layers, feedback, seed=seed, dtype=dtype)


def examples(rng, count=12):
    return rng.standard_normal((count, 5)), rng.uniform(-1, 1, (count, 4))


def copies(arrays) -> list[np.ndarray]:
    return [np.array(a) for a in arrays]


def plastic(kind, **options) -> fa.Feedback:
    return fa.Feedback("uniform", plasticity=kind, **options)


# ---- Kolen-Pollack -----------------------------------------------------------------------------


def test_b_gets_the_transpose_of_the_update_of_w(rng):
    """Layerwise, what B gains is what W gains; each decays from its own value."""
    net = network("kp")
    x, y = examples(rng)
    for optimizer in (fa.SGD(RATE), fa.SGD(RATE, momentum=0.9), fa.SGD(RATE, reduction="sum")):
        for _ in range(3):
            w, b = copies(net.weights), copies(net.feedback_matrices)
            net.step(x, y, optimizer)
            for i in range(2):
                change = net.weights[i + 1] - w[i + 1]
                assert np.abs(change).max() > 1e-5
                np.testing.assert_allclose(net.feedback_matrices[i] - b[i], change.T, atol=1e-15)


def test_b_decays_as_w_does(rng):
    """W - Bᵀ shrinks by 1 - ηγ in every step, whatever is learned: so the two converge."""
    net = network("kp")
    x, y = examples(rng)
    difference = [net.weights[i + 1] - net.feedback_matrices[i].T for i in range(2)]
    for step in range(1, 20):
        net.step(x, y, fa.SGD(RATE, weight_decay=DECAY))
        for i in range(2):
            left = net.weights[i + 1] - net.feedback_matrices[i].T
            np.testing.assert_allclose(left, (1 - RATE * DECAY) ** step * difference[i], rtol=1e-9)


def test_the_direct_form_learns_from_the_output_error(rng):
    net = network(plastic("kolen_pollack", route="direct"))
    x, y = examples(rng)
    h, out, b = net.activations(x), net.deltas(x, y)[-1], copies(net.feedback_matrices)
    net.step(x, y, fa.SGD(RATE, weight_decay=DECAY))
    for i in range(2):
        expected = b[i] + RATE * (h[i].T @ out / len(x) - DECAY * b[i])
        np.testing.assert_allclose(net.feedback_matrices[i], expected, rtol=1e-12, atol=1e-15)


def test_layerwise_b_stays_where_the_weights_above_are_frozen(rng):
    x, y = examples(rng)
    for route, moves in (("layerwise", False), ("direct", True)):
        net = network(plastic("kolen_pollack", route=route), trainable=False)
        before = copies(net.feedback_matrices)
        net.step(x, y, fa.SGD(RATE, weight_decay=DECAY))
        assert np.array_equal(before[0], net.feedback_matrices[0]) != moves
        assert not np.array_equal(before[1], net.feedback_matrices[1])


def test_adam_moves_b_as_it_moves_w(rng):
    """B started at Wᵀ stays at Wᵀ, for every g is the same: kolen_pollack is then backprop."""
    bp = network("bp")
    arrays = [np.array(w.T) for w in bp.weights[1:]]
    net = network([fa.Feedback("array", array=a, plasticity="kolen_pollack") for a in arrays])
    x, y = examples(rng)
    for optimizer in (fa.Adam(0.01, weight_decay=0.1), fa.SGD(0.1, momentum=0.9)):
        for each in (net, bp):
            each.train_epoch(x, y, optimizer, batch_size=3)
        for left, right in zip(net.weights, bp.weights, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-9)
        for b, w in zip(net.feedback_matrices, net.weights[1:], strict=True):
            np.testing.assert_allclose(b, w.T, rtol=1e-12)
    assert not np.allclose(arrays[0], net.feedback_matrices[0], atol=1e-3)


# ---- the weight mirror -------------------------------------------------------------------------


def sigma(a):
    return 1 / (1 + np.exp(-a))


def mirror_of(net, i, count, mirror, step) -> np.ndarray:
    """B of hidden layer i after a mirror phase, from the equation: a logistic layer above, or the linear
    output."""
    w, b = net.weights[i + 1], np.asarray(net.feedback_matrices[i])
    xi = streams.step_uniform((count, w.shape[1]), mirror.noise, net.seed, i, step)
    above = sigma if i + 2 < len(net.weights) else np.array
    z = above(xi @ w.T + net.biases[i + 1])
    if mirror.centred:
        z = z - above(net.biases[i + 1])
    decay = min(1, count / (20 * w.shape[1])) if mirror.decay is None else mirror.decay
    growth = decay / (count * mirror.noise**2) if mirror.growth is None else mirror.growth
    return b + growth * xi.T @ z - decay * b


MIRRORS = [
    fa.WeightMirror(),
    fa.WeightMirror(growth=0.3, noise=0.5, every=3),
    fa.WeightMirror(growth=0.1, decay=0.2, noise=0.7, centred=True),
    fa.WeightMirror(decay=None),
    fa.WeightMirror.average(),
    fa.WeightMirror.average(0.3),
    fa.WeightMirror.average(1.0, noise=0.05, every=3),
]


@pytest.mark.parametrize("count", [1, 3, 12])
@pytest.mark.parametrize("mirror", MIRRORS, ids=repr)
@pytest.mark.parametrize("layer", [0, 1])
def test_one_mirror_phase_by_its_equation(mirror, count, layer, rng):
    """A step with rate 0 moves no weight, so that all that B does is mirror."""
    rules = ["shallow", "shallow"]
    rules[layer] = plastic(mirror)
    net = network(rules)
    net.biases[layer + 1][...] = rng.standard_normal(len(net.biases[layer + 1]))
    x, y = examples(rng, count)
    for step in range(1, 7):
        expected = mirror_of(net, layer, count, mirror, step)
        if step % mirror.every:
            expected = np.array(net.feedback_matrices[layer])
        net.step(x, y, fa.SGD(0.0))
        np.testing.assert_allclose(net.feedback_matrices[layer], expected, rtol=1e-12, atol=1e-15)


def akrouts_mirror(rng, w, b, backward, phases, batch):
    """The published code's phases (fcnn/FCNN_WM.py), in its own layout: examples in columns."""
    for _ in range(phases):
        noise_x = 0.1 * (rng.random((w.shape[1], batch)) - 0.5)
        noise_y = sigma(w @ noise_x + b[:, None])
        backward = backward + 0.01 * noise_x @ noise_y.T
    return backward


def test_the_default_mirror_is_the_published_one(rng):
    """After as many phases from the same start, B has grown as much as in the authors' code.

    500-10 of their 784-500-10, logistic, with batches of 128; noise differs, and so do B's digits.
    """
    layers = [fa.Dense(500, "logistic"), fa.Dense(10, "logistic", weight_scale=0.08)]
    net = fa.Network(30, layers, "wm", dtype="float64", loss="cross_entropy")
    net.biases[1][...] = rng.standard_normal(10)
    start, w = np.array(net.feedback_matrices[0]), np.array(net.weights[1])
    x, y = np.zeros((128, 30)), np.zeros((128, 10))
    for _ in range(300):
        net.step(x, y, fa.SGD(0.0))
    ours = net.feedback_matrices[0] - start
    theirs = akrouts_mirror(rng, w, net.biases[1], start, 300, 128) - start
    slope = sigma(net.biases[1]) * (1 - sigma(net.biases[1]))
    grown = 300 * 128 * 0.01 * 0.1**2 / 12 * slope * w.T  # what both do on average
    for b in (ours, theirs):
        assert np.vdot(b, grown) / np.vdot(grown, grown) == pytest.approx(1, abs=0.1)
    assert np.linalg.norm(ours) == pytest.approx(np.linalg.norm(theirs), rel=0.05)


def test_the_mirror_sees_the_new_weights(rng):
    mirror = fa.WeightMirror(growth=0.5, noise=1.0)
    net = network(["shallow", plastic(mirror)])
    x, y = examples(rng)
    before = np.array(net.feedback_matrices[1])
    net.step(x, y, fa.SGD(0.5))
    b = np.array(net.feedback_matrices[1])
    net.feedback_matrices[1][...] = before
    np.testing.assert_allclose(b, mirror_of(net, 1, len(x), mirror, 1), rtol=1e-12, atol=1e-15)


def test_the_mirrors_noise_has_the_variance_it_is_given(rng):
    """With r = 1, W = 1 and σ linear, B is the noise's own mean square over its nominal one."""
    layers = [fa.Dense(1, "linear"), fa.Dense(1, "linear")]
    net = fa.Network(1, layers, plastic(fa.WeightMirror.average(1.0, noise=0.3)), dtype="float64")
    net.weights[1][...] = 1
    seen = []
    for _ in range(10):
        net.step(np.ones((1000, 1)), np.ones((1000, 1)), fa.SGD(0.0))
        seen.append(net.feedback_matrices[0][0, 0])
    assert len(set(seen)) == 10  # noise is new at every step
    # ξ²/noise² of U(-√3, √3): mean 1, variance 4/5; five standard errors of 10,000
    assert abs(np.mean(seen) - 1) < 5 * np.sqrt(0.8 / 10_000)


def test_a_mirror_looks_at_frozen_weights_too(rng):
    """What B learns is what the layer above does with noise, trained or not."""
    net = network(plastic(fa.WeightMirror.average()), trainable=False)
    x, y = examples(rng)
    for _ in range(400):
        net.train_epoch(x, y, fa.SGD(0.0), batch_size=12)
    for b, w, slope in zip(net.feedback_matrices, net.weights[1:], (0.25, 1.0), strict=True):
        angle = fa.metrics.angle(np.ravel(b), np.ravel(np.asarray(w).T))
        assert angle < 25
        assert np.linalg.norm(b) == pytest.approx(slope * np.linalg.norm(w), rel=0.15)


# ---- state -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["kp", "wm"])
def test_learned_feedback_is_saved_and_switching_starts_it_afresh(rule, rng):
    net, other = network(rule), network(rule, seed=9)
    x, y = examples(rng)
    start = copies(net.feedback_matrices)
    net.train_epoch(x, y, fa.SGD(RATE, momentum=0.9), batch_size=4)
    other.load_state_dict(net.state_dict())
    for left, right in zip(net.feedback_matrices, other.feedback_matrices, strict=True):
        np.testing.assert_array_equal(left, right)
        assert left.flags.writeable
    net.set_feedback("fa")
    net.set_feedback(rule)
    for left, right in zip(net.feedback_matrices, start, strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_users_array_is_not_written(rng):
    own = rng.standard_normal((7, 4))
    kept = own.copy()
    for kind in ("kolen_pollack", "weight_mirror"):
        fb = fa.Feedback("array", array=own, plasticity=kind)
        net = network(["shallow", fb])
        net.train_epoch(*examples(rng), fa.SGD(RATE), batch_size=4)
        np.testing.assert_array_equal(own, kept)
        np.testing.assert_array_equal(fb.array, kept)
        assert not np.array_equal(net.feedback_matrices[1], kept)


def test_examples_that_lie_in_b_itself_are_copied_first(rng):
    """Sixteen units fill the core's rows, so Bᵀ is contiguous and would be read while it is learned."""
    layers, nets = [fa.Dense(16, "tanh"), fa.Dense(4, "linear")], []
    for _ in range(2):
        nets.append(fa.Network(16, layers, "kp", dtype="float64"))
    x, y = nets[0].feedback_matrices[0].T, rng.uniform(-1, 1, (4, 4))
    assert x.flags.c_contiguous
    for net, given in zip(nets, (x, x.copy()), strict=True):
        net.train_epoch(given, y, fa.SGD(0.5), batch_size=1)
    for left, right in zip(nets[0].weights, nets[1].weights, strict=True):
        np.testing.assert_array_equal(left, right)


# ---- what they are for -------------------------------------------------------------------------


def final_angles(rule, digits, decay: float) -> list[float]:
    x, y = digits
    layers = [fa.Dense(100, "tanh"), fa.Dense(60, "tanh"), fa.Dense(10, "softmax")]
    net = fa.Network(784, layers, rule, loss="cross_entropy", seed=1)
    sgd = fa.SGD(0.05, momentum=0.9, weight_decay=decay)
    for epoch in range(5):
        order = fa.data.permutation(len(x), 1, epoch)
        net.train_epoch(x, y, sgd, batch_size=20, order=order)
    return [row.weight_angle for row in fa.metrics.alignment(net, x[:100], y[:100])]


@pytest.fixture(scope="module")
def digits():
    data = fa.data.load("mnist-mini").train
    x = np.asarray(data.x, dtype="float32").reshape(len(data.x), -1)
    return x, fa.data.one_hot(data.labels, 10).astype("float32")


def test_kolen_pollack_and_the_weight_mirror_bring_the_weight_angle_under_15_degrees(digits):
    """On real digits, in both hidden layers, where feedback alignment stays above 30."""
    decay = 3e-3
    assert min(final_angles("fa", digits, decay)) > 30
    assert max(final_angles("kp", digits, decay)) < 15
    assert max(final_angles(plastic(fa.WeightMirror.average()), digits, decay)) < 15


def test_the_published_mirror_brings_the_angle_down_too(digits):
    """Its phases are small, so that a few epochs need a larger rate than 0.01; B's start stays in B."""
    mirrored = final_angles(plastic(fa.WeightMirror(growth=1.0)), digits, 0.0)
    for angle, fixed in zip(mirrored, final_angles("fa", digits, 0.0), strict=True):
        assert angle < fixed - 20


# ---- layers that lack some of their weights ----------------------------------------------------


def sparse_network(rule, *, density=0.5, dtype="float64", device="cpu", widths=(17, 40, 33, 5)):
    layers = [fa.Dense(n, "tanh", density=density) for n in widths[1:]]
    return fa.Network(widths[0], layers, rule, seed=8, dtype=dtype, device=device)


LEARNING = {
    "kp": "kp",
    "kp normal": fa.Feedback("normal", plasticity="kolen_pollack"),
    "kp orthogonal": fa.Feedback("orthogonal", plasticity="kolen_pollack"),
    "kp direct": ["kp", fa.Feedback("uniform", route="direct", plasticity="kolen_pollack")],
    "wm": "wm",
    "wm average": fa.Feedback("uniform", plasticity=fa.WeightMirror.average(0.5)),
}
OPTIMIZERS = [fa.SGD(0.1), fa.SGD(0.05, momentum=0.9, weight_decay=0.1), fa.Adam(0.01)]


def assert_zero_where_w_is(net):
    for b, w in zip(net.feedback_matrices, net.weights[1:], strict=True):
        missing = np.asarray(w).T == 0
        assert missing.mean() > 0.3
        assert not np.asarray(b)[missing].any()
        assert np.asarray(b)[~missing].all()


@pytest.mark.parametrize("batch", [1, 7, 24])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("rule", LEARNING)
def test_b_lacks_what_w_lacks(rule, optimizer, batch, rng):
    for dtype in ("float32", "float64"):
        net = sparse_network(LEARNING[rule], dtype=dtype)
        assert_zero_where_w_is(net)
        x, y = rng.standard_normal((24, 17)), rng.uniform(-1, 1, (24, 5))
        for _ in range(3):
            net.train_epoch(x, y, optimizer, batch_size=batch)
        assert_zero_where_w_is(net)


def test_b_lacks_it_in_a_step_in_parts_and_in_an_ensemble(rng):
    nets = [sparse_network("kp") for _ in range(3)]
    x, y = rng.standard_normal((24, 17)), rng.uniform(-1, 1, (24, 5))
    for first in range(0, 24, 8):
        out = nets[0].forward_step(x[first : first + 8])
        nets[0].apply_error(y[first : first + 8] - out, fa.SGD(0.1))
    fa.Ensemble(nets[1:]).train_epoch(x, y, fa.SGD(0.1), batch_size=8)
    for net in nets:
        assert_zero_where_w_is(net)


def test_kolen_pollack_below_a_sparse_layer_becomes_the_transpose(rng):
    """With decay W - Bᵀ fades, and there is nothing else in B: the angle goes to zero."""
    net = sparse_network("kp")
    x, y = rng.standard_normal((24, 17)), rng.uniform(-1, 1, (24, 5))
    for _ in range(200):
        net.train_epoch(x, y, fa.SGD(0.1, weight_decay=0.5), batch_size=8)
    for row in fa.metrics.alignment(net, x, y):
        assert row.weight_angle < 0.1


def test_what_is_assigned_or_loaded_is_not_kept_where_w_has_nothing(rng):
    own = rng.uniform(1, 2, (40, 33))
    rule = fa.Feedback("array", array=own, plasticity="kolen_pollack")
    net = sparse_network([rule, "kp"])
    assert_zero_where_w_is(net)
    there = np.asarray(net.weights[1]).T != 0
    np.testing.assert_array_equal(np.asarray(net.feedback_matrices[0])[there], own[there])
    state = net.state_dict() | {"feedback.0": own}
    net.load_state_dict(state)
    assert_zero_where_w_is(net)
    net.set_feedback("fa")
    assert np.asarray(net.feedback_matrices[0]).all()  # what doesn't learn is whole
    net.set_feedback([rule, "kp"])
    assert_zero_where_w_is(net)


def test_errors_of_equal_size_return_through_a_sparse_b(rng):
    """Half of the elements, each √2 as large. (After the slope they also depend on W's density.)"""
    rule = fa.Feedback("uniform", scale="equal_before_slope", plasticity="kolen_pollack")
    whole, half = sparse_network(rule, density=1.0), sparse_network(rule)
    for one, other in zip(whole.feedback_scales, half.feedback_scales, strict=True):
        assert other == pytest.approx(one * np.sqrt(2))


# ---- layers that nothing is sent to ------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, fa.SGD(0.1, weight_decay=0.1)], ids=repr)
@pytest.mark.parametrize("batch", [1, 3, 12])
def test_a_layer_that_nothing_is_sent_to_stays(optimizer, batch, rng):
    """Shallow learning changes the output only; decay, momentum and Adam do not change that."""
    direct = fa.Feedback("uniform", route="direct")
    cases = {
        ("shallow", "shallow"): (False, False),
        ("fa", "shallow"): (False, False),  # what comes from a silent layer is nothing
        ("shallow", "fa"): (False, True),
        (direct, "shallow"): (True, False),
        ("kp", "shallow"): (False, False),
    }
    for rules, moves in cases.items():
        for dtype in ("float32", "float64"):
            net = network(list(rules), dtype=dtype)
            x, y = examples(rng)
            before = copies([*net.weights, *net.biases, *net.feedback_matrices])
            for _ in range(2):
                net.train_epoch(x, y, optimizer, batch_size=batch)
            after = [*net.weights, *net.biases, *net.feedback_matrices]
            for i, expected in enumerate([*moves, True, *moves, True, False, False]):
                assert np.array_equal(before[i], after[i]) != expected, (rules, i)


def test_what_was_remembered_of_a_silent_layer_is_kept_for_later(rng):
    """A switch to shallow learning and back goes on with the velocity of before."""
    x, y = examples(rng)
    sgd = fa.SGD(0.05, momentum=0.9)
    net, other = network("fa"), network("fa")
    for each in (net, other):
        each.train_epoch(x, y, sgd, batch_size=4)
    w = np.array(net.weights[0])
    net.set_feedback("shallow")
    net.train_epoch(x, y, sgd, batch_size=4)
    np.testing.assert_array_equal(net.weights[0], w)
    net.set_feedback("fa")
    for each in (net, other):  # without an error, only the velocity moves them
        out = each.forward_step(x)
        each.apply_error(np.zeros_like(out), sgd)
    np.testing.assert_array_equal(net.weights[0], other.weights[0])
