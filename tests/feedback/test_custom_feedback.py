"""Feedback that is a Python object: what it is given, what it may answer, what its errors do."""

from __future__ import annotations

import threading

import fastfa as fa
import numpy as np
import pytest

SGD = fa.SGD(0.1, momentum=0.5, weight_decay=1e-3)


class Carrier:
    """Nothing but propagate(), which notes what it is asked."""

    def __init__(self, b: np.ndarray) -> None:
        self.b, self.asked = b, []

    def propagate(self, delta):
        self.asked.append((delta.shape, delta.dtype, type(delta)))
        return self.answer(delta @ self.b.T)

    def answer(self, sent):
        return sent


class Named(Carrier):
    """One that knows its matrix."""

    def toarray(self):
        return self.b


def network(feedback, dtype="float64") -> fa.Network:
    layers = [fa.Dense(n, "tanh") for n in (11, 7)] + [fa.Dense(3, "linear")]
    return fa.Network(5, layers, feedback, seed=2, dtype=dtype)


def matrices(rng, route="layerwise") -> list[np.ndarray]:
    return [
        rng.standard_normal((11, 7 if route == "layerwise" else 3)),
        rng.standard_normal((7, 3)),
    ]


def examples(rng, count=20, dtype="float64"):
    return rng.standard_normal((count, 5)).astype(dtype), rng.random((count, 3)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("route", ["layerwise", "direct", "target"])
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("kind", [Carrier, Named])
def test_it_trains_like_an_array_holding_its_matrix(kind, batch, route, dtype, rng):
    bs = matrices(rng, route)
    net = network([fa.Feedback(kind(b), route=route) for b in bs], dtype)
    own = network([fa.Feedback("array", array=b, route=route) for b in bs], dtype)
    x, y = examples(rng, dtype=dtype)
    losses = [n.train_epoch(x, y, SGD, batch_size=batch) for n in (net, own)]
    bound = {"float64": 1e-12, "float32": 1e-5}[dtype]
    assert losses[0] == pytest.approx(losses[1], rel=bound)
    for left, right in zip(
        [*net.weights, *net.biases, *net.deltas(x, y), *net.feedback_matrices],
        [*own.weights, *own.biases, *own.deltas(x, y), *own.feedback_matrices],
        strict=True,
    ):
        assert np.linalg.norm(left - right) <= bound * np.linalg.norm(right)
    for b in net.feedback_matrices:
        assert b.dtype == np.dtype(dtype)
        assert not b.flags.writeable
    assert net.feedback_bytes == (0, 0)


def test_it_is_asked_once_for_each_batch_with_its_deltas(rng):
    lower, upper = (Carrier(b) for b in matrices(rng))
    net = network([lower, upper], "float32")
    x, y = examples(rng, 20, "float32")
    lower.asked.clear(), upper.asked.clear()
    net.train_epoch(x, y, SGD, batch_size=8)
    for carrier, n_source in ((lower, 7), (upper, 3)):
        shapes = [(8, n_source), (8, n_source), (4, n_source)]
        assert carrier.asked == [(s, np.dtype(np.float64), np.ndarray) for s in shapes]


def test_it_may_be_given_bare_wrapped_or_beside_others(rng):
    carrier = Carrier(matrices(rng)[1])
    net = network(["dfa", carrier])
    assert isinstance(net.feedback[1], fa.Feedback)
    assert net.feedback[1].matrix is carrier
    x, y = examples(rng)
    before = net.deltas(x, y)
    net.set_feedback(["dfa", fa.Feedback(carrier)])
    for left, right in zip(before, net.deltas(x, y), strict=True):
        np.testing.assert_array_equal(left, right)
    other = network("dfa")
    for left, right in zip(other.deltas(x, y, feedback=["dfa", carrier]), before, strict=True):
        np.testing.assert_array_equal(left, right)
    assert [f.matrix for f in other.feedback] == ["uniform", "uniform"]
    np.testing.assert_array_equal(fa.Feedback(carrier).toarray(7, 3), carrier.b)


def test_its_answer_may_be_any_array_of_numbers(rng):
    class Listed(Carrier):
        def answer(self, sent):
            return sent.tolist()

    class Narrow(Carrier):
        def answer(self, sent):
            return np.asfortranarray(sent.astype(np.float32))

    b = matrices(rng)[1]
    x, y = examples(rng)
    expected = network(["shallow", fa.Feedback("array", array=b)]).deltas(x, y)
    for kind, bound in ((Listed, 1e-12), (Narrow, 1e-6)):
        for left, right in zip(network(["shallow", kind(b)]).deltas(x, y), expected, strict=True):
            assert np.linalg.norm(left - right) <= bound * np.linalg.norm(right)


class NonlinearCarrier:
    """Not a matrix at all: the sign of the error."""

    def propagate(self, delta):
        return np.sign(delta) @ np.ones((delta.shape[1], 7))


def test_it_need_not_be_linear(rng):
    net = network(["shallow", NonlinearCarrier()])
    x, y = examples(rng)
    _, own, out = net.deltas(x, y)
    slope = 1 - net.activations(x)[1] ** 2
    expected = np.sign(out).sum(axis=1, keepdims=True) * slope
    np.testing.assert_allclose(own, expected, rtol=1e-12)


class Keeper(Carrier):
    """Keeps what it is given."""

    def propagate(self, delta):
        self.asked.append((delta, delta.copy()))
        return delta @ self.b.T


class Writer(Carrier):
    """Writes to what it is given."""

    def propagate(self, delta):
        sent = delta @ self.b.T
        delta[...] = np.nan
        return sent


def test_what_it_is_given_is_its_own(rng):
    """Later batches don't change it, nor does the network hear of what becomes of it."""
    b = matrices(rng)[1]
    keeper, x, y = Keeper(b), *examples(rng)
    nets = [network(["fa", each]) for each in (Carrier(b), keeper, Writer(b))]
    for net in nets:
        net.train_epoch(x, y, SGD, batch_size=4)
        np.testing.assert_array_equal(net.weights[2], nets[0].weights[2])
    assert len(keeper.asked) == 5
    for kept, copy in keeper.asked:
        np.testing.assert_array_equal(kept, copy)


# ---- errors ------------------------------------------------------------------------------------


class Failing(Carrier):
    """Answers rightly until it is called for the third time; then with what ``wrong`` makes of it."""

    def __init__(self, b, wrong) -> None:
        super().__init__(b)
        self.wrong, self.armed, self.calls = wrong, False, 0

    def answer(self, sent):
        self.calls += self.armed
        return self.wrong(sent) if self.calls == 3 else sent


def spoilt(sent, value):
    sent[-1, -1] = value
    return sent


def raising(sent):
    raise KeyError("mine")


WRONG = {
    "one column too few": (lambda s: s[:, 1:], ValueError, r"propagate.*\(4, 6\).*\(4, 7\)"),
    "one row too few": (lambda s: s[1:], ValueError, r"propagate.*\(3, 7\).*\(4, 7\)"),
    "transposed": (lambda s: s.T, ValueError, r"propagate.*\(7, 4\).*\(4, 7\)"),
    "flat": (lambda s: s.ravel(), ValueError, r"propagate.*\(28,\).*\(4, 7\)"),
    "nothing": (lambda s: None, (ValueError, TypeError), "propagate"),
    "NaN": (lambda s: spoilt(s, np.nan), ValueError, "propagate.*(?i:nan|finite)"),
    "Inf": (lambda s: spoilt(s, -np.inf), ValueError, "propagate.*(?i:inf|finite)"),
    "complex": (lambda s: s * 1j, (ValueError, TypeError), "propagate.*complex"),
    "text": (lambda s: s.astype(str), (ValueError, TypeError), "propagate"),
    "its own error": (raising, KeyError, "mine"),
}


@pytest.mark.parametrize("call", ["train_epoch", "step", "deltas"])
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_explained_and_the_network_stays_that_of_the_last_whole_step(
    name, call, rng
):
    wrong, error, words = WRONG[name]
    b = matrices(rng)[1]
    carrier = Failing(b, wrong)
    net, twin = network(["fa", carrier]), network(["fa", Carrier(b)])
    x, y = examples(rng)
    carrier.armed = True
    if call == "train_epoch":
        with pytest.raises(error, match=words):
            net.train_epoch(x, y, SGD, batch_size=4)
        twin.train_epoch(x[:8], y[:8], SGD, batch_size=4)
    else:
        for start in (0, 4):
            for n in (net, twin):
                n.step(x[start : start + 4], y[start : start + 4], SGD)
        with pytest.raises(error, match=words):
            getattr(net, call)(x[:4], y[:4], **({"optimizer": SGD} if call == "step" else {}))
    for _ in range(2):
        for left, right in zip([*net.weights, *net.biases], [*twin.weights, *twin.biases],
                               strict=True):  # fmt: skip
            np.testing.assert_array_equal(left, right)
        assert net.steps == twin.steps
        for n in (net, twin):
            n.step(x[8:12], y[8:12], SGD)  # and the velocity is that of the last whole step too


USES = {
    "forward": lambda net, x, y: net.forward(x),
    "step": lambda net, x, y: net.step(x, y, SGD),
    "deltas": lambda net, x, y: net.deltas(x, y),
    "set_feedback": lambda net, x, y: net.set_feedback("fa"),
    "load_state_dict": lambda net, x, y: net.load_state_dict(
        {name: 0 * value for name, value in net.state_dict().items()}
    ),
}


@pytest.mark.parametrize("use", USES)
def test_it_must_not_call_the_network(use, rng):
    x, y = examples(rng)

    class Caller(Carrier):
        def answer(self, sent):
            if self.armed:
                USES[use](net, x, y)
            return sent

    caller = Caller(matrices(rng)[1])
    caller.armed = False
    net = network(["fa", caller])
    before = net.state_dict()
    caller.armed = True
    with pytest.raises(RuntimeError, match=r"propagate|custom|feedback"):
        net.step(x, y, SGD)
    after = net.state_dict()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)
    assert net.steps == 0
    caller.armed = False
    net.step(x, y, SGD)


class WithArray(Carrier):
    """One whose toarray() gives something else."""

    def __init__(self, b, array) -> None:
        super().__init__(b)
        self.array = array

    def toarray(self):
        return self.array


@pytest.mark.parametrize("array", [np.ones((3, 7)), np.full((7, 3), np.nan), "B", None])
def test_a_wrong_matrix_of_its_own_is_explained(array, rng):
    with pytest.raises((ValueError, TypeError), match="toarray"):
        fa.Feedback(WithArray(matrices(rng)[1], array)).toarray(7, 3)


def test_networks_with_custom_feedback_train_side_by_side(rng):
    """The compiled loop gives the interpreter back while it computes, and takes it to ask."""
    bs = matrices(rng)
    x, y = examples(rng, 100)
    nets = [network([Carrier(b) for b in bs]) for _ in range(3)]
    jobs = [
        threading.Thread(target=lambda net=net: net.train_epoch(x, y, SGD, batch_size=3))
        for net in nets
    ]
    for job in jobs:
        job.daemon = True
        job.start()
    for job in jobs:
        job.join(300)
    assert not any(job.is_alive() for job in jobs)
    for net in nets[1:]:
        np.testing.assert_array_equal(net.weights[0], nets[0].weights[0])
