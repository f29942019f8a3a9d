"""What a Network shows and does: shapes, dtypes, seeds, what looking leaves alone."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference
from network_cases import SGD, assert_same_state, examples, network


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
