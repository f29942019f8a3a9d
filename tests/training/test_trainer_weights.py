"""Example weights in `Trainer.fit`: a third beside X and Y, for each set."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from fastfa.callbacks import Callback
from fastfa.data import Split, one_hot, permutation
from fastfa.training.examples import Examples, fingerprint
from trainer_cases import CLASSES, INPUTS, N, assert_same_bits, make_net, make_trainer


@pytest.fixture
def weights(rng):
    return rng.random(N) * (rng.random(N) < 0.8)


@pytest.mark.parametrize("batch_size", [1, 10, 500])
def test_epochs_have_the_bits_and_means_of_train_epoch(problem, weights, batch_size):
    x, labels = problem
    net, other = make_net(), make_net()
    history = make_trainer(net, batch_size=batch_size).fit((x, labels, weights))
    y = one_hot(labels, CLASSES)
    for epoch in (1, 2):
        loss = other.train_epoch(
            x,
            y,
            fa.SGD(0.1),
            batch_size=batch_size,
            order=permutation(N, 0, epoch),
            sample_weight=weights,
        )
        assert history["train_loss"][epoch - 1] == pytest.approx(loss, rel=1e-12)
    assert_same_bits(net, other)


def test_weights_of_one_are_none(problem):
    x, labels = problem
    nets = make_net(), make_net()
    found = [
        make_trainer(net).fit(train, train, train)
        for net, train in zip(
            nets, [(x, labels), (x, one_hot(labels, CLASSES), np.ones(N))], strict=True
        )
    ]
    assert_same_bits(*nets)
    for name in found[0].records[0].keys() - {"seconds", "samples_per_second"}:
        assert found[0][name] == found[1][name], name


def test_each_set_is_measured_by_its_own_weights(problem, weights):
    x, labels = problem
    net, y = make_net(), one_hot(problem[1], CLASSES)
    history = make_trainer(net, epochs=1).fit((x, labels), (x, y, weights), (x, labels, None))
    record = history.records[0]
    for name, own in (("validation", weights), ("test", None)):
        loss, error = net.evaluate(x, y, sample_weight=own)
        assert (record[f"{name}_loss"], record[f"{name}_error"]) == (loss, error)
    assert record["validation_loss"] != record["test_loss"]


def test_the_training_error_is_weighted(problem, weights):
    x, labels = problem
    net = make_net()
    wrong = net.predict(x) != labels
    history = make_trainer(net, epochs=1, batch_size=N).fit((x, labels, weights))
    assert history["train_error"][0] == pytest.approx(np.average(wrong, weights=weights))


def test_a_fraction_that_is_split_off_takes_its_weights_along(problem, weights):
    x, labels = problem
    net, other = make_net(), make_net()
    first = make_trainer(net).fit((x, labels, weights), validation=0.25)
    numbers = Split(x.astype(np.float64), np.arange(N), (1, 1, INPUTS))
    rest, held = (part.labels for part in numbers.split(0.25, 0))
    second = make_trainer(other).fit(
        (x[rest], labels[rest], weights[rest]), validation=(x[held], labels[held], weights[held])
    )
    assert_same_bits(net, other)
    assert first["validation_loss"] == second["validation_loss"]


def test_early_stopping_judges_by_weights(problem):
    """What is learned well but counts nothing doesn't keep training going."""
    x, labels = problem
    counts = np.where(labels == 0, 1.0, 0.0)
    stopped = [
        make_trainer(make_net(), epochs=60, callbacks=[fa.EarlyStopping(patience=2)]).fit(
            (x, labels), validation
        )
        for validation in ((x, labels), (x, labels, counts), (x[labels == 0], labels[labels == 0]))
    ]
    assert stopped[1]["validation_loss"] == pytest.approx(stopped[2]["validation_loss"])
    assert stopped[0]["validation_loss"] != stopped[1]["validation_loss"]


def test_augmented_inputs_keep_their_weights(problem, weights):
    x, labels = problem
    net, other = make_net(), make_net()
    make_trainer(net, augment=lambda X, shape, *, seed, epoch: X).fit((x, labels, weights))
    make_trainer(other).fit((x, labels, weights))
    assert_same_bits(net, other)


class Stops(Callback):
    """Ends a fit as Ctrl-C would, once."""

    every = 13

    def __init__(self, at=None):
        self.at = at

    def on_batches(self, trainer, batch):
        if batch == self.at:
            raise KeyboardInterrupt


def test_a_resumed_fit_has_the_same_bits_and_knows_its_weights(problem, weights, tmp_path):
    x, labels = problem
    path = tmp_path / "run.safetensors"
    whole, cut = make_net(), make_net()
    train = (x, labels, weights)
    history = make_trainer(whole, epochs=4).fit(train, train)

    def trainer(net, at=None):
        return make_trainer(net, epochs=4, callbacks=[fa.Checkpoint(path), Stops(at)])

    with pytest.raises(KeyboardInterrupt):
        trainer(cut, 26).fit(train, train)
    for wrong in ((x, labels), (x, labels, weights[::-1])):
        with pytest.raises(ValueError, match=r"\[resume\] train was .* with mark"):
            fa.Trainer.resume(path, wrong, train, into=trainer(make_net()))
    resumed = fa.Trainer.resume(path, train, train, into=trainer(make_net()))
    assert_same_bits(whole, resumed.net)
    assert resumed.history["train_loss"] == history["train_loss"]


def test_examples_without_weights_have_the_marks_of_old_checkpoints():
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    plain = Examples(x, x[:, :2].copy())
    assert fingerprint(plain) == "4 examples with mark fa5e2c61883b04b6"
    assert fingerprint(plain._replace(weights=np.ones(4, np.float32))) != fingerprint(plain)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda w: w[:-1], ValueError, rf"weights has shape \({N - 1},\); it must be \({N},\)"),
        (lambda w: w - 1, ValueError, r"weights\[\d+\] was -"),
        (lambda w: w * np.nan, ValueError, "weights has nan"),
        (lambda w: 0 * w, ValueError, rf"weights was 0 for all {N} examples"),
        (lambda w: "heavy", TypeError, "weights has dtype"),
    ],
)
@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_wrong_weights_are_refused_before_anything_changes(
    problem, weights, name, change, error, message
):
    net, other = make_net(), make_net()
    sets = {"train": problem} | {name: (*problem, change(weights))}
    with pytest.raises(error, match=rf"\[fit\] {name} {message}"):
        make_trainer(net).fit(**sets)
    assert_same_bits(net, other)


def test_neither_a_pair_nor_a_triple_is_refused(problem):
    with pytest.raises(TypeError, match="the examples' weights as a third"):
        make_trainer(make_net()).fit((*problem, None, None))


def test_a_part_left_without_weight_by_the_split_is_refused(problem):
    weights = np.zeros(N)
    weights[0] = 1
    with pytest.raises(ValueError, match="weights was 0 for all"):
        make_trainer(make_net()).fit((*problem, weights), validation=0.5)
