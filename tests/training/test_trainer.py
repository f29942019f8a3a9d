"""The trainer: the same bits as the bare compiled loop, and everything around it."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from fastfa.callbacks import Callback
from fastfa.data import Split, one_hot, permutation
from fastfa.schedules import Steps
from fastfa.training import chunks

N, INPUTS, CLASSES = 103, 12, 4


def make_net(inputs=INPUTS, output="logistic", loss="cross_entropy", **options):
    layers = [fa.Dense(9, "tanh"), fa.Dense(CLASSES, output)]
    return fa.Network(inputs, layers, loss=loss, seed=1, **options)


def make_trainer(net, epochs=2, **options):
    options = {"optimizer": fa.SGD(0.1), "batch_size": 10, "progress": False} | options
    return fa.Trainer(net, epochs=epochs, **options)


@pytest.fixture
def problem(rng):
    """Inputs and labels that can be learned: each class is a direction, with noise."""
    labels = rng.integers(0, CLASSES, N)
    centres = rng.normal(size=(CLASSES, INPUTS))
    x = centres[labels] + 0.3 * rng.normal(size=(N, INPUTS))
    return x.astype(np.float32), labels


def assert_same_bits(net, other):
    mine, others = net.state_dict(), other.state_dict()
    assert mine.keys() == others.keys()
    for name in mine:
        np.testing.assert_array_equal(mine[name], others[name], err_msg=name)


class Watch(Callback):
    """Notes when it is called; runs `do` every so many batches."""

    def __init__(self, every=None, do=None):
        self.every, self.do, self.batches = every, do, []

    def on_batches(self, trainer, batch):
        self.batches.append(batch)
        if self.do is not None:
            self.do(trainer, batch)


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


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, r"\[Trainer\] batch_size was 0; it must be an integer"),
        ({"batch_size": 2.0}, "batch_size was 2.0"),
        ({"batch_size": True}, "batch_size was True"),
        ({"epochs": 0}, "epochs was 0"),
        ({"seed": -1}, "seed was -1"),
        ({"optimizer": 0.1}, "optimizer was 0.1"),
        ({"optimizer": fa.SGD}, "optimizer was"),
        ({"schedule": "constant"}, "schedule was 'constant'"),
        ({"callbacks": Callback()}, "callbacks was"),
        ({"callbacks": [print]}, r"callbacks\[0\] was"),
        ({"callbacks": [Watch(), Watch(every=0)]}, r"callbacks\[1\].every was 0"),
        ({"targets": (1, 0)}, r"targets was \(1, 0\)"),
        ({"targets": 1}, "targets was 1"),
        ({"targets": (0, float("nan"))}, r"targets\[1\] was nan"),
        ({"shuffle": "yes"}, "shuffle was 'yes'"),
    ],
)
def test_the_trainer_names_the_argument_that_is_wrong(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make_trainer(make_net(), **options)


def test_the_trainer_wants_a_network():
    with pytest.raises(TypeError, match="net was 'net'"):
        make_trainer("net")


def _changed(array, index, value):
    array = np.array(array)
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, t: {"train": x}, r"train was an array of shape \(103, 12\)"),
        (lambda x, t: {"train": (x[:, :5], t)}, r"train X has shape \(103, 5\)"),
        (lambda x, t: {"train": (x.reshape(N, 3, 4), t)}, r"train X has shape \(103, 3, 4\)"),
        (lambda x, t: {"train": (x[0], t)}, "train X has shape"),
        (lambda x, t: {"train": (x[:0], t[:0])}, "N at least 1"),
        (lambda x, t: {"train": (x, t[:-1])}, r"train labels has shape \(102,\)"),
        (lambda x, t: {"train": (x, t + 1)}, r"train labels lies in \[1, 4\]"),
        (lambda x, t: {"train": (x, t - 1)}, r"train labels lies in \[-1, 2\]"),
        (lambda x, t: {"train": (x, t / 1.0)}, "train labels has .* dtype float64"),
        (lambda x, t: {"train": (x, np.ones((N, 3)))}, r"train Y has shape \(103, 3\)"),
        (lambda x, t: {"train": (x, np.ones((5, CLASSES)))}, r"train Y has shape \(5, 4\)"),
        (lambda x, t: {"train": (x, np.full((N, CLASSES), 2.0))}, r"it must lie in \[0, 1\]"),
        (
            lambda x, t: {"train": (_changed(x, (70, 3), np.nan), t)},
            r"train X has nan at \[70, 3\]",
        ),
        (lambda x, t: {"train": (_changed(x, (5, 0), np.inf), t)}, r"train X has inf at \[5, 0\]"),
        (lambda x, t: {"train": (x.astype(float) * 1e300, t)}, "train X has .* overflows float32"),
        (lambda x, t: {"train": (x.astype(complex), t)}, "dtype complex128"),
        (lambda x, t: {"train": (x.astype(str), t)}, "must hold real numbers"),
        (lambda x, t: {"validation": 1.5}, "validation was 1.5"),
        (lambda x, t: {"validation": 0}, "validation was 0"),
        (lambda x, t: {"validation": 0.001}, "0 of 103 training examples"),
        (lambda x, t: {"validation": True}, "validation was True"),
        (lambda x, t: {"validation": (x[:, :5], t)}, "validation X has shape"),
        (lambda x, t: {"test": (_changed(x, (1, 1), np.nan), t)}, "test X has nan"),
        (lambda x, t: {"test": (x, t + 9)}, "test labels lies in"),
    ],
)
def test_fit_names_the_argument_and_changes_nothing(problem, change, message):
    x, labels = problem
    net, untouched = make_net(), make_net()
    trainer = make_trainer(net)
    with pytest.raises((ValueError, TypeError), match=message):
        trainer.fit(**({"train": (x, labels)} | change(x, labels)))
    assert_same_bits(net, untouched)
    assert len(trainer.history) == trainer.epoch == trainer.batch == 0


def test_targets_outside_the_losss_range_are_refused(problem):
    with pytest.raises(ValueError, match=r"targets lies in \[-0.9, 0.9\]"):
        make_trainer(make_net(), targets=(-0.9, 0.9)).fit(problem)


def test_a_network_that_is_not_finite_is_refused(problem):
    net = make_net()
    net.biases[1][2] = np.inf
    with pytest.raises(ValueError, match=r"net's biases.1 has inf at \[2\]"):
        make_trainer(net).fit(problem)


def test_a_rate_that_a_schedule_makes_up_is_checked(problem):
    net, untouched = make_net(), make_net()
    with pytest.raises(ValueError, match="lr for epoch 1 was nan"):
        make_trainer(net, schedule=lambda epoch: float("nan")).fit(problem)
    assert_same_bits(net, untouched)


def test_an_augmentation_may_return_any_view_of_the_right_values(problem):
    x, labels = problem
    made = [make_net(), make_net()]
    flipped = np.ascontiguousarray(x[:, ::-1])
    for net, augment in zip(
        made, (lambda x, shape, **_: x[:, ::-1], lambda x, shape, **_: flipped), strict=True
    ):
        make_trainer(net, augment=augment).fit((x, labels))
    assert_same_bits(*made)


def test_an_augmentation_cant_write_into_the_examples(problem):
    def blacken(x, shape, **_):
        x[:] = 0
        return x

    kept = problem[0].copy()
    with pytest.raises(ValueError, match="read-only"):
        make_trainer(make_net(), augment=blacken).fit(problem)
    np.testing.assert_array_equal(problem[0], kept)


def test_an_augmentation_of_another_kind_is_refused(problem):
    for augment in (lambda x, shape, **_: x.tolist(), lambda x, shape, **_: x[:5]):
        with pytest.raises(ValueError, match=r"augment returned an array of float"):
            make_trainer(make_net(), augment=augment).fit(problem)


def test_one_output_has_no_error_rate(problem, rng):
    """argmax over one unit is always 0, which is no classification."""
    x, y = problem[0], rng.normal(size=(N, 1))
    net = fa.Network(INPUTS, [fa.Dense(5), fa.Dense(1, "linear")])
    loss, error = net.evaluate(x, y)
    assert np.isfinite(loss)
    assert np.isnan(error)
    history = make_trainer(net).fit((x, y), validation=0.2, test=(x, y))
    assert not [key for key in history.columns if key.endswith("error")]
    assert {"train_loss", "validation_loss", "test_loss"} <= set(history.columns)
    with pytest.raises(ValueError, match="monitor was 'validation_error'; it must be a key"):
        make_trainer(net, callbacks=[fa.EarlyStopping()]).fit((x, y), validation=0.2)


# ---- divergence, interruption, stop --------------------------------------------------------------


def test_divergence_keeps_finite_weights_and_the_history_so_far(problem):
    net = fa.Network(INPUTS, [fa.Dense(9, "relu"), fa.Dense(CLASSES, "linear")], feedback="bp")
    trainer = make_trainer(net, epochs=9, schedule={3: 1e6})
    with pytest.raises(fa.DivergenceError):
        trainer.fit(problem)
    assert len(trainer.history) >= 2
    assert trainer.history["epoch"][:2] == [1, 2]
    for array in [*net.weights, *net.biases]:
        assert np.isfinite(array[...]).all()
    assert np.isfinite(net.forward(problem[0])).all()


@pytest.mark.parametrize("epoch", [1, 2])
def test_weights_that_stopped_being_finite_go_back_to_the_last_epochs_end(problem, epoch):
    def spoil(trainer, batch):
        if trainer.epoch == epoch - 1 and batch % 11 == 5:
            trainer.net.weights[0][0, 0] = np.nan

    net, good = make_net(), make_net()
    with pytest.raises(fa.DivergenceError):
        make_trainer(net, epochs=3, callbacks=[Watch(every=1, do=spoil)]).fit(problem)
    if epoch == 2:
        make_trainer(good, epochs=1).fit(problem)
    assert_same_bits(net, good)


def test_an_interrupt_keeps_the_history_and_a_network_that_trains_on(problem):
    def interrupt(trainer, batch):
        if batch == 15:  # in the second epoch of 11 batches
            raise KeyboardInterrupt

    net = make_net()
    trainer = make_trainer(net, callbacks=[Watch(every=5, do=interrupt)])
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(problem)
    assert trainer.history["epoch"] == [1]
    assert np.isfinite(net.forward(problem[0])).all()
    assert trainer.fit(problem)["epoch"] == [1, 2, 3]


def test_a_stop_between_batches_cuts_the_epoch_short(problem):
    net, bare = make_net(), make_net()
    stop = Watch(every=4, do=lambda trainer, batch: trainer.stop())
    trainer = make_trainer(net, epochs=5, callbacks=[stop], shuffle=False)
    history = trainer.fit(problem)
    bare.train_epoch(
        problem[0], one_hot(problem[1], CLASSES), fa.SGD(0.1), batch_size=10, order=np.arange(40)
    )
    assert_same_bits(net, bare)
    assert history["epoch"] == [1]
    assert history["seconds"][0] * history["samples_per_second"][0] == pytest.approx(40)
