"""The trainer: the same bits as the bare compiled loop, and what is recorded."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from fastfa.data import Split, one_hot, permutation
from fastfa.schedules import Steps
from fastfa.training import chunks
from trainer_cases import CLASSES, N, Watch, assert_same_bits, make_net, make_trainer

# ---- the numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [1e-12, 0.25], ids=["one batch a chunk", "long chunks"])
@pytest.mark.parametrize("batch_size", [1, 10, 103, 500])
@pytest.mark.parametrize("shuffle", [True, False])
def test_epochs_have_the_bits_of_train_epoch(problem, monkeypatch, seconds, batch_size, shuffle):
    monkeypatch.setattr(chunks, "_CHUNK_SECONDS", seconds)
    x, labels = problem
    net, bare = make_net(), make_net()
    optimizer = fa.SGD(0.1, momentum=0.5, weight_decay=1e-4)
    trainer = make_trainer(
        net, epochs=3, optimizer=optimizer, batch_size=batch_size, shuffle=shuffle, seed=5
    )
    history = trainer.fit((x, labels))
    y = one_hot(labels, CLASSES)
    losses = []
    for epoch in (1, 2, 3):
        order = permutation(N, 5, epoch) if shuffle else None
        losses.append(bare.train_epoch(x, y, optimizer, batch_size=batch_size, order=order))
    assert_same_bits(net, bare)
    np.testing.assert_allclose(history["train_loss"], losses, rtol=1e-6)
    assert net.steps == bare.steps == trainer.batch


def test_callbacks_at_odd_batches_do_not_change_the_bits(problem):
    net, plain = make_net(), make_net()
    watch = [Watch(every=7), Watch(every=3)]
    make_trainer(net, epochs=2, callbacks=watch).fit(problem)  # 11 batches an epoch
    make_trainer(plain, epochs=2).fit(problem)
    assert_same_bits(net, plain)
    assert watch[0].batches == [7, 14, 21]
    assert watch[1].batches == [3, 6, 9, 12, 15, 18, 21]


def test_a_second_fit_goes_on_where_the_first_one_ended(problem):
    net, whole = make_net(), make_net()
    options = {"optimizer": fa.SGD(0.1, momentum=0.9), "schedule": Steps({3: 0.01}), "seed": 3}
    trainer = make_trainer(net, epochs=2, **options)
    trainer.fit(problem, validation=0.2)
    history = trainer.fit(problem, validation=0.2)
    at_once = make_trainer(whole, epochs=4, **options).fit(problem, validation=0.2)
    assert_same_bits(net, whole)
    assert history["epoch"] == [1, 2, 3, 4]
    assert history["lr"] == [0.1, 0.1, 0.01, 0.01]
    assert history is trainer.history
    for key in ("train_loss", "validation_loss", "validation_error"):
        np.testing.assert_allclose(history[key], at_once[key], rtol=1e-6)


def test_another_seed_shuffles_otherwise(problem):
    nets = [make_net(), make_net()]
    for seed, net in enumerate(nets):
        make_trainer(net, seed=seed).fit(problem)
    assert (nets[0].weights[0][...] != nets[1].weights[0][...]).any()


def test_labels_and_their_one_hot_targets_train_alike(problem):
    x, labels = problem
    by_label, by_target = make_net(), make_net()
    make_trainer(by_label).fit((x, labels.astype(np.uint8)))
    make_trainer(by_target).fit((x.astype(np.float64), one_hot(labels, CLASSES)))
    assert_same_bits(by_label, by_target)


@pytest.mark.parametrize(
    ("output", "given", "low", "high"),
    [("tanh", None, -0.9, 0.9), ("linear", None, 0, 1), ("tanh", (-0.5, 0.7), -0.5, 0.7)],
)
def test_labels_become_the_targets_that_suit_the_outputs(problem, output, given, low, high):
    x, labels = problem
    by_label, by_target = (make_net(output=output, loss="squared_error") for _ in range(2))
    make_trainer(by_label, targets=given).fit((x, labels))
    make_trainer(by_target).fit((x, one_hot(labels, CLASSES, low, high)))
    assert_same_bits(by_label, by_target)


def test_images_are_taken_row_by_row(problem):
    x, labels = problem
    flat, images = make_net(), make_net(inputs=(1, 3, 4))
    make_trainer(flat).fit((x, labels))
    make_trainer(images).fit((x.reshape(N, 1, 3, 4), labels))
    assert_same_bits(flat, images)


def test_a_float64_network_trains_on_float64(problem):
    x, labels = problem
    net, bare = make_net(dtype="float64"), make_net(dtype="float64")
    x = x.astype(np.float64) + 1e-12
    make_trainer(net, epochs=1, shuffle=False).fit((x, labels))
    bare.train_epoch(x, one_hot(labels, CLASSES, dtype=np.float64), fa.SGD(0.1), batch_size=10)
    assert_same_bits(net, bare)


# ---- what is recorded ----------------------------------------------------------------------------


def test_a_record_tells_the_epoch_its_rate_and_every_set(problem, rng):
    x, labels = problem
    net = make_net()
    test = (x[:20], labels[:20])
    history = make_trainer(net, epochs=2, optimizer=fa.SGD(0.25)).fit(
        (x[20:], labels[20:]), validation=(x[:50], labels[:50]), test=test
    )
    assert history.columns == [
        *("epoch", "lr", "train_loss", "train_error", "validation_loss", "validation_error"),
        *("test_loss", "test_error", "seconds", "samples_per_second"),
    ]
    last = history.records[-1]
    loss, error = net.evaluate(test[0], one_hot(test[1], CLASSES))
    assert (last["test_loss"], last["test_error"]) == (loss, error)
    assert last["test_error"] == pytest.approx(fa.metrics.error_rate(net, *test))
    assert (last["epoch"], last["lr"]) == (2, 0.25)
    assert last["seconds"] > 0
    assert last["seconds"] * last["samples_per_second"] == pytest.approx(N - 20)
    assert all(type(value) in (int, float) for value in last.values())


def test_without_other_sets_only_training_is_recorded(problem):
    history = make_trainer(make_net()).fit(problem)
    assert not [key for key in history.columns if key.startswith(("validation", "test"))]


def test_training_error_is_measured_before_each_update(problem):
    x, labels = problem
    net = make_net()
    before = net.evaluate(x, one_hot(labels, CLASSES))
    history = make_trainer(net, epochs=1, batch_size=N).fit(problem)
    assert history["train_loss"][0] == pytest.approx(before.loss, rel=1e-5)
    assert history["train_error"][0] == pytest.approx(before.error_rate)


def test_the_network_learns(problem):
    history = make_trainer(make_net(), epochs=20, batch_size=5).fit(problem, test=problem)
    assert history["test_error"][-1] < 0.05 < history["test_error"][0]


def test_a_callable_schedule_sets_each_epochs_rate(problem):
    trainer = make_trainer(make_net(), epochs=3, schedule=lambda epoch: 0.5**epoch)
    assert trainer.fit(problem)["lr"] == [0.5, 0.25, 0.125]
    assert trainer.optimizer.lr == 0.125


def test_progress_shows_loss_error_and_speed_and_can_be_silent(problem, capsys):
    make_trainer(make_net(), progress=True).fit(problem)
    shown = capsys.readouterr()
    for word in ("epoch 2", "loss", "error", "samples/s"):
        assert word in shown.err
    make_trainer(make_net()).fit(problem)
    assert capsys.readouterr() == ("", "")


# ---- validation ----------------------------------------------------------------------------------


def test_a_validation_fraction_is_split_off_as_split_does(problem):
    x, labels = problem
    whole = Split(x, labels.astype(np.int64), (1, 3, 4))
    nets = [make_net() for _ in range(3)]
    train, validation = whole.split(0.25, seed=9)
    histories = [
        make_trainer(nets[0], seed=9).fit(whole, validation=0.25),
        make_trainer(nets[1], seed=9).fit((x, labels), validation=0.25),
        make_trainer(nets[2], seed=9).fit(train, validation=validation),
    ]
    for net, history in zip(nets[1:], histories[1:], strict=True):
        assert_same_bits(nets[0], net)
        assert history["validation_loss"] == histories[0]["validation_loss"]
