"""A loss of one's own: with the network's own formula, the network's own bits."""

from __future__ import annotations

import copy

import fastfa as fa
import numpy as np
import pytest
from fastfa.callbacks import EarlyStopping

N, INPUTS, CLASSES = 61, 8, 3


def squared_error(output, target):
    error = target - output
    return 0.5 * (error.astype(np.float64) ** 2).sum(1), error


def cross_entropy(output, target):
    """Of softmax units; the error is that of their inputs."""
    return -(target * np.log(output.astype(np.float64))).sum(1), target - output


def huber(output, target):
    error = target - output
    size = np.abs(error)
    return np.where(size < 1, error**2 / 2, size - 0.5).sum(1), np.clip(error, -1, 1)


@pytest.fixture
def data(rng):
    return rng.normal(size=(N, INPUTS)), rng.integers(0, CLASSES, N)


def network(rule="fa", last="tanh", loss="squared_error", dtype="float32", units=7):
    layers = [
        fa.Dense(units, "tanh"),
        fa.Dropout(0.2),
        fa.Dense(6, "tanh"),
        fa.Dense(CLASSES, last),
    ]
    return fa.Network(INPUTS, layers, rule, loss, seed=3, dtype=dtype)


def trained(net, data, loss=None, optimizer=None, **options):
    options = {"batch_size": 7, "epochs": 3, "progress": False, "seed": 5} | options
    trainer = fa.Trainer(net, optimizer or fa.SGD(0.1), loss=loss, **options)
    trainer.fit(data, validation=0.2, test=data[:2])
    return trainer


def assert_same(one, other, exact=True):
    for name, array in one.net.state_dict().items():
        theirs, rtol = other.net.state_dict()[name], 0 if exact else 1e-4
        np.testing.assert_allclose(theirs, array, rtol, rtol / 100, err_msg=name)
    for key in one.history.columns:
        if key.endswith("error"):
            assert one.history[key] == other.history[key], key
        if key.endswith("loss"):
            np.testing.assert_allclose(one.history[key], other.history[key], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", ["bp", "fa", "drtp", "kp", ["wm", "brsf"]])
@pytest.mark.parametrize("batch_size", [1, 7, 100])
@pytest.mark.parametrize("units", [7, 150])
def test_squared_error_as_a_callable_has_the_bits_of_the_built_in_one(
    data, rule, dtype, batch_size, units
):
    def run(loss):
        return trained(network(rule, dtype=dtype, units=units), data, loss, batch_size=batch_size)

    assert_same(run(None), run(squared_error))


@pytest.mark.parametrize(
    "optimizer", [fa.Adam(0.01), fa.SGD(0.05, momentum=0.9, weight_decay=0.01, reduction="sum")]
)
@pytest.mark.parametrize("weights", [None, 2.0 ** (np.arange(N) % 4 - 1), np.arange(N) % 4 / 3])
def test_with_other_optimizers_schedules_and_weights(data, optimizer, weights):
    def run(loss):
        schedule = fa.Warmup(fa.Exponential(0.8), updates=5)
        examples = data if weights is None else (*data, weights)
        return trained(network(), examples, loss, optimizer, schedule=schedule)

    exact = weights is None or np.log2(weights[1]).is_integer()  # so products aren't rounded
    assert_same(run(None), run(squared_error), exact)


def test_cross_entropy_of_softmax_units(data):
    def run(loss):
        return trained(network("fa", "softmax", "cross_entropy"), data, loss)

    assert_same(run(None), run(cross_entropy))


def test_another_loss_learns_otherwise_and_is_measured_by_itself(data):
    x, labels = data
    y = 5 * fa.data.one_hot(labels, CLASSES)
    own = trained(network(last="linear", dtype="float64"), (x, y), huber)
    assert own.history["test_loss"][-1] < own.history["test_loss"][0]
    expected = huber(own.net.forward(x), y)[0].mean()
    assert own.history["test_loss"][-1] == pytest.approx(expected, rel=1e-12)
    other = trained(network(last="linear", dtype="float64"), (x, y))
    assert np.abs(own.net.weights[0] - other.net.weights[0]).max() > 1e-3


def test_it_descends_its_own_gradient(rng):
    """One step of backprop lowers the loss by η |g|², to first order."""
    net = fa.Network(4, [fa.Dense(6, "tanh"), fa.Dense(2)], "bp", dtype="float64", seed=1)
    x, y = rng.normal(size=(20, 4)), 3 * rng.normal(size=(20, 2))
    before, rate = net.state_dict(), 1e-6
    first = huber(net.forward(x), y)[0].mean()
    trainer = fa.Trainer(net, fa.SGD(rate), batch_size=20, epochs=1, progress=False, loss=huber)
    trainer.fit((x, y))
    moved = sum(((net.state_dict()[n] - before[n]) ** 2).sum() for n in before if "feed" not in n)
    fell = first - huber(net.forward(x), y)[0].mean()
    assert fell == pytest.approx(moved / rate, rel=1e-4)


def test_the_numbers_do_not_depend_on_the_clock(data, monkeypatch):
    def losses(seconds):
        monkeypatch.setattr("fastfa.training.chunks._CHUNK_SECONDS", seconds)
        return trained(network(), data, huber).history["train_loss"]

    assert losses(0.0) == losses(10.0)


def test_it_goes_on_from_a_copy_and_from_a_checkpoint(data, tmp_path):
    def made():
        callbacks = [EarlyStopping(patience=9), fa.Checkpoint(tmp_path / "{epoch}.st")]
        return fa.Trainer(
            network(), fa.SGD(0.1), epochs=3, loss=huber, callbacks=callbacks, progress=False
        )

    whole = made()
    whole.fit(data, 0.2)
    again = fa.Trainer.resume(tmp_path / "1.st", data, 0.2, into=made())
    assert_same(whole, again)
    with pytest.raises(ValueError, match=r"can't hold its loss huber; make a trainer"):
        fa.Trainer.resume(tmp_path / "1.st", data, 0.2)
    plain = fa.Trainer(network(), fa.SGD(0.1), epochs=3, callbacks=made().callbacks)
    with pytest.raises(fa.CheckpointError, match="another trainer: loss was"):
        fa.load(tmp_path / "1.st", into=plain)
    ahead = copy.deepcopy(whole)
    for each in (whole, ahead):
        each.callbacks = ()
        each.fit(data, 0.2)
    assert_same(whole, ahead)


@pytest.mark.parametrize(
    ("loss", "error", "told"),
    [
        (lambda o, t: t - o, TypeError, r"loss returned ndarray; it must be a pair"),
        (lambda o, t: (1.0, t - o), ValueError, r"losses of shape \(1,\); here it must be \(7,\)"),
        (lambda o, t: ((t - o)[:, 0], t[:, 0]), ValueError, r"error of shape \(7,\); here it must be"),
        (lambda o, t: ((t - o)[:, 0] * np.nan, t), ValueError, r"loss's losses"),
        (lambda o, t: ((t - o)[:, 0], t * np.inf), ValueError, r"loss's error"),
        (lambda o, t: t.fill(0), ValueError, "read-only"),
    ],
)  # fmt: skip
def test_what_it_returns_is_checked_before_a_weight_changes(data, loss, error, told):
    net = network()
    before = net.state_dict()
    with pytest.raises(error, match=told):
        trained(net, data, loss)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
