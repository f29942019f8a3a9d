"""A Network's feedback, by name and scale and switched; its state, saved and loaded."""

from __future__ import annotations

import copy

import fastfa as fa
import numpy as np
import pytest
import reference
import reference_feedback
from network_cases import SGD, assert_same_state, examples, network

# --- feedback -----------------------------------------------------------------------------------


def spread(matrix: np.ndarray) -> float:
    """Root mean square of the elements."""
    return float(np.sqrt(np.mean(np.square(matrix, dtype=np.float64))))


@pytest.mark.parametrize("gain", [None, 0.03, 1.0])
@pytest.mark.parametrize("route", ["layerwise", "direct"])
@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_equal_error_scales(kind, route, gain):
    """var(B) = gain²/(n_out s) topmost (direct: everywhere), 1/(n_source s) below; β = √(3 var)."""
    widths = [60, 200, 150, 120, 10]
    layers = [fa.Dense(n, "tanh") for n in widths[1:]]
    feedback = fa.Feedback(kind, scale="equal_error", gain=gain, route=route)
    net = fa.Network(widths[0], layers, feedback, seed=2, dtype="float64")
    n_out, n_top = widths[-1], widths[-2]
    slopes = reference_feedback.expected_slopes(net)
    used = np.sqrt(slopes[-1] * n_out / (3 * n_top)) if gain is None else gain
    draw = reference.uniform if kind == "uniform" else reference.normal
    for layer, b in enumerate(net.feedback_matrices):
        topmost = layer == len(widths) - 3
        variance = used**2 / n_out if topmost or route == "direct" else 1 / widths[layer + 2]
        variance /= slopes[layer]
        scale = np.sqrt(3 * variance) if kind == "uniform" else np.sqrt(variance)
        expected = draw(b.shape, scale, 2, reference.FEEDBACK, layer)
        np.testing.assert_allclose(b, expected, rtol=1e-13, atol=1e-14)
        assert spread(b) == pytest.approx(np.sqrt(variance), rel=0.1)


def test_the_default_gain_sends_as_much_as_backprop_would_at_the_start(rng):
    layers = [fa.Dense(400, "tanh"), fa.Dense(300, "tanh"), fa.Dense(10, "linear")]
    net = fa.Network(50, layers, "fa", dtype="float64")
    x, y = rng.standard_normal((100, 50)), rng.standard_normal((100, 10))
    own, bp = net.deltas(x, y), net.deltas(x, y, feedback="bp")
    assert spread(own[1]) == pytest.approx(spread(bp[1]), rel=0.1)


@pytest.mark.parametrize(
    ("preset", "matrix", "route"),
    [
        ("bp", "transpose", "layerwise"),
        ("fa", "uniform", "layerwise"),
        ("dfa", "uniform", "direct"),
        ("shallow", "zero", "layerwise"),
    ],
)
def test_presets_are_names_for_points_of_the_axes(preset, matrix, route):
    by_name, spelled = network(preset), network(fa.Feedback(matrix, route=route))
    assert [(f.matrix, f.route) for f in by_name.feedback] == [(matrix, route)] * 2
    for left, right in zip(by_name.feedback_matrices, spelled.feedback_matrices, strict=True):
        np.testing.assert_array_equal(left, right)


def test_computed_feedback_matrices_are_read_only_copies(rng):
    net = network("bp")
    for b, w in zip(net.feedback_matrices, net.weights[1:], strict=True):
        np.testing.assert_array_equal(b, w.T)
        with pytest.raises(ValueError, match="read-only"):
            b[...] = 0
    net.weights[1][...] = 5
    np.testing.assert_array_equal(net.feedback_matrices[0], np.full((11, 7), 5))
    for b in network("shallow").feedback_matrices:
        assert not b.any()
        assert not b.flags.writeable


def test_one_feedback_for_each_hidden_layer(rng):
    own = rng.standard_normal((7, 3))
    net = network(["dfa", fa.Feedback("array", array=own)])
    assert [f.matrix for f in net.feedback] == ["uniform", "array"]
    assert [b.shape for b in net.feedback_matrices] == [(11, 3), (7, 3)]
    np.testing.assert_array_equal(net.feedback_matrices[1], own.astype("float32"))


def test_the_users_array_is_copied(rng):
    own = rng.standard_normal((7, 3))
    net = network(["bp", fa.Feedback("array", array=own)], dtype="float64")
    kept = own.copy()
    own[...] = 0
    np.testing.assert_array_equal(net.feedback_matrices[1], kept)
    net.feedback_matrices[1][...] = 1
    assert not own.any()


def test_set_feedback_leaves_the_weights_and_old_arrays_alone(rng):
    net = network("fa")
    x, y = examples(rng)
    net.train_epoch(x, y, SGD, batch_size=3)
    weights = [np.array(w) for w in net.weights]
    old = net.feedback_matrices
    kept = [np.array(b) for b in old]
    net.set_feedback("dfa")
    assert [b.shape for b in net.feedback_matrices] == [(11, 3), (7, 3)]
    net.train_epoch(x, y, SGD, batch_size=3)
    net.set_feedback("bp")
    for before, after in zip(weights, net.state_dict().values(), strict=False):
        assert before.shape == after.shape
    for a, b in zip(old, kept, strict=True):
        np.testing.assert_array_equal(a, b)
        a[...] = 7  # still memory that may be written, though nothing reads it any more
    net.set_feedback("fa")
    for fresh, b in zip(net.feedback_matrices, kept, strict=True):
        np.testing.assert_array_equal(fresh, b)  # the same seed, the same draw


def test_set_feedback_changes_no_weight():
    net = network("fa")
    before = [np.array(a) for a in [*net.weights, *net.biases]]
    for feedback in ("bp", "dfa", "shallow", fa.Feedback("normal"), ["bp", "fa"]):
        net.set_feedback(feedback)
        for a, b in zip([*net.weights, *net.biases], before, strict=True):
            np.testing.assert_array_equal(a, b)


# --- saving -------------------------------------------------------------------------------------


def test_state_dict_names_and_copies():
    net = network(["fa", "bp"])
    state = net.state_dict()
    assert sorted(state) == sorted(
        [*(f"weights.{i}" for i in range(3)), *(f"biases.{i}" for i in range(3)), "feedback.0"]
    )
    for value in state.values():
        value[...] = 99
    assert all(np.abs(w).max() < 99 for w in net.weights)
    assert "biases.0" not in network(bias=False).state_dict()


@pytest.mark.parametrize("feedback", ["fa", "bp", "dfa", "shallow", ["dfa", "bp"]])
def test_a_state_dict_loaded_elsewhere_makes_the_same_network(feedback, rng, tmp_path):
    x, y = examples(rng)
    net, other = network(feedback, seed=1), network(feedback, seed=2)
    net.train_epoch(x, y, SGD, batch_size=3)
    np.savez(tmp_path / "state.npz", **net.state_dict())
    with np.load(tmp_path / "state.npz", allow_pickle=False) as loaded:
        other.load_state_dict(dict(loaded))
    assert_same_state(net.state_dict(), other.state_dict())
    np.testing.assert_array_equal(net.forward(x), other.forward(x))
    for left, right in zip(net.deltas(x, y), other.deltas(x, y), strict=True):
        np.testing.assert_array_equal(left, right)


def test_loading_back_into_the_same_network_restores_it(rng):
    x, y = examples(rng)
    net = network()
    start = net.state_dict()
    views = net.weights
    net.train_epoch(x, y, SGD, batch_size=3)
    assert not np.array_equal(net.weights[0], start["weights.0"])
    net.load_state_dict(start)
    assert_same_state(net.state_dict(), start)
    np.testing.assert_array_equal(views[0], start["weights.0"])  # written in place


@pytest.mark.parametrize("change", ["missing", "extra", "shape", "not finite"])
def test_a_wrong_state_is_refused_before_anything_is_written(change):
    net = network()
    before, state = net.state_dict(), network(seed=5).state_dict()
    if change == "missing":
        del state["biases.2"]
        word = "biases.2"
    elif change == "extra":
        state["weights.3"] = np.zeros((1, 3))
        word = "weights.3"
    elif change == "shape":
        state["weights.2"] = state["weights.2"].T
        word = "weights.2"
    else:
        state["weights.2"][0, 0] = np.nan
        word = "weights.2"
    with pytest.raises(ValueError, match=word.replace(".", r"\.")):
        net.load_state_dict(state)
    assert_same_state(net.state_dict(), before)


def test_networks_do_not_share_anything(rng):
    x, y = examples(rng)
    left, right = network(), network()
    before = right.state_dict()
    left.train_epoch(x, y, SGD, batch_size=1)
    for a in [*left.weights, *left.biases, *left.feedback_matrices]:
        a[...] = 3
    assert_same_state(right.state_dict(), before)


def test_loading_a_state_drops_the_velocity(rng):
    x, y = rng.random((20, 5)), rng.random((20, 3))
    sgd = fa.SGD(0.1, momentum=0.9)
    net, fresh = (fa.Network(5, [fa.Dense(4, "tanh"), fa.Dense(3)], seed=3) for _ in range(2))
    start = net.state_dict()
    for _ in range(3):
        net.step(x, y, sgd)
    net.load_state_dict(start)
    for each in (net, fresh):
        each.step(x, y, sgd)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, fresh.state_dict()[name])


def test_feedback_can_be_copied():
    feedback = fa.Feedback("normal", scale=0.5)
    assert copy.copy(feedback) is feedback
    assert copy.deepcopy([feedback])[0] is feedback
