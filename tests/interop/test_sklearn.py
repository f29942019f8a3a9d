"""The scikit-learn estimators: its own checks, and how its users use them."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

import copy
import unittest
from collections import Counter

import fastfa as fa
import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", reason="needs scikit-learn")
pd = pytest.importorskip("pandas", reason="needs pandas")

from fastfa.sklearn import FeedbackAlignmentClassifier, FeedbackAlignmentRegressor
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_digits, load_iris, make_regression
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

ESTIMATORS = [
    FeedbackAlignmentClassifier(random_state=0),
    FeedbackAlignmentRegressor(random_state=0),
]
EXPECTED_FAILURES: dict[str, str] = {}  # the check's name -> why it must fail
GENERATED = {"1.9.1": {"FeedbackAlignmentClassifier": 63, "FeedbackAlignmentRegressor": 60}}
passed: Counter[str] = Counter()
skipped: list[tuple[str, str]] = []


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda _: EXPECTED_FAILURES)
def test_check_of_scikit_learn(estimator, check):
    name = type(estimator).__name__
    try:
        check(estimator)
    except unittest.SkipTest:
        skipped.append((name, check.func.__name__))
        raise
    passed[name] += 1


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_all_checks_ran(estimator, request):
    name = type(estimator).__name__
    generated = len(list(estimator_checks_generator(estimator)))
    assert generated >= 50
    assert generated == GENERATED.get(sklearn.__version__, {}).get(name, generated)
    collected = [item for item in request.session.items if f"[{name}(random_state=0)-" in item.name]
    if len(collected) < generated:
        pytest.skip("only some of the checks were asked for")
    left_out = [check for skipping, check in skipped if skipping == name]
    assert set(left_out) <= {"check_array_api_input"}  # the next test has it
    assert passed[name] + len(left_out) == generated - len(EXPECTED_FAILURES)


def test_the_check_that_needs_an_environment_variable(run_python):
    out = run_python(
        "from fastfa.sklearn import FeedbackAlignmentClassifier, FeedbackAlignmentRegressor\n"
        "from sklearn.utils.estimator_checks import estimator_checks_generator\n"
        "for estimator in FeedbackAlignmentClassifier(), FeedbackAlignmentRegressor():\n"
        "    for estimator, check in estimator_checks_generator(estimator):\n"
        "        if 'array_api' in check.func.__name__:\n"
        "            check(estimator)\n"
        "            print('passed')\n",
        env={"SCIPY_ARRAY_API": "1"},
    )
    assert out.split() == ["passed"] * out.count("passed")
    assert out.count("passed") == len({name for name, _ in skipped}) or not skipped


def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.mark.parametrize("feedback", ["fa", "dfa", "bp", "kp", fa.Feedback("sparse", density=0.3)])
def test_it_learns(feedback):
    X, y = load_digits(return_X_y=True)
    model = FeedbackAlignmentClassifier((64, 64), feedback=feedback, max_epochs=40, random_state=1)
    assert cross_val_score(model, X / 16, y, cv=3).min() > 0.9


@pytest.mark.parametrize(
    ("options", "activation"),
    [
        ({}, "relu"),
        ({"feedback": "drtp"}, "tanh"),
        ({"feedback": [fa.Feedback("binary", route="target")]}, "tanh"),
        ({"feedback": fa.NodePerturbation(0.1)}, "relu"),
        ({"feedback": "drtp", "activation": "elu"}, "elu"),
    ],
)
def test_the_usual_activation_is_the_rules(options, activation):
    """Targets of classes are never negative, and push relu units until they die."""
    model = FeedbackAlignmentClassifier((5,), max_epochs=1, **options).fit(*iris())
    assert [layer.activation for layer in model.network_.layers] == [activation, "softmax"]
    assert model.get_params()["activation"] == options.get("activation")


def test_an_integer_random_state_is_the_networks_seed():
    X, y = iris()
    model = FeedbackAlignmentClassifier(
        (7,),
        "logistic",
        feedback="dfa",
        gain=0.4,
        weight_scale=0.3,
        loss="squared_error",
        output_activation="logistic",
        optimizer="sgd",
        learning_rate=0.2,
        momentum=0.5,
        weight_decay=1e-3,
        batch_size=16,
        max_epochs=3,
        schedule={1: 0.2, 3: 0.02},
        random_state=5,
    ).fit(X, y)
    net = fa.Network(
        4,
        [fa.Dense(7, "logistic", weight_scale=0.3), fa.Dense(3, "logistic", weight_scale=0.3)],
        fa.Feedback("uniform", gain=0.4, route="direct"),
        seed=5,
        dtype="float64",
    )
    trainer = fa.Trainer(
        net,
        fa.SGD(0.2, momentum=0.5, weight_decay=1e-3),
        batch_size=16,
        epochs=3,
        schedule={1: 0.2, 3: 0.02},
        seed=5,
        progress=False,
    )
    history = trainer.fit((X, y))
    for own, other in zip(model.network_.weights, net.weights, strict=True):
        np.testing.assert_array_equal(own, other)
    assert model.loss_curve_ == history["train_loss"]
    assert model.n_iter_ == 3


def test_string_labels_and_frames():
    data = load_iris(as_frame=True)
    names = data.target_names[data.target]
    model = FeedbackAlignmentClassifier(random_state=0).fit(data.data, names)
    assert list(model.feature_names_in_) == list(data.data.columns)
    assert list(model.classes_) == ["setosa", "versicolor", "virginica"]
    assert set(model.predict(data.data)) <= set(names)
    assert model.score(data.data, names) > 0.9
    np.testing.assert_allclose(model.predict_proba(data.data).sum(axis=1), 1)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(data.data[data.data.columns[::-1]])


def test_pipeline_and_grid_search_over_rules_in_worker_processes():
    X, y = iris()
    pipeline = make_pipeline(StandardScaler(), FeedbackAlignmentClassifier(learning_rate=0.01))
    grid = {
        "feedbackalignmentclassifier__feedback": ["bp", fa.Feedback("binary", gain=0.5)],
        "feedbackalignmentclassifier__hidden_layer_sizes": [(20,), (10, 10)],
        "feedbackalignmentclassifier__random_state": [0],
    }
    search = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(X, y)
    assert search.best_score_ > 0.9
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_warm_start_goes_on():
    X, y = iris()
    options = {"random_state": 3, "optimizer": "sgd", "n_iter_no_change": None}
    whole = FeedbackAlignmentClassifier(**options, max_epochs=6).fit(X, y)
    halves = (
        FeedbackAlignmentClassifier(**options, max_epochs=3, warm_start=True).fit(X, y).fit(X, y)
    )
    np.testing.assert_array_equal(whole.network_.weights[0], halves.network_.weights[0])
    assert halves.n_iter_ == 6
    np.testing.assert_allclose(halves.loss_curve_, whole.loss_curve_, rtol=1e-12)
    with pytest.raises(ValueError, match="warm_start"):
        halves.fit(X, np.where(y == 2, 9, y))
    with pytest.raises(ValueError, match="warm_start"):
        halves.fit(X[y < 2], y[y < 2])


def test_one_hidden_layer_may_be_a_number_or_a_list_when_it_goes_on():
    X, y = iris()
    model = FeedbackAlignmentClassifier(hidden_layer_sizes=5, max_epochs=1, warm_start=True).fit(
        X, y
    )
    for size in ((5,), [5], np.int64(5), 5):
        model.set_params(hidden_layer_sizes=size).fit(X, y)
    assert model.n_iter_ == 5
    for size in (6, (6,), (5, 5)):
        with pytest.raises(ValueError, match=r"\[fit\] hidden_layer_sizes was .*made with 5"):
            model.set_params(hidden_layer_sizes=size).fit(X, y)
        model.set_params(hidden_layer_sizes=5)


def test_partial_fit_is_fit_by_epochs():
    X, y = iris()
    options = {"random_state": 3, "n_iter_no_change": None}
    whole = FeedbackAlignmentClassifier(**options, max_epochs=4).fit(X, y)
    parts = FeedbackAlignmentClassifier(**options)
    with pytest.raises(ValueError, match="classes"):
        parts.partial_fit(X, y)
    with pytest.raises(NotFittedError):
        parts.predict(X)
    for _ in range(4):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    np.testing.assert_array_equal(whole.network_.weights[0], parts.network_.weights[0])
    with pytest.raises(ValueError, match="classes"):
        parts.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="classes"):
        parts.partial_fit(X, y, classes=[0, 1])
    few = FeedbackAlignmentClassifier().partial_fit(X[:3], y[:3], classes=[0, 1, 2])
    assert few.predict_proba(X).shape == (150, 3)


def test_early_stopping_holds_out_and_keeps_the_best():
    X, y = load_digits(return_X_y=True)
    model = FeedbackAlignmentClassifier(
        (30,), early_stopping=True, n_iter_no_change=3, tol=0.0, max_epochs=500, random_state=0
    ).fit(X / 16, y)
    losses = model.history_["validation_loss"]
    assert model.n_iter_ < 500
    assert len(losses) - 1 - int(np.argmin(losses)) == 3
    again = FeedbackAlignmentClassifier(
        (30,), early_stopping=True, n_iter_no_change=None, max_epochs=2, random_state=0
    ).fit(X / 16, y)
    assert again.history_["validation_loss"] == losses[:2]


@pytest.mark.parametrize("seed", range(8))
def test_early_stopping_never_holds_out_all_that_counts(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    for few in (np.arange(20) < 3, np.where(np.arange(20) < 1, 1000.0, 0.001)):
        model = FeedbackAlignmentRegressor(
            (5,), early_stopping=True, validation_fraction=0.3, max_epochs=3, random_state=seed
        ).fit(X, y, sample_weight=few.astype(float))
        assert np.isfinite(model.loss_curve_).all()


@pytest.mark.parametrize("weights", [np.zeros(150), np.r_[-1.0, np.ones(149)]])
def test_weights_that_mean_nothing_are_refused(weights):
    X, y = iris()
    with pytest.raises(ValueError, match=r"(?i)sample.weight"):
        FeedbackAlignmentClassifier().fit(X, y, sample_weight=weights)


def test_class_weights_move_the_border(rng):
    X = rng.standard_normal((600, 2)) + np.repeat([[0.0], [1.0]], [500, 100], axis=0)
    y = np.repeat([0, 1], [500, 100])
    plain, balanced = (
        FeedbackAlignmentClassifier(class_weight=weight, random_state=0).fit(X, y)
        for weight in (None, "balanced")
    )
    recall = {
        model: [(model.predict(X)[y == k] == k).mean() for k in (0, 1)]
        for model in (plain, balanced)
    }
    assert recall[plain][0] > 0.95
    assert recall[plain][1] < 0.6
    assert min(recall[balanced]) > 0.65


def test_meta_estimators_with_weights():
    X, y = iris()
    base = FeedbackAlignmentClassifier((10,), learning_rate=0.01, max_epochs=40, random_state=0)
    assert AdaBoostClassifier(base, n_estimators=5, random_state=0).fit(X, y).score(X, y) > 0.9
    assert BaggingClassifier(base, n_estimators=3, random_state=0).fit(X, y).score(X, y) > 0.8


def test_regression_with_several_targets():
    X, Y = make_regression(300, 8, n_targets=3, random_state=0)
    model = TransformedTargetRegressor(
        FeedbackAlignmentRegressor((50,), feedback="dfa", random_state=0),
        transformer=StandardScaler(),
    ).fit(X, Y)
    assert model.score(X, Y) > 0.95
    one = FeedbackAlignmentRegressor(random_state=0, max_epochs=2).fit(X, Y[:, 0] / 100)
    assert one.predict(X).shape == (300,)
    with pytest.raises(ValueError, match="columns"):
        one.partial_fit(X, Y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_network_has_the_dtype_of_x(dtype):
    X, y = iris()
    model = FeedbackAlignmentClassifier(max_epochs=1).fit(X.astype(dtype), y)
    assert model.network_.dtype == dtype
    assert model.predict_proba(X).dtype == dtype
    assert FeedbackAlignmentClassifier(dtype=dtype, max_epochs=1).fit(X, y).network_.dtype == dtype


def test_layers_and_images():
    X, y = load_digits(return_X_y=True)
    layers = [
        fa.Dropout(0.1),
        fa.LocallyConnected2D(4, 3, activation="tanh"),
        fa.Dense(30, "tanh"),
        fa.Dropout(0.2),
    ]
    model = FeedbackAlignmentClassifier(
        layers, image_shape=(8, 8), max_epochs=30, random_state=0
    ).fit(X / 16, y)
    assert model.score(X / 16, y) > 0.95
    other = copy.deepcopy(model)  # by the same way as to a worker process
    assert other.network_ is not model.network_
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    assert other.network_.dropout == model.network_.dropout
    assert clone(model).hidden_layer_sizes == layers
    with pytest.raises(ValueError, match="image_shape"):
        FeedbackAlignmentClassifier(layers, image_shape=(7, 8)).fit(X, y)


@pytest.mark.parametrize(
    ("word", "optimizer"),
    [
        ("sgd", fa.SGD(0.1)),
        ("adam", fa.Adam(0.001)),
        ("adamw", fa.AdamW(0.001)),
        ("rmsprop", fa.RMSprop(0.001)),
    ],
)
def test_an_optimizer_by_name_or_as_it_is(word, optimizer):
    X, y = iris()
    models = [
        clone(FeedbackAlignmentClassifier(9, optimizer=each, max_epochs=3, random_state=1)).fit(
            X, y
        )
        for each in (word, optimizer)
    ]
    a, b = (model.network_.weights for model in models)
    assert all(np.array_equal(left, right) for left, right in zip(a, b, strict=True))
    net = fa.Network(
        4,
        [fa.Dense(9, "relu"), fa.Dense(3, "softmax")],
        loss="cross_entropy",
        seed=1,
        dtype=X.dtype,
    )
    targets = fa.data.one_hot(y, 3).astype(X.dtype)
    fa.Trainer(net, optimizer, batch_size=32, epochs=3, seed=1, progress=False).fit((X, targets))
    assert all(np.array_equal(left, right) for left, right in zip(a, net.weights, strict=True))


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"optimizer": "lbfgs"}, ValueError, "optimizer"),
        ({"optimizer": fa.AdamW(0.1), "learning_rate": 0.1}, ValueError, "learning_rate"),
        ({"optimizer": fa.AdamW(0.1), "weight_decay": 0.0}, ValueError, "weight_decay"),
        ({"optimizer": fa.SGD(0.1), "momentum": 0.5}, ValueError, "momentum"),
        ({"activation": "sinus"}, ValueError, "activation"),
        ({"feedback": "fb"}, ValueError, "feedback"),
        ({"feedback": "bp", "gain": 1.0}, ValueError, "gain"),
        ({"feedback": fa.NodePerturbation(0.1), "gain": 1.0}, ValueError, "gain"),
        ({"hidden_layer_sizes": (0,)}, ValueError, "hidden_layer_sizes"),
        ({"hidden_layer_sizes": "ab"}, TypeError, "hidden_layer_sizes"),
        ({"max_epochs": 0}, ValueError, "max_epochs"),
        ({"batch_size": 1.5}, TypeError, "batch_size"),
        ({"dtype": "float16"}, ValueError, "dtype"),
        ({"loss": "squared_error"}, ValueError, "softmax"),
        ({"output_activation": "linear"}, ValueError, "cross_entropy"),
        ({"validation_fraction": 2.0, "early_stopping": True}, ValueError, "validation_fraction"),
    ],
)
def test_wrong_parameters_are_named_when_fitting(parameters, error, message):
    X, y = iris()
    with pytest.raises(error, match=message):
        FeedbackAlignmentClassifier(**parameters).fit(X, y)


def test_a_diverging_fit_says_so_and_leaves_no_model():
    X, y = iris()
    model = FeedbackAlignmentRegressor(optimizer="sgd", learning_rate=1e6, activation="linear")
    with pytest.raises(fa.DivergenceError):
        model.fit(1e3 * X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)
