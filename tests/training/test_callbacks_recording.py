"""Callbacks that record: CSV and JSON lines, and the angles on the way."""

from __future__ import annotations

import csv
import types
import warnings

import fastfa as fa
import numpy as np
import pytest
from callback_cases import CLASSES, assert_state, make_trainer
from fastfa.callbacks import Alignment, Callback, CSVLogger, EarlyStopping, JSONLLogger
from fastfa.data import one_hot
from fastfa.history import History

# ---- loggers -------------------------------------------------------------------------------------


def test_loggers_write_each_epoch_at_once(noise, tmp_path):
    lines = []

    class Count(Callback):
        def on_epoch_end(self, trainer, record):
            texts = [(tmp_path / name).read_text() for name in ("h.csv", "h.jsonl")]
            lines.append([len(text.splitlines()) for text in texts])

    loggers = [CSVLogger(tmp_path / "h.csv"), JSONLLogger(tmp_path / "h.jsonl")]
    make_trainer([*loggers, Count()], epochs=3).fit(noise)
    assert lines == [[2, 1], [3, 2], [4, 3]]


def test_loggers_write_what_the_history_holds_over_two_fits(noise, tmp_path):
    for name in ("h.csv", "h.jsonl"):  # of an earlier run: replaced
        (tmp_path / name).write_text("old\n")
    trainer = make_trainer([CSVLogger(tmp_path / "h.csv"), JSONLLogger(tmp_path / "h.jsonl")])
    trainer.fit(noise)
    history = trainer.fit(noise)
    assert History.from_jsonl(tmp_path / "h.jsonl").records == history.records
    history.to_csv(tmp_path / "whole.csv")
    assert (tmp_path / "h.csv").read_text() == (tmp_path / "whole.csv").read_text()


def test_a_csv_gets_a_column_that_comes_later(noise, tmp_path):
    class Late(Callback):
        def on_epoch_end(self, trainer, record):
            if record["epoch"] == 2:
                record["extra"] = 7

    make_trainer([Late(), CSVLogger(tmp_path / "h.csv")], epochs=3).fit(noise)
    with open(tmp_path / "h.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["extra"] for row in rows] == ["", "7", ""]


def test_a_logger_in_a_missing_folder_fails_before_training(noise, tmp_path):
    for logger in (CSVLogger(tmp_path / "no" / "h.csv"), JSONLLogger(tmp_path / "no" / "h.jsonl")):
        trainer = make_trainer([logger])
        with pytest.raises(FileNotFoundError):
            trainer.fit(noise)
        assert trainer.net.steps == 0
        trainer.callbacks = ()
        fa.save(tmp_path / "untouched.safetensors", trainer)


@pytest.mark.parametrize(("kind", "name"), [(CSVLogger, "h.csv"), (JSONLLogger, "h.jsonl")])
def test_a_fit_that_is_refused_leaves_the_old_file(noise, tmp_path, kind, name):
    (tmp_path / name).write_text("old\n")
    with pytest.raises(ValueError, match="no validation set"):
        make_trainer([kind(tmp_path / name), EarlyStopping()]).fit(noise)
    assert (tmp_path / name).read_text() == "old\n"


# ---- alignment -----------------------------------------------------------------------------------


def test_alignment_is_measured_before_on_the_way_and_at_each_epochs_end(noise):
    x, labels = noise
    probe = Alignment(x[:20], one_hot(labels[:20], CLASSES), every=4)
    make_trainer([probe], epochs=2).fit(noise)  # 6 batches an epoch
    places = [(row["epoch"], row["batch"]) for row in probe.rows if row["layer"] == 0]
    assert places == [(0, 0), (1, 4), (1, 6), (2, 8), (2, 12)]
    assert [row["layer"] for row in probe.rows] == [0, 1] * 5


def test_alignment_counts_examples_whatever_the_size_of_a_batch(noise):
    x, labels = noise
    probe = Alignment(x[:20], one_hot(labels[:20], CLASSES), every=2)
    make_trainer([probe], epochs=2).fit((x[:25], labels[:25]))  # batches of 10, 10 and 5
    seen = [(row["batch"], row["examples"]) for row in probe.rows if row["layer"] == 0]
    assert seen == [(0, 0), (2, 20), (3, 25), (4, 35), (6, 50)]


def test_alignment_rows_are_what_the_metric_says(noise):
    x, labels = noise
    y = one_hot(labels, CLASSES)
    probe = Alignment(x, y)
    trainer = make_trainer([probe], epochs=1)
    expected_before = [angles(trainer.net, x, y)]
    trainer.fit(noise)
    rows = np.array([row["angle_bp"] for row in probe.rows]).reshape(2, 2)
    np.testing.assert_allclose(rows, [*expected_before, angles(trainer.net, x, y)], rtol=1e-4)


def angles(net, x, y):
    """Mean angle of each hidden layer's deltas to backprop's, straight from the definition."""
    pairs = list(zip(net.deltas(x, y)[:-1], net.deltas(x, y, feedback="bp")[:-1], strict=True))
    cosines = [
        (u * v).sum(1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1) for u, v in pairs
    ]
    return [np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean() for cosine in cosines]


def test_alignment_writes_each_layers_mean_over_the_epoch_into_the_record(noise):
    x, labels = noise
    probe = Alignment(x, one_hot(labels, CLASSES), every=2)
    history = make_trainer([probe], epochs=2).fit(noise)
    for epoch, record in enumerate(history, start=1):
        for layer in (0, 1):
            taken = [
                row["angle_bp"]
                for row in probe.rows
                if row["epoch"] == epoch and row["layer"] == layer
            ]
            assert len(taken) == 3
            assert record[f"angle_bp.{layer}"] == pytest.approx(np.mean(taken))


def test_what_is_undefined_in_a_measurement_is_left_out_of_the_mean_and_said(noise, monkeypatch):
    """One NaN row made an epoch's mean NaN."""
    x, labels = noise
    values = iter([30.0, 40.0, np.nan, np.nan, 60.0, np.nan])  # of two layers, three times

    def measured(net, *probe, **how):
        return [types.SimpleNamespace(angle_bp=next(values)) for _ in range(2)]

    monkeypatch.setattr(fa.metrics, "alignment", measured)
    probe = Alignment(x, one_hot(labels, CLASSES), every=5, measures=["angle_bp"])
    probe._measured_at = -1
    trainer = make_trainer([probe], epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (record,) = trainer.fit(noise)
    # before training; after batch 5; at the epoch's end: the first is in no epoch
    assert (record["angle_bp.0"], record["angle_bp.0.defined"]) == (60.0, 1)
    assert np.isnan(record["angle_bp.1"])
    assert "angle_bp.1.defined" not in record


def test_a_second_trainers_records_have_its_own_angles_only(noise):
    x, labels = noise
    probe = Alignment(x, one_hot(labels, CLASSES))
    make_trainer([probe], epochs=1, feedback="bp").fit(noise)
    second = make_trainer([probe], epochs=1)
    (record,) = second.fit(noise)
    found = [record["angle_bp.0"], record["angle_bp.1"]]
    np.testing.assert_allclose(found, angles(second.net, x, one_hot(labels, CLASSES)), rtol=1e-4)
    assert [row["batch"] for row in probe.rows if row["layer"] == 0] == [0, 6, 0, 6]


def test_backprop_is_aligned_with_itself(noise):
    x, labels = noise
    probe = Alignment(x, one_hot(labels, CLASSES))
    make_trainer([probe], epochs=1, feedback="bp").fit(noise)
    assert max(row["angle_bp"] for row in probe.rows) < 0.1


def test_measuring_does_not_change_training(noise):
    x, labels = noise
    watched = make_trainer([Alignment(x, one_hot(labels, CLASSES), every=1)])
    plain = make_trainer([])
    watched.fit(noise)
    plain.fit(noise)
    assert_state(watched.net, plain.net.state_dict())
