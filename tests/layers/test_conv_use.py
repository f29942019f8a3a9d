"""What users see of convolutions and pooling, and how such networks learn otherwise."""

from __future__ import annotations

import copy
import pickle

import fastfa as fa
import numpy as np
import pytest
import reference_conv
from conv_cases import DTYPES, SGD, examples, lenet, states_equal


def test_shapes_and_views():
    net = lenet("kp")
    assert net.shapes == ((2, 11, 10), (3, 10, 9), (5, 3, 2), (6,), (3,))
    assert net.pooling == ((), (fa.AvgPool2D(2),), (fa.MaxPool2D((3, 2)),), (), ())
    assert [w.shape for w in net.weights] == [(3, 2, 2, 2), (5, 3, 3, 3), (6, 5), (3, 6)]
    assert [b.shape for b in net.biases] == [(3,), (5,), (6,), (3,)]
    assert [b.shape for b in net.feedback_matrices] == [(60, 30), (5, 6), (6, 3)]
    assert net.state_dict()["feedback.0"].shape == (5, 3, 3, 3)
    assert [h.shape[1] for h in net.activations(examples()[0])] == [270, 30, 6, 3]
    for view in [*net.weights, *net.biases]:
        view[...] = 0.5
    assert all((view == 0.5).all() for view in [*net.weights, *net.biases])
    assert "AvgPool2D, 2 × 2" in net._repr_html_()
    assert fa.MaxPool2D(2) == fa.MaxPool2D((2, 2), stride=2)
    assert fa.MaxPool2D(2) != fa.AvgPool2D(2)
    assert repr(fa.AvgPool2D(3, 2)) == "AvgPool2D(size=(3, 3), stride=(2, 2))"


def test_one_weight_reaches_the_units_of_its_map(rng):
    layer = fa.Conv2D(3, (2, 3), stride=(2, 1), padding="same", bias=False)
    net = fa.Network((2, 6, 5), [layer], dtype="float64")
    pattern = reference_conv.Conv("linear", (2, 6, 5), 3, (2, 3), (2, 1), "same")
    for index in np.ndindex(net.weights[0].shape):
        net.weights[0][...] = 0
        net.weights[0][index] = 2.0
        expected = pattern.dense(np.array(net.weights[0])).T
        np.testing.assert_array_equal(net.forward(np.eye(60)), expected)
        assert np.count_nonzero(expected)


def test_the_first_of_equal_values_gets_the_error():
    net = fa.Network(
        (1, 4, 4), [fa.Conv2D(1, 1), fa.MaxPool2D(2), fa.Dense(1)], "bp", dtype="float64"
    )
    net.weights[0][...] = net.weights[1][...] = 1
    delta = net.deltas(np.ones((1, 16)), np.zeros((1, 1)))[0].reshape(4, 4)
    np.testing.assert_array_equal(delta != 0, [[1, 0, 1, 0], [0] * 4, [1, 0, 1, 0], [0] * 4])


@pytest.mark.parametrize("rule", ["fa", "kp", "dfa"])
def test_what_is_saved_goes_on_in_the_same_bits(rule, tmp_path):
    for optimizer in (SGD, fa.Adam(1e-3)):
        net = lenet(rule, drop=0.25)
        x, y = examples()
        net.step(x, y, optimizer)
        fa.save(tmp_path / "net.fa", net)
        others = [fa.load(tmp_path / "net.fa"), copy.deepcopy(net), pickle.loads(pickle.dumps(net))]
        for each in (net, *others):
            assert each.pooling == net.pooling
            assert each.dropout == (0, 0, 0.25, 0, 0)
            for _ in range(2):
                each.step(x, y, optimizer)
        for each in others:
            states_equal(net, each)
            assert repr(each) == repr(net)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_step_in_parts_has_the_same_bits(dtype):
    whole, parts = (lenet(["fa", "dfa", "kp"], dtype=dtype, drop=0.5) for _ in range(2))
    x, y = examples(dtype=dtype)
    for _ in range(3):
        whole.step(x, y, SGD)
        out = parts.forward_step(x)
        parts.forward(x[::-1])  # a look in between leaves what is kept alone
        parts.apply_error(y - out, SGD)
    states_equal(whole, parts)


def test_dropout_above_pooling_silences_what_pooling_leaves():
    net = lenet("bp", drop=0.5)
    x, y = examples(40)
    plain = lenet("bp")
    np.testing.assert_array_equal(net.forward(x), plain.forward(x))
    before = [np.array(w) for w in net.weights]
    net.step(x, y, fa.SGD(0.1))
    plain.step(x, y, fa.SGD(0.1))
    for own, other, start in zip(net.weights, plain.weights, before, strict=True):
        assert not np.array_equal(own, other)
        assert not np.array_equal(own, start)


def test_an_ensemble_trains_each_as_alone():
    x, y = examples(20)
    nets = [lenet("fa", seed=s) for s in range(3)]
    alone = [lenet("fa", seed=s) for s in range(3)]
    together = fa.Ensemble(nets)
    together.train_epoch(x, y, SGD, batch_size=5)
    for net, other in zip(nets, alone, strict=True):
        other.train_epoch(x, y, SGD, batch_size=5)
        states_equal(net, other)


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_number_of_threads_gives_the_same_bits(dtype, restore_threads):
    layers = [
        fa.Conv2D(7, (5, 4), stride=(2, 1), activation="logistic"),
        fa.MaxPool2D(2, 1),
        fa.Conv2D(19, 3, padding="same", activation="tanh"),
        fa.AvgPool2D(2),
        fa.Dense(3),
    ]
    rng = np.random.default_rng(0)
    found = []
    x = rng.random((150, 3, 25, 23)).astype(dtype)
    y = rng.random((150, 3)).astype(dtype)
    for threads in (1, 2, 3, 7):
        fa.set_num_threads(threads)
        net = fa.Network((3, 25, 23), layers, "fa", dtype=dtype)
        losses = [net.train_epoch(x, y, fa.SGD(0.01, momentum=0.5), batch_size=70)]
        found.append([*net.state_dict().values(), *net.deltas(x, y), losses])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("batch", [1, 3, 7])
@pytest.mark.parametrize("rule", ["fa", "bp", "brsf", ["kp", "fa", "wm"]])
def test_an_epoch_is_its_steps(rule, batch):
    """Dense layers above leave their updates to the next forward pass, where batches are small."""
    x, y = examples(20)
    epoch, steps = lenet(rule), lenet(rule)
    epoch.train_epoch(x, y, fa.SGD(0.05), batch_size=batch)
    for i in range(0, 20, batch):
        steps.step(x[i : i + batch], y[i : i + batch], fa.SGD(0.05))
    states_equal(epoch, steps)


def test_divergence_names_the_layer_with_weights():
    net = lenet("bp")
    x, y = examples()
    net.weights[2][...] = 1e200
    before = net.state_dict()
    with pytest.raises(fa.DivergenceError) as caught:
        net.step(x, y, SGD)
    assert caught.value.layer == 2
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_estimators_and_trainers_take_them(rng):
    pytest.importorskip("sklearn")
    from fastfa.sklearn import FeedbackAlignmentClassifier

    X, labels = rng.random((60, 64)), np.arange(60) % 2
    X[labels == 1, :20] += 1
    layers = [fa.Conv2D(4, 3, activation="tanh"), fa.MaxPool2D(2), 16]
    model = FeedbackAlignmentClassifier(
        layers, image_shape=(8, 8), max_epochs=100, learning_rate=0.01, random_state=0
    )
    model.fit(X, labels)
    assert model.score(X, labels) > 0.9


def test_the_size_of_errors_is_that_asked_for():
    net = lenet(fa.Feedback("uniform", gain=0.5, growth=2.0))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((400, 220)), 10 * rng.standard_normal((400, 3))
    net.calibrate_feedback(x, y, gain=0.5, growth=2.0)
    sizes = [np.sqrt((delta**2).mean()) for delta in net.deltas(x, y)]
    np.testing.assert_allclose(np.array(sizes[:3]) / sizes[3], [2, 1, 0.5], rtol=1e-9)


# ---- instruments ---------------------------------------------------------------------------------


def angle(a, b) -> float:
    a, b = np.ravel(a), np.ravel(b)
    return np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))


@pytest.mark.parametrize("rule", ["fa", "frsf", "kp", ["fa", "dfa", "fa"]])
def test_alignment_is_that_of_the_equations(rule):
    net = lenet(rule)
    x, y = examples(30)
    ref, bp = reference_conv.of(net), reference_conv.of(lenet("bp"))
    for i, a in enumerate(fa.metrics.alignment(net, x, y)):
        own, ideal = ref.deltas(x, y)[i], bp.deltas(x, y)[i]
        inputs = ref.inputs(x, ref.pre_activations(x))[i]
        assert a.angle_bp_layer == pytest.approx(angle(own, ideal), abs=1e-6)
        size = np.linalg.norm(own, axis=1).mean() / np.linalg.norm(ideal, axis=1).mean()
        assert a.norm_ratio == pytest.approx(size)
        gradients = [ref.layers[i].kept(delta.T @ inputs) for delta in (own, ideal)]
        assert a.gradient_angle == pytest.approx(angle(*gradients), abs=1e-5)
        b, w = net.feedback_matrices[i], ref.matrix(i + 1)
        if net.feedback[i].route == "layerwise":
            assert a.weight_angle == pytest.approx(angle(b, w.T), abs=1e-6)
            assert a.trace_bw == pytest.approx((b * w.T).sum(), rel=1e-9, abs=1e-9)
        assert len(a.neuron_angles) == len(b)


@pytest.mark.parametrize("pooling", [fa.AvgPool2D, fa.MaxPool2D])
def test_a_chain_of_weights_through_pooling(pooling):
    """Of a direct B: means have a matrix, the largest have none, and are NaN."""
    net = lenet(["dfa", "fa", "fa"], pooling=(fa.AvgPool2D, pooling))
    x, y = examples(30)
    found = fa.metrics.alignment(net, x, y)[0]
    assert np.isfinite(found.angle_bp)
    assert np.isnan(found.weight_angle) == (pooling is fa.MaxPool2D)
    if pooling is fa.AvgPool2D:
        ref = reference_conv.of(net)
        means = ref.pools[2][0].derivative(np.zeros(30))
        chain = ref.matrix(3) @ ref.matrix(2) @ means @ ref.matrix(1)
        assert found.weight_angle == pytest.approx(
            angle(net.feedback_matrices[0], chain.T), abs=1e-6
        )


def test_backprop_has_no_angle_to_itself():
    x, y = examples(30)
    for a in fa.metrics.alignment(lenet("bp"), x, y):
        assert a.angle_bp < 1e-5
        assert a.gradient_angle < 1e-5
        assert a.weight_angle < 1e-5
        assert a.norm_ratio == pytest.approx(1)
