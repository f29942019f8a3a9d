"""What a Network shows and does: shapes, dtypes, seeds, feedback scales, switching, saving."""

from __future__ import annotations

import copy

import fastfa as fa
import numpy as np
import pytest
import reference
import reference_feedback

SGD = fa.SGD(0.1, momentum=0.5)


def network(feedback="fa", *, dtype="float32", seed=0, bias=True) -> fa.Network:
    layers = [fa.Dense(n, "tanh", bias=bias) for n in (11, 7)] + [fa.Dense(3, "linear", bias=bias)]
    return fa.Network(5, layers, feedback, seed=seed, dtype=dtype)


def examples(rng, count=20, dtype="float32"):
    return rng.standard_normal((count, 5)).astype(dtype), rng.random((count, 3)).astype(dtype)


def assert_same_state(left: dict, right: dict) -> None:
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 20])
def test_shapes_and_dtypes_of_everything(dtype, count, rng):
    net = network(dtype=dtype)
    x, y = examples(rng, count, dtype)
    assert net.dtype == np.dtype(dtype)
    assert [w.shape for w in net.weights] == [(11, 5), (7, 11), (3, 7)]
    assert [b.shape for b in net.biases] == [(11,), (7,), (3,)]
    assert [b.shape for b in net.feedback_matrices] == [(11, 7), (7, 3)]
    assert net.forward(x).shape == (count, 3)
    assert [h.shape for h in net.activations(x)] == [(count, 11), (count, 7), (count, 3)]
    assert [d.shape for d in net.deltas(x, y)] == [(count, 11), (count, 7), (count, 3)]
    for a in [*net.weights, *net.biases, *net.feedback_matrices, net.forward(x)]:
        assert a.dtype == np.dtype(dtype)
    for a in [*net.activations(x), *net.deltas(x, y)]:
        assert a.dtype == np.dtype(dtype)
    assert isinstance(net.step(x, y, SGD), float)
    assert isinstance(net.train_epoch(x, y, SGD, batch_size=3), float)


def test_what_the_network_was_made_of_can_be_read():
    layers = [
        fa.Dense(4, "relu", bias=False, weight_scale=0.2),
        fa.Dense(3, "softmax", trainable=False),
    ]
    net = fa.Network(5, layers, "dfa", loss="cross_entropy", seed=17, dtype="float64")
    assert (net.input_size, net.output_size) == (5, 3)
    assert (net.loss, net.seed, net.device) == ("cross_entropy", 17, "cpu")
    assert [d.units for d in net.layers] == [4, 3]
    assert [d.activation for d in net.layers] == ["relu", "softmax"]
    assert [d.bias for d in net.layers] == [False, True]
    assert [d.trainable for d in net.layers] == [True, False]
    assert net.layers[0].weight_scale == 0.2
    assert [(fb.matrix, fb.route) for fb in net.feedback] == [("uniform", "direct")]
    assert net.biases[0] is None
    assert net.biases[1].shape == (3,)


def test_a_network_without_hidden_layers_has_no_feedback(rng):
    net = fa.Network(5, [fa.Dense(3, "linear")], "fa")
    assert tuple(net.feedback) == ()
    assert net.feedback_matrices == ()
    x, y = examples(rng)
    assert net.train_epoch(x, y, SGD, batch_size=4) > net.train_epoch(x, y, SGD, batch_size=4)


def test_steps_counts_updates(rng):
    net = network()
    x, y = examples(rng)
    assert net.steps == 0
    net.step(x, y, SGD)
    net.train_epoch(x, y, SGD, batch_size=6)
    assert net.steps == 1 + 4


@pytest.mark.parametrize("batch_size", [1, 7, 20, 1000])
def test_train_epoch_is_step_after_step(batch_size, rng):
    x, y = examples(rng, dtype="float64")
    epoch, steps = network(dtype="float64"), network(dtype="float64")
    order = rng.permutation(20)
    loss = epoch.train_epoch(x, y, SGD, batch_size=batch_size, order=order)
    total = 0.0
    for start in range(0, 20, batch_size):
        rows = order[start : start + batch_size]
        total += len(rows) * steps.step(x[rows], y[rows], SGD)
    assert loss == pytest.approx(total / 20, rel=1e-12)
    for left, right in zip(epoch.weights, steps.weights, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("integers", [np.int64, np.int32, np.uint8, list])
def test_the_order_may_be_any_one_dimensional_integers(integers, rng):
    x, y = examples(rng)
    order = [3, 3, 0, 19, 7]
    left, right = network(), network()
    given = order if integers is list else np.array(order, dtype=integers)
    left.train_epoch(x, y, SGD, batch_size=2, order=given)
    right.train_epoch(x[order], y[order], SGD, batch_size=2)
    assert_same_state(left.state_dict(), right.state_dict())


def test_without_an_order_examples_come_as_they_are(rng):
    x, y = examples(rng)
    left, right = network(), network()
    left.train_epoch(x, y, SGD, batch_size=3)
    right.train_epoch(x, y, SGD, batch_size=3, order=np.arange(20))
    assert_same_state(left.state_dict(), right.state_dict())


def test_images_are_read_in_channel_row_column_order(rng):
    images = rng.random((6, 2, 3, 4)).astype("float32")
    y = rng.random((6, 3)).astype("float32")
    layers = [fa.Dense(8, "tanh"), fa.Dense(3, "linear")]
    flat, shaped = fa.Network(24, layers), fa.Network((2, 3, 4), layers)
    assert shaped.input_size == 24
    np.testing.assert_array_equal(flat.forward(images.reshape(6, 24)), shaped.forward(images))
    shaped.step(images, y, SGD)
    flat.step(images.reshape(6, 24), y, SGD)
    assert_same_state(flat.state_dict(), shaped.state_dict())
    assert fa.Network((3, 4), layers).input_size == 12


def test_predict_is_the_largest_output(rng):
    net = network()
    x, _ = examples(rng)
    predicted = net.predict(x)
    assert predicted.dtype == np.int64
    np.testing.assert_array_equal(predicted, net.forward(x).argmax(axis=1))
    assert len(set(predicted.tolist())) > 1


def test_evaluate_gives_loss_and_error_rate(rng):
    net = network(dtype="float64")
    x, y = examples(rng, 57, "float64")
    loss, error_rate = net.evaluate(x, y)
    assert loss == pytest.approx(reference.of(net).losses(x, y).mean(), rel=1e-12)
    wrong = np.mean(net.predict(x) != y.argmax(axis=1))
    assert 0 < wrong < 1
    assert error_rate == pytest.approx(wrong)
    assert net.evaluate(x, y).error_rate == error_rate


def test_looking_does_not_change_the_network(rng):
    net = network()
    x, y = examples(rng)
    net.train_epoch(x, y, SGD, batch_size=3)
    before = net.state_dict()
    net.forward(x), net.activations(x), net.predict(x), net.evaluate(x, y)
    net.deltas(x, y), net.deltas(x, y, feedback="bp"), net.deltas(x, y, feedback="dfa")
    assert [fb.matrix for fb in net.feedback] == ["uniform", "uniform"]
    assert [fb.route for fb in net.feedback] == ["layerwise", "layerwise"]
    assert_same_state(before, net.state_dict())
    assert net.steps == 7


def test_outputs_of_one_call_survive_the_next(rng):
    net = network()
    x, y = examples(rng)
    out, hidden, deltas = net.forward(x), net.activations(x), net.deltas(x, y)
    kept = [np.array(a) for a in [out, *hidden, *deltas]]
    net.train_epoch(x + 1, y, SGD, batch_size=1)
    net.forward(x + 1), net.deltas(x + 1, y)
    for a, b in zip([out, *hidden, *deltas], kept, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(dtype, batch_size, rng):
    x, y = examples(rng, dtype=dtype)
    nets = [network(dtype=dtype, seed=seed) for seed in (1, 1, 2)]
    for net in nets:
        net.train_epoch(x, y, SGD, batch_size=batch_size)
    assert_same_state(nets[0].state_dict(), nets[1].state_dict())
    for name, value in nets[2].state_dict().items():
        assert not np.array_equal(value, nets[0].state_dict()[name]), name


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


def test_cross_entropy_wants_probabilities(rng):
    net = fa.Network(5, [fa.Dense(4), fa.Dense(3, "logistic")], loss="cross_entropy")
    x, y = examples(rng)
    before = net.state_dict()
    for name, use in {
        "evaluate": net.evaluate,
        "deltas": net.deltas,
        "step": lambda x, y: net.step(x, y, SGD),
        "train_epoch": lambda x, y: net.train_epoch(x, y, SGD, batch_size=5),
    }.items():
        with pytest.raises(ValueError, match=rf"\[{name}\] Y lies in \[-.*must lie in \[0, 1\]"):
            use(x, 2 * y - 1)
    assert_same_state(before, net.state_dict())
    net.forward_step(x[:1])
    net.apply_error(np.full((1, 3), -2.0), SGD)  # an error may have any size
