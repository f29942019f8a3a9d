"""What a trainer refuses, and how it ends early: divergence, Ctrl-C, a stop."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from fastfa.callbacks import Callback
from fastfa.data import one_hot
from trainer_cases import CLASSES, INPUTS, N, Watch, assert_same_bits, make_net, make_trainer

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
