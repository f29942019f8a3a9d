"""A trainer of an ensemble: each network learns as it would alone."""

from __future__ import annotations

import copy

import fastfa as fa
import numpy as np
import pytest
from fastfa.callbacks import Alignment, AveragedWeights, Callback, CSVLogger

N, INPUTS, CLASSES = 90, 8, 3


@pytest.fixture
def data(rng):
    return rng.normal(size=(N, INPUTS)), rng.integers(0, CLASSES, N)


def network(seed=0, rule="fa", units=7, **options):
    layers = [fa.Dense(units, "tanh"), fa.Dense(CLASSES, "tanh")]
    return fa.Network(INPUTS, layers, rule, seed=seed, **{"dtype": "float64"} | options)


def networks():
    return [*(network(seed) for seed in range(7)), network(3, "bp"), network(4, "dfa", 12)]


def trained(net, data, **options):
    options = {"batch_size": 7, "epochs": 3, "progress": False, "seed": 5} | options
    trainer = fa.Trainer(net, options.pop("optimizer", fa.SGD(0.1)), **options)
    trainer.fit(data, validation=0.2, test=data)
    return trainer


def blurred(X, shape, *, seed, epoch):
    return X * (1 - 0.1 * epoch)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": 1},
        {"optimizer": fa.Adam(0.01), "schedule": fa.Warmup(fa.Exponential(0.5), updates=9)},
        {"augment": blurred, "targets": (-0.5, 0.5), "schedule": {2: 0.02}, "shuffle": False},
    ],
)
def test_each_network_learns_as_it_would_alone(data, options):
    x, labels = data
    weights = np.arange(N) % 3 + 0.5
    for examples in (data, (x, labels, weights)):
        together = trained(fa.Ensemble(networks()), examples, **options)
        keys = [key for key in together.history.columns if key.endswith(("loss", "error"))]
        for i, net in enumerate(networks()):
            alone = trained(net, examples, **options)
            for name, array in net.state_dict().items():
                own = together.net.networks[i].state_dict()[name]
                np.testing.assert_allclose(own, array, rtol=1e-9, atol=1e-12, err_msg=name)
            assert together.histories[i].columns == alone.history.columns
            assert together.histories[i]["lr"] == alone.history["lr"]
            for key in keys:
                np.testing.assert_allclose(
                    together.histories[i][key], alone.history[key], rtol=1e-9
                )
        for key in keys:
            each = [history[key] for history in together.histories]
            np.testing.assert_allclose(together.history[key], np.mean(each, axis=0), rtol=1e-12)


def test_a_network_alone_has_no_histories(data):
    assert trained(network(), data).histories == ()


def test_the_numbers_do_not_depend_on_the_clock(data, monkeypatch):
    def losses(seconds):
        monkeypatch.setattr("fastfa.training.chunks._CHUNK_SECONDS", seconds)
        return trained(fa.Ensemble(networks()), data).history["train_loss"]

    assert losses(0.0) == losses(10.0)


def test_fit_goes_on_and_callbacks_see_the_means(data, tmp_path):
    class Look(Callback):
        every = 5
        seen = 0

        def on_batches(self, trainer, batch):
            assert isinstance(trainer.net, fa.Ensemble)
            self.seen += 1

    look, path = Look(), tmp_path / "means.csv"
    trainer = trained(fa.Ensemble(networks()), data, callbacks=[look, CSVLogger(path)])
    ahead = copy.deepcopy(trainer)
    assert look.seen == trainer.batch // 5 > 0
    for each in (trainer, ahead):
        each.callbacks = ()
        each.fit(data, validation=0.2, test=data)
        assert [len(history) for history in (each.history, *each.histories)] == [6] * 10
    assert (
        ahead.net.networks[8].weights[0].tobytes() == trainer.net.networks[8].weights[0].tobytes()
    )
    assert ahead.net.networks[8] is not trainer.net.networks[8]
    rows = path.read_text().splitlines()
    assert len(rows) == 4
    assert f"{trainer.history['test_loss'][2]!r}" in rows[3]


def test_class_names_reach_every_network(data):
    x, labels = data
    names = np.array(["cat", "dog", "fox"])[labels]
    net = trained(fa.Ensemble(networks()), (x, names)).net
    assert {each.class_names for each in net.networks} == {("cat", "dog", "fox")}


def test_one_output_has_no_error_rate(rng):
    x = rng.normal(size=(40, INPUTS))
    nets = [fa.Network(INPUTS, [fa.Dense(5, "tanh"), fa.Dense(1)], seed=s) for s in range(3)]
    trainer = trained(fa.Ensemble(nets), (x, x[:, 0]))
    assert "test_loss" in trainer.histories[2].columns
    assert not any(key.endswith("_error") for key in trainer.histories[2].columns)


def test_who_diverges_ends_the_fit_and_the_others_keep_what_they_learned(data):
    def made(scale):
        layers = [fa.Dense(4, weight_scale=scale), fa.Dense(CLASSES, weight_scale=scale)]
        return fa.Network(INPUTS, layers, "bp", dtype="float64")

    ensemble = fa.Ensemble([made(0.1), made(0.2), made(1e5)])
    with pytest.raises(fa.DivergenceError, match="1 of 3 networks: network 2") as caught:
        trained(ensemble, data)
    assert list(caught.value.stopped) == [2]
    assert ensemble.networks[0].steps == -(-72 // 7)  # a whole epoch
    assert all(np.isfinite(a).all() for net in ensemble.networks for a in net.state_dict().values())


def test_what_is_for_one_network_is_refused_before_anything_is_trained(data, tmp_path):
    x, labels = data
    y = fa.data.one_hot(labels, CLASSES)
    ensemble = fa.Ensemble([network(), network(1)])
    for callback in (fa.EarlyStopping(), fa.BestWeights(), AveragedWeights(1), Alignment(x, y)):
        with pytest.raises(
            TypeError, match=rf"callbacks\[0\] is {type(callback).__name__}, which is"
        ):
            trained(ensemble, data, callbacks=[callback])
    with pytest.raises(fa.CheckpointError, match=r"Ensemble: save that, by fastfa\.save"):
        trained(ensemble, data, callbacks=[fa.Checkpoint(tmp_path / "run.st")])
    assert ensemble.networks[0].steps == 0


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (
            fa.Network(
                INPUTS, [fa.Dense(CLASSES, "softmax")], loss="cross_entropy", dtype="float64"
            ),
            "loss 'cross_entropy'",
        ),
        (fa.Network((2, 4), [fa.Dense(CLASSES, "tanh")], dtype="float64"), r"input_shape \(2, 4\)"),
        (
            fa.Network(INPUTS, [fa.Dense(CLASSES)], dtype="float64"),
            r"targets of labels \(0\.0, 1\.0\)",
        ),
    ],
)
def test_networks_that_need_other_examples_are_refused(other, what):
    with pytest.raises(ValueError, match=rf"\[Trainer\] net.networks\[1\] has {what}"):
        fa.Trainer(fa.Ensemble([network(), other]), fa.SGD(0.1), epochs=1)
