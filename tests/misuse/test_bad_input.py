"""Wrong arguments: an error names the argument and what it must be; nothing is changed."""

from __future__ import annotations

import re
from collections.abc import Callable

import fastfa as fa
import numpy as np
import pytest

SGD = fa.SGD(0.1, momentum=0.5)
X = np.full((6, 5), 0.5)
Y = np.full((6, 3), 0.5)
LAYERS = [fa.Dense(4, "tanh"), fa.Dense(3, "linear")]


def changed(array: np.ndarray, value) -> np.ndarray:
    """A copy with one element replaced."""
    array = array.copy()
    array[-1, -1] = value
    return array


def network() -> fa.Network:
    net = fa.Network(5, LAYERS, "fa", dtype="float64")
    net.step(X, Y, SGD)  # so that there is a velocity too
    return net


# what is called on a good network · patterns for what the message must name, in any order
CALLS: dict[str, tuple[Callable[[fa.Network], object], list[str]]] = {
    # inputs
    "X has too few columns": (lambda n: n.forward(X[:, :4]), [r"\bX\b", "4", "5"]),
    "X has too many columns": (lambda n: n.step(np.ones((6, 7)), Y, SGD), [r"\bX\b", "7", "5"]),
    "X is one example without a batch axis": (lambda n: n.forward(X[0]), [r"\bX\b", r"\(5,\)|1"]),
    "X is a number": (lambda n: n.forward(3.0), [r"\bX\b"]),
    "X is None": (lambda n: n.forward(None), [r"\bX\b"]),
    "X is empty": (lambda n: n.forward(np.empty((0, 5))), [r"\bX\b", "0"]),
    "X is empty in step": (lambda n: n.step(X[:0], Y[:0], SGD), [r"\bX\b", "0"]),
    "X has no columns": (lambda n: n.forward(np.empty((6, 0))), [r"\bX\b", "0", "5"]),
    "X has another image shape": (
        lambda n: n.forward(np.ones((6, 2, 2, 2))),
        [r"\bX\b", "8|2, 2", "5"],
    ),
    "X is complex": (lambda n: n.forward(X + 1j), [r"\bX\b", "complex"]),
    "X is text": (lambda n: n.forward(np.full((6, 5), "a")), [r"\bX\b", "U1|str"]),
    "X holds objects": (lambda n: n.forward(X.astype(object)), [r"\bX\b", "object"]),
    "X holds dates": (
        lambda n: n.forward(np.zeros((6, 5), "datetime64[s]")),
        [r"\bX\b", "datetime"],
    ),
    "X is ragged": (lambda n: n.forward([[1.0] * 5, [1.0] * 4]), [r"\bX\b"]),
    "X holds NaN": (lambda n: n.step(changed(X, np.nan), Y, SGD), [r"\bX\b", "(?i)nan|finite"]),
    "X holds Inf": (lambda n: n.step(changed(X, np.inf), Y, SGD), [r"\bX\b", "(?i)inf|finite"]),
    "X holds -Inf in forward": (lambda n: n.forward(changed(X, -np.inf)), [r"\bX\b", "finite"]),
    "X holds NaN in deltas": (
        lambda n: n.deltas(changed(X, np.nan), Y),
        [r"\bX\b", "(?i)nan|finite"],
    ),
    "X holds NaN in predict": (
        lambda n: n.predict(changed(X, np.nan)),
        [r"\bX\b", "(?i)nan|finite"],
    ),
    "X holds NaN in evaluate": (
        lambda n: n.evaluate(changed(X, np.nan), Y),
        [r"\bX\b", "(?i)nan|finite"],
    ),
    "X holds NaN in activations": (
        lambda n: n.activations(changed(X, np.nan)),
        [r"\bX\b", "(?i)nan|finite"],
    ),
    "X holds NaN in train_epoch": (
        lambda n: n.train_epoch(changed(X, np.nan), Y, SGD, batch_size=2),
        [r"\bX\b", "(?i)nan|finite"],
    ),
    "X does not fit float32": (
        lambda n: fa.Network(5, LAYERS).forward(changed(X, 1e300)),
        [r"\bX\b", r"1e\+300 .* overflows float32"],
    ),
    # targets
    "Y has another length": (lambda n: n.step(X, Y[:5], SGD), [r"\bY\b", "5", "6"]),
    "Y has another length in train_epoch": (
        lambda n: n.train_epoch(X, Y[:4], SGD, batch_size=2),
        [r"\bY\b", "4", "6"],
    ),
    "Y has another length in deltas": (lambda n: n.deltas(X, Y[:4]), [r"\bY\b", "4", "6"]),
    "Y has another length in evaluate": (lambda n: n.evaluate(X, Y[:4]), [r"\bY\b", "4", "6"]),
    "Y has another width": (lambda n: n.step(X, Y[:, :2], SGD), [r"\bY\b", "2", "3"]),
    "Y is labels": (lambda n: n.step(X, np.arange(6), SGD), [r"\bY\b", r"\[0, 5\]", r"\[0, 2\]"]),
    "Y is (N,)": (lambda n: n.step(X, np.arange(6.0), SGD), [r"\bY\b", r"\(6,\)|1"]),
    "Y is names": (lambda n: n.step(X, ["a"] * 6, SGD), [r"\bY\b", "names", "class_names"]),
    "Y holds NaN": (lambda n: n.step(X, changed(Y, np.nan), SGD), [r"\bY\b", "(?i)nan|finite"]),
    "Y holds Inf": (lambda n: n.deltas(X, changed(Y, np.inf)), [r"\bY\b", "(?i)inf|finite"]),
    "Y holds NaN in train_epoch": (
        lambda n: n.train_epoch(X, changed(Y, np.nan), SGD, batch_size=2),
        [r"\bY\b", "(?i)nan|finite"],
    ),
    "Y is complex": (lambda n: n.step(X, Y * 1j, SGD), [r"\bY\b", "complex"]),
    "Y is text": (lambda n: n.step(X, np.full((6, 3), "b"), SGD), [r"\bY\b", "U1|str"]),
    "Y holds objects": (lambda n: n.step(X, Y.astype(object), SGD), [r"\bY\b", "object"]),
    # training
    "batch_size is 0": (
        lambda n: n.train_epoch(X, Y, SGD, batch_size=0),
        ["batch_size", "0", "must"],
    ),
    "batch_size is negative": (
        lambda n: n.train_epoch(X, Y, SGD, batch_size=-3),
        ["batch_size", "-3", "must"],
    ),
    "batch_size is a fraction": (
        lambda n: n.train_epoch(X, Y, SGD, batch_size=2.5),
        ["batch_size", r"2\.5", "must"],
    ),
    "batch_size is text": (
        lambda n: n.train_epoch(X, Y, SGD, batch_size="2"),
        ["batch_size", "2", "must"],
    ),
    "batch_size is True": (
        lambda n: n.train_epoch(X, Y, SGD, batch_size=True),
        ["batch_size", "True", "must"],
    ),
    "order is out of range": (
        lambda n: n.train_epoch(X, Y, SGD, batch_size=2, order=[0, 6]),
        ["order", "6", "must"],
    ),
    "order is negative": (
        lambda n: n.train_epoch(X, Y, SGD, batch_size=2, order=[0, -1]),
        ["order", "-1", "must"],
    ),
    "order is very large": (
        lambda n: n.train_epoch(X, Y, SGD, batch_size=2, order=np.array([2**63 + 1], np.uint64)),
        ["order", "must"],
    ),
    "order holds floats": (
        lambda n: n.train_epoch(X, Y, SGD, batch_size=2, order=[0.0, 1.0]),
        ["order", "float64", "integer"],
    ),
    "order holds booleans": (
        lambda n: n.train_epoch(X, Y, SGD, batch_size=2, order=np.ones(6, bool)),
        ["order", "bool", "integer"],
    ),
    "order is two-dimensional": (
        lambda n: n.train_epoch(X, Y, SGD, batch_size=2, order=[[0, 1], [2, 3]]),
        ["order", r"\(2, 2\)|2", "must"],
    ),
    "order is empty": (
        lambda n: n.train_epoch(X, Y, SGD, batch_size=2, order=[]),
        ["order", "must"],
    ),
    "order is a number": (
        lambda n: n.train_epoch(X, Y, SGD, batch_size=2, order=3),
        ["order", "must"],
    ),
    "optimizer is a number": (lambda n: n.step(X, Y, 0.1), ["optimizer", r"0\.1|float", "SGD"]),
    "optimizer is a class": (lambda n: n.step(X, Y, fa.SGD), ["optimizer", "SGD"]),
    "optimizer is None": (
        lambda n: n.train_epoch(X, Y, None, batch_size=2),
        ["optimizer", "None", "SGD"],
    ),
    # feedback
    "deltas of an unknown rule": (
        lambda n: n.deltas(X, Y, feedback="bq"),
        ["feedback", "bq", "bp", "dfa"],
    ),
    "set an unknown rule": (lambda n: n.set_feedback("bq"), ["feedback", "bq", "bp", "shallow"]),
    "set a number": (lambda n: n.set_feedback(3), ["feedback", "3|int"]),
    "set too many": (lambda n: n.set_feedback(["fa", "fa"]), ["feedback", "2", "1"]),
    "set too few": (lambda n: n.set_feedback([]), ["feedback", "0", "1"]),
    "set an array of a wrong shape": (
        lambda n: n.set_feedback(fa.Feedback("array", array=np.ones((3, 4)))),
        ["feedback", r"\(3, 4\)", r"\(4, 3\)"],
    ),
    "set an array that does not fit float32": (
        lambda n: fa.Network(5, LAYERS).set_feedback(
            fa.Feedback("array", array=np.full((4, 3), 1e300))
        ),
        ["array", "1e.?300|inf|finite"],
    ),
    "load something that is no state": (lambda n: n.load_state_dict(None), ["state", "None"]),
    "set an array for another route": (
        lambda n: n.deltas(
            X, Y, feedback=fa.Feedback("array", array=np.ones((4, 4)), route="direct")
        ),
        ["feedback", r"\(4, 4\)", r"\(4, 3\)"],
    ),
}


def assert_names(message: str, patterns: list[str]) -> None:
    missing = [p for p in patterns if not re.search(p, message)]
    assert not missing, f"nothing in {message!r} matches {missing}"


@pytest.mark.parametrize("name", CALLS)
def test_a_bad_call_is_explained_and_changes_nothing(name):
    call, patterns = CALLS[name]
    net, twin = network(), network()
    before, feedback = net.state_dict(), net.feedback
    with pytest.raises((ValueError, TypeError)) as caught:
        call(net)
    assert_names(str(caught.value), patterns)
    after = net.state_dict()
    assert before.keys() == after.keys()
    for key in before:
        assert before[key].tobytes() == after[key].tobytes(), key
    assert net.steps == 1
    assert [(f.matrix, f.route) for f in net.feedback] == [(f.matrix, f.route) for f in feedback]
    net.step(X, Y, SGD)  # the velocity, which is not in the state, is unchanged too
    twin.step(X, Y, SGD)
    np.testing.assert_array_equal(net.weights[0], twin.weights[0])


def test_the_table_is_of_good_calls_made_bad():
    """What the tables vary is accepted where it is right: a refusal is for the stated reason."""
    net = network()
    for array in (net.forward(X), *net.activations(X), *net.deltas(X, Y, feedback="bp")):
        assert np.isfinite(array).all()
    net.train_epoch(X, Y, SGD, batch_size=2, order=[0, 5])
    net.set_feedback([fa.Feedback("array", array=np.ones((4, 3)))])
    fa.SGD(0.0, momentum=0.0, weight_decay=0.0, reduction="sum")
    fa.Network(5, LAYERS, seed=2**64 - 1)
    fa.Dense(1, "tanh", weight_scale=0.0)


def test_views_refuse_arrays_that_do_not_fit():
    net = network()
    before = net.state_dict()
    with pytest.raises(ValueError, match="broadcast"):
        net.weights[0][...] = np.ones((5, 4))
    np.testing.assert_array_equal(net.weights[0], before["weights.0"])


def float32_network() -> fa.Network:
    return fa.Network(5, LAYERS, "fa", dtype="float32")


TOO_LARGE = changed(X, 1e39), changed(Y, -1e39)
OVERFLOWS = {
    "X": lambda n: n.step(TOO_LARGE[0], Y, SGD),
    "X of an int": lambda n: n.forward(np.full((1, 5), 10**18) * np.longdouble(1e30)),
    "Y": lambda n: n.train_epoch(X, TOO_LARGE[1], SGD, batch_size=2),
    "e": lambda n: (n.forward_step(X), n.apply_error(TOO_LARGE[1], SGD)),
    "weights.0": lambda n: n.load_state_dict(
        {name: np.full(array.shape, 1e39) for name, array in n.state_dict().items()}
    ),
}


@pytest.mark.parametrize("call", OVERFLOWS)
def test_a_value_too_large_for_float32_is_called_so(call):
    """It was called inf, which it isn't."""
    net = float32_network()
    before = net.state_dict()
    pattern = (
        rf"{re.escape(call.split()[0])} has -?1e\+(39|48) at \[\d+, \d+\], which overflows float32; "
        r"every value must be within ±3\.403e\+38"
    )
    with pytest.raises(ValueError, match=pattern):
        OVERFLOWS[call](net)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    with pytest.raises(ValueError, match=r"X has inf at \[5, 4\]; every value must be finite"):
        net.step(changed(X, np.inf), Y, SGD)
