"""Arrays that aren't plain numbers: masked, objects, text, dates, complex, tables with gaps.

Every place that takes an array is in CALLS: called with each kind of array, it computes what it does for
the plain array, or says by name what is wrong.
"""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest

pd = pytest.importorskip("pandas", reason="needs pandas")

RNG = np.random.default_rng(5)
X = RNG.normal(size=(6, 4))
Y = np.abs(X[:, :3]) % 1
SIGNAL = 1000 * RNG.normal(size=400)
LABELS = np.array([0, 1, 2, 0, 1, 2])
LAYERS = [fa.Dense(5, "tanh"), fa.Dense(3)]
SGD = fa.SGD(0.1)


def net():
    return fa.Network(4, LAYERS, dtype="float64", seed=1)


def weights(n):
    return np.concatenate([w.ravel() for w in n.weights])


def trained(call):
    n = net()
    call(n)
    return weights(n)


def fitted(*arguments, **options):
    n = net()
    options = {"epochs": 1, "progress": False, "batch_size": 2} | options
    return n, fa.Trainer(n, SGD, **options).fit(*arguments), weights(n)


def in_parts(x, e, target=None):
    route = "layerwise" if target is None else "target"
    n = fa.Network(4, LAYERS, fa.Feedback("uniform", route=route), dtype="float64")
    n.forward_step(x)
    n.feedback_step(e, target=target)
    n.update_step(SGD)
    m = fa.Network(4, LAYERS, fa.Feedback("uniform", route=route), dtype="float64")
    m.forward_step(x)
    m.apply_error(e, SGD, target=target)
    np.testing.assert_array_equal(weights(n), weights(m))
    return weights(n)


class Sends:
    def __init__(self, array):
        self.array = array

    def propagate(self, delta):
        return self.array


def loaded(a):
    n = net()
    n.load_state_dict(n.state_dict() | {"weights.0": a})
    return weights(n)


def entry(a):
    n = net()
    n.weights[1] = a
    return weights(n)


def augmented(a):
    def same(x, shape, *, seed, epoch):
        return a

    return fitted((X, Y), augment=same)[2]


def written(a, path):
    fa.data.write_idx(path / "a", a)
    return fa.data.read_idx(path / "a")


def sends(a):
    n = fa.Network(4, LAYERS, Sends(a), dtype="float64")
    return n.deltas(X, Y)[0]


def split(a, labels=LABELS):
    return fa.data.Split(a, labels.astype(np.int64) if labels is LABELS else labels, (1, 2, 2)).x


# The call · the plain array · the name of the argument in the error
NUMBERS = {
    "forward": (lambda a: net().forward(a), X, "X"),
    "activations": (lambda a: net().activations(a)[0], X, "X"),
    "predict": (lambda a: net().predict(a), X, "X"),
    "deltas X": (lambda a: net().deltas(a, Y)[0], X, "X"),
    "deltas Y": (lambda a: net().deltas(X, a)[0], Y, "Y"),
    "evaluate": (lambda a: net().evaluate(X, a), Y, "Y"),
    "step X": (lambda a: trained(lambda n: n.step(a, Y, SGD)), X, "X"),
    "step Y": (lambda a: trained(lambda n: n.step(X, a, SGD)), Y, "Y"),
    "train_epoch": (lambda a: trained(lambda n: n.train_epoch(a, Y, SGD, batch_size=2)), X, "X"),
    "ensemble": (lambda a: fa.Ensemble([net()]).train_epoch(X, a, SGD, batch_size=2), Y, "Y"),
    "forward_step": (lambda a: net().forward_step(a), X, "x"),
    "one forward_step": (lambda a: net().forward_step(a), X[0], "x"),
    "step in parts": (lambda a: in_parts(X, a), Y, "e"),
    "target in parts": (lambda a: in_parts(X, Y, a), Y, "target"),
    "load_state_dict": (loaded, net().weights[0] + 1, "weights.0"),
    "weights[1] =": (entry, net().weights[1] + 1, r"weights\[1\]"),
    "Feedback": (lambda a: fa.Feedback("array", array=a).array, X, "array"),
    "propagate": (sends, np.abs(X[:, :1] + np.arange(5)), r"propagate\(delta\)"),
    "fit X": (lambda a: fitted((a, Y))[2], X, "train X"),
    "fit Y": (lambda a: fitted((X, a))[2], Y, "train (Y|labels)"),
    "fit validation": (
        lambda a: fitted((X, Y), (a, Y))[1]["validation_loss"], X, "validation X",
    ),
    "augment": (augmented, X, "augment returned"),
    "Alignment X": (lambda a: fitted((X, Y), callbacks=[fa.Alignment(a, Y)])[1]["angle_bp.0"], X, "X"),
    "Alignment Y": (lambda a: fitted((X, Y), callbacks=[fa.Alignment(X, a)])[1]["angle_bp.0"], Y, "Y"),
    "alignment": (lambda a: fa.metrics.alignment(net(), a, Y)[0].angle_bp, X, "X"),
    "angle": (lambda a: fa.metrics.angle(a, Y), Y + 1, "u"),
    "nse": (lambda a: fa.metrics.nse(Y, a), Y + 1, "output"),
    "error_rate": (lambda a: fa.metrics.error_rate(net(), a, LABELS), X, "X"),
    "from_arrays": (lambda a: fa.data.from_arrays(a, LABELS).x, X, "x"),
    "Distortion": (lambda a: fa.data.Distortion()(a, (2, 2)), X, "X"),
    "CropFlip": (lambda a: fa.data.CropFlip()(a, (2, 2)), X, "X"),
    "normalise mean": (lambda a: fa.data.normalise(X, a, a).x, X[0] ** 2, "mean"),
    "mfcc": (lambda a: fa.data.mfcc(a), SIGNAL, "signal"),
}  # fmt: skip
# Those that take arrays alone, and leave lists and tables to `from_arrays`.
ARRAYS = {
    "normalise": (lambda a: fa.data.normalise(a).x, X, "x"),
    "Split": (split, X, "x"),
}
INTEGERS = {
    "order": (
        lambda a: trained(lambda n: n.train_epoch(X, Y, SGD, batch_size=2, order=a)), LABELS, "order",
    ),
    "fit labels": (lambda a: fitted((X, a))[2], LABELS, "train (Y|labels)"),
    "error_rate labels": (lambda a: fa.metrics.error_rate(net(), X, a), LABELS, "labels"),
    "one_hot": (lambda a: fa.data.one_hot(a, 3), LABELS, "labels"),
    "from_arrays labels": (lambda a: fa.data.from_arrays(X, a).labels, LABELS, "labels"),
    "take": (lambda a: fa.data.from_arrays(X, LABELS).take(a).x, LABELS, "indices"),
}  # fmt: skip
CALLS = NUMBERS | ARRAYS | INTEGERS


def same(found, plain):
    np.testing.assert_array_equal(np.asarray(found), np.asarray(plain))


@pytest.mark.parametrize("name", CALLS)
def test_masked_values_are_refused_by_name_and_a_mask_without_any_is_none(name):
    call, plain, argument = CALLS[name]
    expected = call(plain)
    for mask in (False, np.zeros(plain.shape, bool)):
        same(call(np.ma.array(plain, mask=mask)), expected)
    mask = np.zeros(plain.shape, bool)
    mask.flat[-1] = True
    for fill in (plain, np.where(mask, 1, plain).astype(plain.dtype)):
        with pytest.raises(
            ValueError, match=rf"{argument}\W.*has masked values .1, the first at \["
        ):
            call(np.ma.array(fill, mask=mask))


@pytest.mark.parametrize("name", [*NUMBERS, *INTEGERS])
def test_masked_values_within_lists_are_refused_too(name):
    call, plain, argument = CALLS[name]
    rows = [np.ma.array(row, mask=False) for row in np.atleast_2d(plain)]
    rows[-1][-1] = np.ma.masked
    rows = rows if plain.ndim == 2 else [*plain[:-1].tolist(), np.ma.masked]
    with pytest.raises(ValueError, match=rf"{argument}\[\d+\] has masked values"):
        call(rows)


def gap(plain):
    frame = pd.DataFrame(np.atleast_2d(plain).astype(int)).astype("Int64")
    frame.iloc[-1, -1] = None
    return frame if plain.ndim == 2 else frame.iloc[0]


ODD = {
    "complex": lambda a: a + 1j,
    "text": lambda a: a.astype(str),
    "bytes": lambda a: a.astype("S"),
    "objects": lambda a: a.astype(object),
    "dates": lambda a: a.astype("int64").astype("datetime64[s]"),
    "durations": lambda a: a.astype("int64").astype("timedelta64[s]"),
    "a record": lambda a: np.zeros(a.shape, [("a", float), ("b", float)]),
    "a masked record": lambda a: np.ma.zeros(a.shape, [("a", float), ("b", float)]),
    "nothing": lambda a: None,
    "a gap of pandas": lambda a: gap(a),
    "a function": lambda a: len,
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", [*NUMBERS, *INTEGERS])
@pytest.mark.filterwarnings("error")
def test_what_is_no_real_number_is_refused_by_name(name, kind):
    call, plain, argument = CALLS[name]
    if kind == "nothing" and name in ("target in parts", "order", "normalise mean"):
        pytest.skip("None is the default there")
    if kind == "text" and name in ("fit labels", "from_arrays labels"):
        pytest.skip("they are names of classes there")
    with pytest.raises((TypeError, ValueError), match=rf"{argument}\W"):
        call(ODD[kind](plain))


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("name", [*NUMBERS, *INTEGERS])
def test_other_containers_of_plain_numbers_give_the_same(name):
    call, plain, _ = CALLS[name]
    expected = call(plain)
    frame = pd.DataFrame(plain) if plain.ndim == 2 else pd.Series(plain)
    same(call(frame), expected)
    same(call(plain.tolist()), expected)
    same(call(plain[::-1][::-1]), expected)
    if plain.ndim == 2:
        same(call(np.asmatrix(plain)), expected)
        same(call(np.asfortranarray(plain)), expected)
    if name in INTEGERS:
        same(call(pd.array(plain, dtype="Int64")), expected)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_and_a_mask_become_plain_arrays_in_a_split():
    made = fa.data.Split(np.asmatrix(X), np.ma.array(LABELS.astype(np.int64)), (1, 2, 2))
    assert type(made.x) is np.ndarray
    assert type(made.labels) is np.ndarray


def test_a_masked_image_is_not_written(tmp_path):
    image = np.ma.array(np.ones((2, 2), np.uint8), mask=[[0, 0], [0, 1]])
    with pytest.raises(ValueError, match=r"\[write_idx\] array has masked values .1, the first at"):
        fa.data.write_idx(tmp_path / "a", image)
    assert not list(tmp_path.iterdir())
    np.testing.assert_array_equal(written(np.ma.array(image.data), tmp_path), image.data)


def test_the_estimators_refuse_masked_values():
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    from fastfa.sklearn import FeedbackAlignmentClassifier

    made = FeedbackAlignmentClassifier((4,), max_epochs=2, random_state=0)
    masked = np.ma.array(X, mask=X > 1)
    fine, wanted = np.ma.array(X, mask=False), "has masked values"
    with pytest.raises(ValueError, match=r"\] X " + wanted):
        made.fit(masked, LABELS)
    with pytest.raises(ValueError, match=r"\] y " + wanted):
        made.fit(X, np.ma.array(LABELS, mask=LABELS > 1))
    with pytest.raises(ValueError, match=r"\] sample_weight " + wanted):
        made.fit(X, LABELS, sample_weight=np.ma.array(LABELS, mask=LABELS > 1))
    made.fit(fine, LABELS)
    with pytest.raises(ValueError, match=r"\] X " + wanted):
        made.predict(masked)


def test_an_archive_of_objects_is_refused_without_advice_to_unpickle_it(tmp_path):
    objects, text = tmp_path / "a.npz", tmp_path / "b.npz"
    np.savez(objects, x=X.astype(object), labels=LABELS)
    text.write_text("x,y\n1,2\n")
    for path, words in ((objects, "never unpickles"), (text, "cannot be read")):
        with pytest.raises(ValueError, match=words) as caught:
            fa.data.read(path)
        told = f"{caught.value}{caught.value.__cause__ or ''}"
        assert "allow_pickle" not in told


# ---- one output ----------------------------------------------------------------------------------


def one(activation="logistic", **options):
    loss = "cross_entropy" if activation == "logistic" else "squared_error"
    n = fa.Network(4, [fa.Dense(3, "tanh"), fa.Dense(1, activation)], loss=loss, seed=1)
    options = {"epochs": 300, "batch_size": 6, "progress": False} | options
    return fa.Trainer(n, fa.SGD(0.3), **options)


@pytest.mark.parametrize("values", [np.zeros(6, int), np.ones(6, int), LABELS % 2, Y[:, 0]])
@pytest.mark.parametrize("container", [np.asarray, list, pd.Series])
def test_values_for_one_output_are_its_targets(values, container):
    flat, column = one(), one()
    flat.fit((X, container(values)))
    column.fit((X, values[:, None]))
    np.testing.assert_array_equal(flat.net.weights[0], column.net.weights[0])
    if values.std() == 0:
        assert abs(flat.net.forward(X) - values[0]).max() < 0.1


def test_regression_on_integers_with_one_output():
    run = one("linear", epochs=2)
    same_run = one("linear", epochs=2)
    run.fit((X, LABELS * 7 - 3))
    same_run.fit((X, (LABELS * 7 - 3.0)[:, None]))
    np.testing.assert_array_equal(run.net.weights[0], same_run.net.weights[0])


def test_labels_that_could_mean_two_things_are_refused():
    """A tanh output learns classes as ±0.9, and numbers as they are: two things for integers."""
    with pytest.raises(
        ValueError, match=r"\[fit\] train labels are integers, for one output and targ"
    ):
        one("tanh").fit((X, LABELS % 2))
    one("tanh", targets=(0, 1), epochs=1).fit((X, LABELS % 2))
    one("tanh", epochs=1).fit((X, LABELS / 2))
    classes = fa.data.from_arrays(X, LABELS)
    with pytest.raises(
        ValueError, match=r"train labels lies in \[0, 2\]; the network has one output"
    ):
        one("linear").fit(classes)
    one("linear", epochs=1).fit(fa.data.from_arrays(X, LABELS % 2))
