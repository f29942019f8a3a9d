"""Callbacks: the protocol, early stopping, loggers, the angle on the way."""

from __future__ import annotations

import csv
import types
import warnings

import fastfa as fa
import numpy as np
import pytest
from fastfa.callbacks import (
    Alignment,
    AveragedWeights,
    BestWeights,
    Callback,
    CSVLogger,
    EarlyStopping,
    JSONLLogger,
)
from fastfa.cli.report import EpochLines
from fastfa.data import one_hot
from fastfa.history import History

N, INPUTS, CLASSES = 60, 8, 3


class Scripted(Callback):
    """Writes scores from a list into the records, and keeps the weights of every epoch."""

    def __init__(self, scores):
        self.scores, self.states = scores, []

    def on_epoch_end(self, trainer, record):
        record["score"] = self.scores[record["epoch"] - 1]
        self.states.append(trainer.net.state_dict())


class Diary(Callback):
    every = 4

    def __init__(self):
        self.lines = []

    def on_fit_begin(self, trainer):
        self.lines.append(("fit begins", trainer.epoch))

    def on_epoch_begin(self, trainer, epoch):
        self.lines.append(("epoch begins", epoch))

    def on_batches(self, trainer, batch):
        self.lines.append(("batches", batch))

    def on_epoch_end(self, trainer, record):
        self.lines.append(("epoch ends", record["epoch"], len(trainer.history)))

    def on_fit_end(self, trainer, history):
        self.lines.append(("fit ends", len(history)))


@pytest.fixture
def problem(rng):
    labels = rng.integers(0, CLASSES, N)
    return rng.normal(size=(N, INPUTS)).astype(np.float32), labels


def make_trainer(callbacks, epochs=6, feedback="fa", optimizer=None):
    layers = [fa.Dense(7, "tanh"), fa.Dense(6, "tanh"), fa.Dense(CLASSES, "logistic")]
    net = fa.Network(INPUTS, layers, feedback=feedback, loss="cross_entropy", seed=2)
    optimizer = optimizer or fa.SGD(0.1)
    return fa.Trainer(
        net, optimizer, epochs=epochs, batch_size=10, callbacks=callbacks, progress=False
    )


def assert_state(net, state):
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, state[name], err_msg=name)


def test_an_epoch_is_done_when_it_is_counted(problem):
    class After(Callback):
        def on_epoch_done(self, trainer):
            seen.append((trainer.epoch, len(trainer.history), trainer.ending))

    seen = []
    make_trainer([After()], epochs=2).fit(problem)
    assert seen == [(1, 1, False), (2, 2, True)]


def test_callbacks_are_called_in_the_documented_order(problem):
    diary = Diary()
    make_trainer([diary], epochs=2).fit(problem)  # 6 batches an epoch
    assert diary.lines == [
        *(("fit begins", 0), ("epoch begins", 1), ("batches", 4), ("epoch ends", 1, 0)),
        *(("epoch begins", 2), ("batches", 8), ("batches", 12), ("epoch ends", 2, 1)),
        ("fit ends", 2),
    ]


def test_what_a_callback_adds_to_a_record_is_seen_after_it_and_kept(problem):
    seen = []

    class Look(Callback):
        def on_epoch_end(self, trainer, record):
            seen.append(record.get("score"))

    trainer = make_trainer([Look(), Scripted([5, 4]), Look()], epochs=2)
    assert trainer.fit(problem)["score"] == [5, 4]
    assert seen == [None, 5, None, 4]


def test_fit_end_is_not_called_after_an_exception(problem):
    class Fail(Callback):
        def on_epoch_begin(self, trainer, epoch):
            raise RuntimeError("enough")

    diary = Diary()
    with pytest.raises(RuntimeError, match="enough"):
        make_trainer([diary, Fail()]).fit(problem)
    assert diary.lines == [("fit begins", 0), ("epoch begins", 1)]


# ---- early stopping and best weights -------------------------------------------------------------


def test_early_stopping_waits_for_its_patience_and_restores_the_best(problem):
    script = Scripted([5, 3, 4, 3, 9, 1])
    stopping = EarlyStopping("score", patience=3)
    trainer = make_trainer([script, stopping])
    history = trainer.fit(problem)
    assert history["epoch"] == [1, 2, 3, 4, 5]
    assert (stopping.stopped_epoch, stopping.best.epoch, stopping.best.value) == (5, 2, 3)
    assert_state(trainer.net, script.states[1])


def test_early_stopping_may_leave_the_last_weights(problem):
    script = Scripted([5, 3, 4, 3, 9, 1])
    trainer = make_trainer([script, EarlyStopping("score", patience=2, restore_best=False)])
    assert len(trainer.fit(problem)) == 4
    assert_state(trainer.net, script.states[3])


def test_an_improvement_of_min_delta_or_less_is_none(problem):
    stopping = EarlyStopping("score", patience=2, min_delta=1.0)
    assert len(make_trainer([Scripted([5, 4, 4.5, 1, 1, 1]), stopping]).fit(problem)) == 3
    stopping = EarlyStopping("score", patience=2, min_delta=0.9)
    assert len(make_trainer([Scripted([5, 4, 4.5, 1, 1, 1]), stopping]).fit(problem)) == 6


def test_the_best_is_restored_also_when_all_epochs_have_run(problem):
    script = Scripted([5, 3, 4, 3, 9, 8])
    stopping = EarlyStopping("score", patience=10)
    trainer = make_trainer([script, stopping])
    assert len(trainer.fit(problem)) == 6
    assert stopping.stopped_epoch is None
    assert_state(trainer.net, script.states[1])


def test_each_fit_counts_anew(problem):
    stopping = EarlyStopping("score", patience=2)
    trainer = make_trainer([Scripted([1, 2, 3, 9, 8, 7, 6, 5, 4]), stopping])
    trainer.fit(problem)
    assert stopping.stopped_epoch == 3
    trainer.fit(problem)
    assert stopping.stopped_epoch is None
    assert (trainer.epoch, stopping.best.epoch) == (9, 9)


def test_early_stopping_watches_the_validation_error_by_default(problem):
    stopping = EarlyStopping(patience=2)
    history = make_trainer([stopping], epochs=40).fit(problem, validation=0.3)
    assert stopping.best.value == min(history["validation_error"])
    assert stopping.best.epoch == history.best("validation_error")["epoch"]


def test_best_weights_are_kept_and_given_back_on_demand(problem):
    script, best = Scripted([5, 3, 4]), BestWeights("score", restore=False)
    trainer = make_trainer([script, best], epochs=3)
    trainer.fit(problem)
    assert_state(trainer.net, script.states[2])
    best.restore(trainer.net)
    assert_state(trainer.net, script.states[1])


@pytest.mark.parametrize("optimizer", [fa.SGD(0.3), fa.Adam(0.01)])
def test_averaged_weights_are_the_mean_over_the_last_epochs(problem, optimizer):
    script, mean = Scripted([0] * 5), AveragedWeights(begin=3)
    trainer = make_trainer([script, mean], epochs=5, optimizer=optimizer)
    trainer.fit(problem)
    assert mean.epochs == 3
    for name, array in trainer.net.state_dict().items():
        expected = np.mean([state[name] for state in script.states[2:]], axis=0, dtype=np.float64)
        np.testing.assert_allclose(array, expected, rtol=1e-6, atol=1e-7, err_msg=name)
    assert np.abs(trainer.net.weights[0] - script.states[-1]["weights.0"]).max() > 1e-4


def test_averaging_that_never_began_changes_nothing(problem):
    script, mean = Scripted([0] * 2), AveragedWeights(begin=3)
    trainer = make_trainer([script, mean], epochs=2)
    trainer.fit(problem)
    assert (mean.epochs, mean.state) == (0, None)
    assert_state(trainer.net, script.states[-1])


@pytest.mark.parametrize("kind", [EarlyStopping, BestWeights])
def test_no_decision_by_the_test_set(kind):
    with pytest.raises(ValueError, match=r"monitor was 'test_error'.*never used for a decision"):
        kind("test_error")


@pytest.mark.parametrize("kind", [EarlyStopping, BestWeights])
def test_a_missing_validation_set_is_told_before_training(problem, kind):
    trainer = make_trainer([kind("validation_error")])
    before = trainer.net.state_dict()
    with pytest.raises(ValueError, match="no validation set"):
        trainer.fit(problem)
    assert_state(trainer.net, before)


class Noted(Callback):
    """What a fit has done to its callbacks."""

    def __init__(self):
        self.seen = []

    def on_fit_begin(self, trainer):
        self.seen.append("begin")


@pytest.mark.parametrize("monitor", ["accuracy", "train_los", "validation_eror", "angle_bp.2"])
@pytest.mark.parametrize("kind", [EarlyStopping, BestWeights, fa.Plateau])
def test_an_unknown_monitor_is_told_before_anything_is_changed(problem, kind, monitor, tmp_path):
    noted = Noted()
    first = [noted, Alignment(problem[0][:5], one_hot(problem[1][:5], CLASSES)), AveragedWeights(1)]
    watcher = kind(monitor=monitor)
    own = [*first, CSVLogger(tmp_path / "h.csv"), fa.Checkpoint(tmp_path / "run.st")]
    trainer = make_trainer(own if kind is fa.Plateau else [*own, watcher])
    if kind is fa.Plateau:
        trainer.schedule = watcher
    before = trainer.net.state_dict()
    close = {"train_los": "train_loss", "validation_eror": "validation_error"}.get(monitor, "")
    with pytest.raises(ValueError, match="must be a key of the record") as caught:
        trainer.fit(problem, validation=0.2)
    told = str(caught.value)
    assert told.startswith(
        f"[{kind.__name__}] monitor was {monitor!r}; it must be a key of the record: "
    )
    assert "validation_loss, " in told
    assert "angle_bp.1" in told
    assert f"did you mean {close!r}" in told or not close
    assert_state(trainer.net, before)
    assert (noted.seen, first[1].rows, list(tmp_path.iterdir())) == ([], [], [])


def test_a_callback_of_the_command_line_hides_no_misspelling(problem):
    trainer = make_trainer([EpochLines(False), EarlyStopping("train_los")])
    with pytest.raises(ValueError, match="did you mean 'train_loss'"):
        trainer.fit(problem)
    assert trainer.net.steps == 0


@pytest.mark.parametrize("kind", [EarlyStopping, BestWeights, fa.Plateau])
def test_a_key_that_a_callback_of_the_users_may_add_is_looked_for_after_the_first_epoch(
    problem, kind
):
    """Who it is that adds a key isn't known before it has."""

    def trained(monitor):
        watcher, script = kind(monitor=monitor), Scripted([5, 4, 3, 2, 1, 0])
        trainer = make_trainer([script] if kind is fa.Plateau else [script, watcher])
        if kind is fa.Plateau:
            trainer.schedule = watcher
        try:
            trainer.fit(problem)
        finally:
            assert len(trainer.net.weights) == 3
        return trainer

    assert trained("score").epoch == 6
    with pytest.raises(
        ValueError, match=rf"\[{kind.__name__}\] monitor was 'scores'.*did you mean 'score'"
    ):
        trained("scores")


def test_a_watcher_before_the_callback_that_adds_its_key_is_told(problem):
    probe = Alignment(problem[0][:5], one_hot(problem[1][:5], CLASSES))
    make_trainer([probe, BestWeights("angle_bp.0")], epochs=1).fit(problem)
    trainer = make_trainer([BestWeights("angle_bp.0"), probe])
    with pytest.raises(
        ValueError, match=r"\[BestWeights\] monitor was 'angle_bp.0'; it must be a key"
    ):
        trainer.fit(problem)
    assert trainer.net.steps == 0


@pytest.mark.parametrize("schedule", [fa.Plateau(monitor="validation_error"), None])
def test_a_measure_of_validation_without_a_set_is_told(problem, schedule):
    """Only Plateau's default, validation_loss, stands for train_loss then."""
    trainer = make_trainer([] if schedule else [EarlyStopping("validation_loss")])
    trainer.schedule = schedule
    with pytest.raises(ValueError, match="no validation set"):
        trainer.fit(problem)
    assert trainer.net.steps == 0
    trainer.callbacks, trainer.schedule = (), fa.Plateau()
    trainer.fit(problem)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EarlyStopping(patience=0), r"\[EarlyStopping\] patience was 0"),
        (lambda: EarlyStopping(min_delta=-1), "min_delta was -1"),
        (lambda: AveragedWeights(0), r"\[AveragedWeights\] begin was 0"),
        (lambda: BestWeights(min_delta=float("nan")), "min_delta was nan"),
        (lambda: Alignment(np.ones((3, 2)), np.ones((3, 2)), every=0), "every was 0"),
        (lambda: Alignment(np.ones((3, 2)), np.ones((2, 2))), "the same N"),
        (lambda: Alignment(np.ones((3, 2)), np.ones(3)), "the same N"),
        (lambda: Alignment(np.ones((0, 2)), np.ones((0, 2))), "at least 1"),
    ],
)
def test_a_wrong_argument_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---- loggers -------------------------------------------------------------------------------------


def test_loggers_write_each_epoch_at_once(problem, tmp_path):
    lines = []

    class Count(Callback):
        def on_epoch_end(self, trainer, record):
            texts = [(tmp_path / name).read_text() for name in ("h.csv", "h.jsonl")]
            lines.append([len(text.splitlines()) for text in texts])

    loggers = [CSVLogger(tmp_path / "h.csv"), JSONLLogger(tmp_path / "h.jsonl")]
    make_trainer([*loggers, Count()], epochs=3).fit(problem)
    assert lines == [[2, 1], [3, 2], [4, 3]]


def test_loggers_write_what_the_history_holds_over_two_fits(problem, tmp_path):
    for name in ("h.csv", "h.jsonl"):  # of an earlier run: replaced
        (tmp_path / name).write_text("old\n")
    trainer = make_trainer([CSVLogger(tmp_path / "h.csv"), JSONLLogger(tmp_path / "h.jsonl")])
    trainer.fit(problem)
    history = trainer.fit(problem)
    assert History.from_jsonl(tmp_path / "h.jsonl").records == history.records
    history.to_csv(tmp_path / "whole.csv")
    assert (tmp_path / "h.csv").read_text() == (tmp_path / "whole.csv").read_text()


def test_a_csv_gets_a_column_that_comes_later(problem, tmp_path):
    class Late(Callback):
        def on_epoch_end(self, trainer, record):
            if record["epoch"] == 2:
                record["extra"] = 7

    make_trainer([Late(), CSVLogger(tmp_path / "h.csv")], epochs=3).fit(problem)
    with open(tmp_path / "h.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["extra"] for row in rows] == ["", "7", ""]


def test_a_logger_in_a_missing_folder_fails_before_training(problem, tmp_path):
    for logger in (CSVLogger(tmp_path / "no" / "h.csv"), JSONLLogger(tmp_path / "no" / "h.jsonl")):
        trainer = make_trainer([logger])
        with pytest.raises(FileNotFoundError):
            trainer.fit(problem)
        assert trainer.net.steps == 0
        trainer.callbacks = ()
        fa.save(tmp_path / "untouched.safetensors", trainer)


@pytest.mark.parametrize(("kind", "name"), [(CSVLogger, "h.csv"), (JSONLLogger, "h.jsonl")])
def test_a_fit_that_is_refused_leaves_the_old_file(problem, tmp_path, kind, name):
    (tmp_path / name).write_text("old\n")
    with pytest.raises(ValueError, match="no validation set"):
        make_trainer([kind(tmp_path / name), EarlyStopping()]).fit(problem)
    assert (tmp_path / name).read_text() == "old\n"


# ---- alignment -----------------------------------------------------------------------------------


def test_alignment_is_measured_before_on_the_way_and_at_each_epochs_end(problem):
    x, labels = problem
    probe = Alignment(x[:20], one_hot(labels[:20], CLASSES), every=4)
    make_trainer([probe], epochs=2).fit(problem)  # 6 batches an epoch
    places = [(row["epoch"], row["batch"]) for row in probe.rows if row["layer"] == 0]
    assert places == [(0, 0), (1, 4), (1, 6), (2, 8), (2, 12)]
    assert [row["layer"] for row in probe.rows] == [0, 1] * 5


def test_alignment_counts_examples_whatever_the_size_of_a_batch(problem):
    x, labels = problem
    probe = Alignment(x[:20], one_hot(labels[:20], CLASSES), every=2)
    make_trainer([probe], epochs=2).fit((x[:25], labels[:25]))  # batches of 10, 10 and 5
    seen = [(row["batch"], row["examples"]) for row in probe.rows if row["layer"] == 0]
    assert seen == [(0, 0), (2, 20), (3, 25), (4, 35), (6, 50)]


def test_alignment_rows_are_what_the_metric_says(problem):
    x, labels = problem
    y = one_hot(labels, CLASSES)
    probe = Alignment(x, y)
    trainer = make_trainer([probe], epochs=1)
    expected_before = [angles(trainer.net, x, y)]
    trainer.fit(problem)
    rows = np.array([row["angle_bp"] for row in probe.rows]).reshape(2, 2)
    np.testing.assert_allclose(rows, [*expected_before, angles(trainer.net, x, y)], rtol=1e-4)


def angles(net, x, y):
    """Mean angle of each hidden layer's deltas to backprop's, straight from the definition."""
    pairs = list(zip(net.deltas(x, y)[:-1], net.deltas(x, y, feedback="bp")[:-1], strict=True))
    cosines = [
        (u * v).sum(1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1) for u, v in pairs
    ]
    return [np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean() for cosine in cosines]


def test_alignment_writes_each_layers_mean_over_the_epoch_into_the_record(problem):
    x, labels = problem
    probe = Alignment(x, one_hot(labels, CLASSES), every=2)
    history = make_trainer([probe], epochs=2).fit(problem)
    for epoch, record in enumerate(history, start=1):
        for layer in (0, 1):
            taken = [
                row["angle_bp"]
                for row in probe.rows
                if row["epoch"] == epoch and row["layer"] == layer
            ]
            assert len(taken) == 3
            assert record[f"angle_bp.{layer}"] == pytest.approx(np.mean(taken))


def test_what_is_undefined_in_a_measurement_is_left_out_of_the_mean_and_said(problem, monkeypatch):
    """One NaN row made an epoch's mean NaN."""
    x, labels = problem
    values = iter([30.0, 40.0, np.nan, np.nan, 60.0, np.nan])  # of two layers, three times

    def measured(net, *probe, **how):
        return [types.SimpleNamespace(angle_bp=next(values)) for _ in range(2)]

    monkeypatch.setattr(fa.metrics, "alignment", measured)
    probe = Alignment(x, one_hot(labels, CLASSES), every=5, measures=["angle_bp"])
    probe._measured_at = -1
    trainer = make_trainer([probe], epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (record,) = trainer.fit(problem)
    # before training; after batch 5; at the epoch's end: the first is in no epoch
    assert (record["angle_bp.0"], record["angle_bp.0.defined"]) == (60.0, 1)
    assert np.isnan(record["angle_bp.1"])
    assert "angle_bp.1.defined" not in record


def test_a_second_trainers_records_have_its_own_angles_only(problem):
    x, labels = problem
    probe = Alignment(x, one_hot(labels, CLASSES))
    make_trainer([probe], epochs=1, feedback="bp").fit(problem)
    second = make_trainer([probe], epochs=1)
    (record,) = second.fit(problem)
    found = [record["angle_bp.0"], record["angle_bp.1"]]
    np.testing.assert_allclose(found, angles(second.net, x, one_hot(labels, CLASSES)), rtol=1e-4)
    assert [row["batch"] for row in probe.rows if row["layer"] == 0] == [0, 6, 0, 6]


def test_backprop_is_aligned_with_itself(problem):
    x, labels = problem
    probe = Alignment(x, one_hot(labels, CLASSES))
    make_trainer([probe], epochs=1, feedback="bp").fit(problem)
    assert max(row["angle_bp"] for row in probe.rows) < 0.1


def test_measuring_does_not_change_training(problem):
    x, labels = problem
    watched = make_trainer([Alignment(x, one_hot(labels, CLASSES), every=1)])
    plain = make_trainer([])
    watched.fit(problem)
    plain.fit(problem)
    assert_state(watched.net, plain.net.state_dict())
