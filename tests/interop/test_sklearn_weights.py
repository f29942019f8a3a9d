"""Sample and class weights of the scikit-learn estimators, in `fit` and in `partial_fit`."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", reason="needs scikit-learn")

from fastfa.sklearn import FeedbackAlignmentClassifier, FeedbackAlignmentRegressor
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler


def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture
def two_classes(rng):
    X = rng.standard_normal((200, 6))
    return X, (X[:, 0] > 0) * 1


def weights_of(model):
    return [np.array(w) for w in model.network_.weights]


def assert_equal(model, other):
    for a, b in zip(weights_of(model), weights_of(other), strict=True):
        np.testing.assert_array_equal(a, b)


# ---- fit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_in_one_batch_whole_weights_are_repeated_rows(optimizer):
    X, y = iris()
    w = np.random.default_rng(0).integers(0, 4, 150)
    options = {"random_state": 1, "max_epochs": 5, "batch_size": 1000, "optimizer": optimizer}
    weighted = FeedbackAlignmentClassifier(**options).fit(X, y, sample_weight=w)
    repeated = FeedbackAlignmentClassifier(**options).fit(np.repeat(X, w, 0), np.repeat(y, w))
    for a, b in zip(weights_of(weighted), weights_of(repeated), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-12)


def test_weights_go_to_the_core_relative_to_their_mean(rng):
    X, y = iris()
    w = rng.random(150) + 0.1
    options = {"random_state": 3, "max_epochs": 3, "optimizer": "sgd", "n_iter_no_change": None}
    model = FeedbackAlignmentClassifier((7,), **options).fit(X, y, sample_weight=w)
    net = fa.Network(
        4,
        [fa.Dense(7, "relu"), fa.Dense(3, "softmax")],
        loss="cross_entropy",
        seed=3,
        dtype="float64",
    )
    trainer = fa.Trainer(net, fa.SGD(0.1), batch_size=32, epochs=3, seed=3, progress=False)
    history = trainer.fit((X, y, w / w.mean()))
    for a, b in zip(model.network_.weights, net.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
    np.testing.assert_allclose(model.loss_curve_, history["train_loss"], rtol=1e-10)


@pytest.mark.parametrize("factor", [4.0, 2.0**-900, 2.0**900])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_fit_takes_the_same_step_whatever_the_unit_of_weights(factor, early_stopping, rng):
    X, y = iris()
    w = rng.random(150)
    options = {"random_state": 3, "max_epochs": 3, "early_stopping": early_stopping}
    model, other = (
        FeedbackAlignmentRegressor((7,), **options).fit(X, y, sample_weight=weights)
        for weights in (w, factor * w)
    )
    assert_equal(model, other)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_rows_of_weight_zero_are_as_if_they_were_not_there(early_stopping, rng):
    X, y = iris()
    w = rng.random(150) * (rng.random(150) < 0.5)
    options = {"random_state": 3, "max_epochs": 3, "early_stopping": early_stopping}
    model = FeedbackAlignmentClassifier((7,), **options).fit(X, y, sample_weight=w)
    other = FeedbackAlignmentClassifier((7,), **options).fit(X[w > 0], y[w > 0], w[w > 0])
    assert_equal(model, other)


def test_early_stopping_judges_by_weighted_validation(two_classes, rng):
    X, y = two_classes
    w = np.where(rng.random(200) < 0.5, 1e-9, 1.0)
    y = np.where(w < 1, 1 - y, y)  # those that hardly count say the opposite
    options = {"random_state": 0, "max_epochs": 60, "early_stopping": True, "learning_rate": 0.02}
    model = FeedbackAlignmentClassifier((20,), **options).fit(X, y, sample_weight=w)
    plain = FeedbackAlignmentClassifier((20,), **options).fit(X, y)
    # by what is held out unweighted, half of it would be wrong
    assert min(model.history_["validation_loss"]) < 0.4 < min(plain.history_["validation_loss"])
    assert min(model.history_["validation_error"]) < 0.3


def test_class_weights_and_sample_weights_are_multiplied(rng):
    X, y = iris()
    w, each = rng.random(150), np.array([1.0, 5.0, 0.5])
    options = {"random_state": 3, "max_epochs": 3}
    model = FeedbackAlignmentClassifier((7,), class_weight=dict(enumerate(each)), **options)
    model.fit(X, y, sample_weight=w)
    assert_equal(
        model, FeedbackAlignmentClassifier((7,), **options).fit(X, y, sample_weight=w * each[y])
    )


# ---- partial_fit --------------------------------------------------------------------------------


def mean_probability(model, X, y, class_weight, epochs=15):
    """Of class 1, after batches of one class each."""
    model.set_params(class_weight=class_weight)
    for _ in range(epochs):
        for k in (0, 1):
            rows = np.flatnonzero(y == k)
            for at in range(0, len(rows), 20):
                part = rows[at : at + 20]
                model.partial_fit(X[part], y[part], classes=[0, 1])
    return model.predict_proba(X)[:, 1].mean()


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 0.01), ("sgd", 0.1)])
def test_batches_of_one_class_keep_what_they_weigh(optimizer, rate, two_classes):
    """As in scikit-learn's SGDClassifier: the heavier class 1 is, the more probable it gets."""
    X, y = two_classes
    found, theirs = (
        [
            mean_probability(make(), X, y, class_weight)
            for class_weight in (None, {0: 1, 1: 9}, {0: 0.001, 1: 0.999})
        ]
        for make in (
            lambda: FeedbackAlignmentClassifier(
                (10,), optimizer=optimizer, learning_rate=rate, random_state=0, batch_size=20
            ),
            lambda: SGDClassifier(loss="log_loss", random_state=0),
        )
    )
    for none, heavy, alone in (found, theirs):
        assert none + 0.04 < heavy < alone - 0.2
        assert alone > 0.9


def test_partial_fit_is_the_cores_epoch_with_these_weights(two_classes, rng):
    X, y = two_classes
    w = 3 * rng.random(200)
    model = FeedbackAlignmentClassifier(
        (10,), optimizer="sgd", random_state=2, shuffle=False, class_weight={1: 4.0}
    )
    net = fa.Network(
        6,
        [fa.Dense(10, "relu"), fa.Dense(2, "softmax")],
        loss="cross_entropy",
        seed=2,
        dtype="float64",
    )
    for part in (slice(0, 70), slice(70, 200)):
        model.partial_fit(X[part], y[part], classes=[0, 1], sample_weight=w[part])
        own = w[part] * np.where(y[part] == 1, 4.0, 1.0)
        loss = net.train_epoch(
            X[part], np.eye(2)[y[part]], fa.SGD(0.1), batch_size=32, sample_weight=own
        )
        assert model.loss_ == pytest.approx(loss, rel=1e-12)
    for a, b in zip(model.network_.weights, net.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_regression_in_batches_of_one_weight(rng):
    X = rng.standard_normal((60, 3))
    y = X[:, 0]
    moved = []
    for weight in (1.0, 0.25):
        model = FeedbackAlignmentRegressor((5,), optimizer="sgd", random_state=0, batch_size=60)
        before = fa.Network(3, [fa.Dense(5, "relu"), fa.Dense(1)], dtype="float64").weights
        model.partial_fit(X, y, sample_weight=np.full(60, weight))
        moved.append([a - b for a, b in zip(weights_of(model), before, strict=True)])
    for whole, quarter in zip(*moved, strict=True):
        np.testing.assert_allclose(quarter, 0.25 * whole, rtol=1e-9, atol=1e-15)


def test_a_batch_that_counts_nothing_changes_nothing(two_classes):
    X, y = two_classes
    zeros = y == 0
    model = FeedbackAlignmentClassifier((4,), class_weight={0: 0, 1: 1}, random_state=0)
    model.partial_fit(X[zeros], y[zeros], classes=[0, 1])
    assert model.n_iter_ == 0
    assert np.isnan(model.loss_)
    first = weights_of(model)
    model.partial_fit(X[~zeros], y[~zeros])
    assert model.n_iter_ == 1
    assert not np.array_equal(first[0], model.network_.weights[0])
    second = weights_of(model)
    model.partial_fit(X[zeros], y[zeros])
    np.testing.assert_array_equal(second[0], model.network_.weights[0])
    assert model.n_iter_ == 1


def test_a_class_weight_for_a_class_that_is_not_in_the_batch(two_classes):
    X, y = two_classes
    model = FeedbackAlignmentClassifier((4,), class_weight={1: 9}, random_state=0)
    model.partial_fit(X[y == 0], y[y == 0], classes=[0, 1])
    other = FeedbackAlignmentClassifier((4,), random_state=0)
    assert_equal(model, other.partial_fit(X[y == 0], y[y == 0], classes=[0, 1]))


def test_balanced_is_for_fit(two_classes):
    X, y = two_classes
    model = FeedbackAlignmentClassifier((4,), class_weight="balanced", random_state=0)
    with pytest.raises(ValueError, match=r"\[partial_fit\] class_weight was 'balanced'.*dict"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.set_params(max_epochs=2).fit(X, y)
    before = weights_of(model)
    with pytest.raises(ValueError, match="class_weight"):
        model.partial_fit(X, y)
    np.testing.assert_array_equal(before[0], model.network_.weights[0])


@pytest.mark.parametrize("weights", [-1.0, np.nan, np.inf, 1e15])
def test_weights_that_mean_nothing_are_refused(weights, two_classes):
    X, y = two_classes
    model = FeedbackAlignmentClassifier((4,), random_state=0)
    with pytest.raises(ValueError, match=r"(?i)weights?\b"):
        model.partial_fit(X, y, classes=[0, 1], sample_weight=np.r_[weights, np.ones(199)])
    assert not hasattr(model, "network_")


# ---- parameters of a network that goes on -------------------------------------------------------

BASE = {
    "hidden_layer_sizes": (6,),
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "max_epochs": 4,
    "early_stopping": True,
    "n_iter_no_change": 3,
    "validation_fraction": 0.25,
    "output_activation": "logistic",
    "random_state": 0,
    "warm_start": True,
}
REFUSED = {
    "hidden_layer_sizes": (50,),
    "activation": "tanh",
    "weight_scale": 0.5,
    "loss": "squared_error",
    "output_activation": "softmax",
    "image_shape": (2, 2),
    "dtype": "float32",
    "matmul_precision": "bf16",
    "random_state": 1,
}
HONOURED = {
    "feedback": "bp",
    "gain": 3.0,
    "class_weight": {0: 1, 1: 9, 2: 1},
    "optimizer": "adam",
    "learning_rate": 0.001,
    "momentum": 0.9,
    "weight_decay": 0.1,
    "schedule": {1: 0.05, 6: 0.0001},
    "batch_size": 5,
    "max_epochs": 2,
    "shuffle": False,
    "early_stopping": False,
    "validation_fraction": 0.5,
    "n_iter_no_change": 1,
    "tol": 10.0,
    "warm_start": False,
    "verbose": True,
}


def went_on(**changes):
    """A model that was fitted, changed and fitted again."""
    X, y = iris()
    options = {"n_iter_no_change": 1} if "tol" in changes else {}
    model = FeedbackAlignmentClassifier(**BASE | options).fit(X, y)
    return model.set_params(**changes).fit(X, y), X, y


def test_the_table_has_all_parameters():
    assert REFUSED.keys() | HONOURED.keys() == FeedbackAlignmentClassifier().get_params().keys()
    assert not REFUSED.keys() & HONOURED.keys()
    regressor = FeedbackAlignmentRegressor().get_params().keys()
    assert regressor < REFUSED.keys() | HONOURED.keys()


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_network_cannot_take_is_refused(name):
    X, y = iris()
    model = FeedbackAlignmentClassifier(**BASE).fit(X, y)
    before, params = weights_of(model), model.get_params()
    model.set_params(feedback="dfa", **{name: REFUSED[name]})
    for call in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=rf"\[fit\] {name} was .*; the network was made with"):
            call(X, y)
    np.testing.assert_array_equal(before[0], model.network_.weights[0])
    assert model.network_.feedback[0].route == "layerwise"  # nothing was changed
    model.set_params(**params).fit(X, y)
    model.set_params(warm_start=False, **{name: REFUSED[name]})
    if name == "matmul_precision":
        with pytest.raises(ValueError, match="matmul_precision was 'bf16'"):
            model.fit(X, y)  # which float64 hasn't
        model.set_params(dtype="float32").fit(X, y)
        assert model.network_.matmul_precision == "bf16"
    elif name != "loss":  # which doesn't go with every output; it does with this one
        model.fit(X, y)
        assert model.n_iter_ <= 4


@pytest.mark.parametrize("name", HONOURED)
def test_what_a_network_can_take_is_honoured(name, capsys):
    usual, X, _ = went_on(**({"tol": 1e-4} if name == "tol" else {}))
    capsys.readouterr()
    model, X, _ = went_on(**{name: HONOURED[name]})
    if name == "verbose":
        assert "epoch" in capsys.readouterr().err
        assert_equal(model, usual)
    elif name == "n_iter_no_change":
        assert model.n_iter_ <= usual.n_iter_
    else:
        assert not np.array_equal(model.predict_proba(X), usual.predict_proba(X))
    if name == "feedback":
        assert model.network_.feedback[0].matrix == "transpose"
    if name == "gain":
        assert model.network_.feedback[0].gain == 3.0


def test_feedback_that_stays_the_same_is_left_alone():
    """Also B that has learned, and rules that are other objects of the same meaning."""
    X, y = iris()
    for make in (
        lambda: "kp",
        lambda: ["kp"],
        lambda: fa.Feedback("uniform", plasticity="kolen_pollack"),
        lambda: fa.Feedback("array", array=np.ones((6, 3)), plasticity="kolen_pollack"),
    ):
        model = FeedbackAlignmentClassifier(**BASE, feedback=make()).fit(X, y)
        other = FeedbackAlignmentClassifier(**BASE, feedback=make()).fit(X, y)
        assert_equal(model.set_params(feedback=make()).fit(X, y), other.fit(X, y))


def test_a_list_that_is_changed_in_place_is_a_changed_parameter():
    X, y = iris()
    sizes = [6]
    model = FeedbackAlignmentClassifier(**BASE | {"hidden_layer_sizes": sizes}).fit(X, y)
    sizes.append(5)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        model.fit(X, y)
    sizes.pop()
    model.set_params(hidden_layer_sizes=(6,)).fit(X, y)
