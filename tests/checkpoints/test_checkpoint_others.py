"""Checkpoints of somebody else: what they may do, and what needs the caller's consent."""

from __future__ import annotations

import os
from unittest import mock

import capi
import fastfa as fa
import numpy as np
import pytest
from checkpoint_cases import small
from safetensors.numpy import load_file, save_file


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


@pytest.mark.parametrize("how", ["c", "safetensors"])
def test_arrays_without_a_description_go_through_load_state_dict(path, how):
    net = small("fa")
    if how == "c":
        twin = capi.Network(
            2, [capi.Layer(units=3, activation=b"tanh"), capi.Layer(units=2)],
            [capi.Feedback(matrix=b"uniform")],
        )  # fmt: skip
        assert twin.call("save", os.fsencode(path)) == 0, capi.last_error()
    else:
        save_file(net.state_dict(), path)
    with pytest.raises(fa.CheckpointError, match=r"without its description.*net.load_state_dict\("):
        fa.load(path)
    net.load_state_dict(load_file(path))


DATA = np.eye(2), np.eye(2)


def writing(folder):
    """One of each callback that writes, beside a checkpoint elsewhere."""
    folder.mkdir(exist_ok=True)
    return {
        "CSVLogger": fa.CSVLogger(folder / "victim.csv"),
        "JSONLLogger": fa.JSONLLogger(folder / "victim.jsonl"),
        "Checkpoint": fa.Checkpoint(folder / "victim.safetensors"),
        "Checkpoints": fa.Checkpoint(folder / "victim-{epoch:03d}.safetensors"),
    }


def saved(path, *callbacks):
    run = fa.Trainer(small("fa"), fa.SGD(0.1), epochs=1, callbacks=callbacks, progress=False)
    fa.save(path, run)


@pytest.mark.parametrize("kind", ["CSVLogger", "JSONLLogger", "Checkpoint", "Checkpoints"])
def test_a_file_names_no_place_outside_its_folder_without_consent(tmp_path, kind):
    run, home = tmp_path / "run", tmp_path / "home"
    run.mkdir()
    path = run / "from somebody.safetensors"
    callback = writing(home)[kind]
    saved(path, fa.CSVLogger(run / "first.csv"), callback)
    victim = home / os.path.basename(callback.path).format(epoch=0)
    victim.write_text("precious")
    with pytest.raises(ValueError, match="comes from a checkpoint") as caught:
        fa.Trainer.resume(path, DATA, epochs=2)
    told = str(caught.value)
    assert told.startswith(
        f"[fit] {kind.removesuffix('s')} comes from a checkpoint in {run} and writes"
    )
    assert str(home) in told
    assert "write_outside=True" in told
    assert victim.read_text() == "precious"
    assert os.listdir(home) == [victim.name]
    assert os.listdir(run) == [path.name]  # not even what it may write, of what comes before
    loaded = fa.load(path)  # it can be looked at, and its network used
    assert type(loaded.callbacks[1]) is type(callback)
    assert loaded.net.forward(DATA[0]).shape == (2, 2)
    with pytest.raises(ValueError, match="write_outside=True"):
        loaded.fit(DATA)
    assert victim.read_text() == "precious"
    for trusted in (
        fa.load(path, write_outside=True),
        fa.Trainer.resume(path, DATA, epochs=2, write_outside=True),
    ):
        trusted.fit(DATA)
    assert len(os.listdir(home)) >= 1
    assert any(entry.read_bytes() != b"precious" for entry in home.iterdir())
    loaded.callbacks = ()
    loaded.fit(DATA)


def test_events_for_tensorboard_need_consent_too(tmp_path):
    (tmp_path / "run").mkdir()
    path, events = tmp_path / "run" / "run.safetensors", tmp_path / "events"
    with mock.patch("fastfa.trackers._import"):  # whether tensorboard is there is no matter here
        saved(path, fa.TensorBoardLogger(events))
        with pytest.raises(ValueError, match=r"\[fit\] TensorBoardLogger comes from a checkpoint"):
            fa.Trainer.resume(path, DATA, epochs=2)
    assert not events.exists()


def test_the_ways_out_of_a_folder(tmp_path, monkeypatch):
    """By .., by a link, by a path that is relative to somewhere else, by a link that an epoch names."""
    run, home = tmp_path / "run", tmp_path / "home"
    run.mkdir(), home.mkdir(), (tmp_path / "run-2").mkdir()
    path = run / "run.safetensors"
    (run / "link.csv").symlink_to(home / "victim.csv")
    (run / "folder").symlink_to(home)
    monkeypatch.chdir(home)
    for name in (
        run / ".." / "home" / "a.csv", run / "link.csv", run / "folder" / "a.csv", "a.csv",
        tmp_path / "run-2" / "a.csv", "../home/a.csv",
    ):  # fmt: skip
        saved(path, fa.CSVLogger(name))
        with pytest.raises(ValueError, match=r"\[fit\] CSVLogger comes from a checkpoint"):
            fa.Trainer.resume(path, DATA, epochs=2)
    assert os.listdir(home) == []
    (run / "2").symlink_to(home)
    (run / "1").mkdir()
    (run / "0").mkdir()
    saved(path, fa.Checkpoint(run / "{epoch}" / "a.st"))
    with pytest.raises(ValueError, match=r"\[fit\] Checkpoint comes from .*/2/a.st"):
        fa.Trainer.resume(path, DATA, epochs=2)
    assert os.listdir(home) == []


def test_a_folder_that_was_moved_or_is_named_by_a_link_is_its_own(tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "link").symlink_to(run)
    path = run / "run.safetensors"
    (run / "logs").mkdir()
    saved(path, fa.CSVLogger(tmp_path / "link" / "h.csv"), fa.JSONLLogger(run / "logs" / "h.jsonl"))
    fa.Trainer.resume(tmp_path / "link" / "run.safetensors", DATA, epochs=1)
    monkeypatch.chdir(run)
    saved("run.safetensors", fa.CSVLogger("new.csv"), fa.Checkpoint("run.safetensors"))
    fa.Trainer.resume("run.safetensors", DATA, epochs=2)
    assert {"h.csv", "new.csv"} <= set(os.listdir(run))


def test_what_is_loaded_into_a_trainer_of_ones_own_writes_where_that_says(tmp_path):
    run, home = tmp_path / "run", tmp_path / "home"
    run.mkdir()
    path = run / "run.safetensors"
    saved(path, *writing(home).values())
    mine = list(writing(home).values())
    own = fa.Trainer(small("fa"), fa.SGD(0.1), epochs=1, callbacks=mine, progress=False)
    fa.Trainer.resume(path, DATA, epochs=1, into=own)
    assert "victim.csv" in os.listdir(home)
    with pytest.raises(TypeError, match=r"\[load\] write_outside was 'yes'"):
        fa.load(path, write_outside="yes")


def test_a_path_that_would_take_gigabytes_is_refused(tmp_path):
    for name in ("{epoch:9999999999}", "{epoch.real}", "{epoch!r:>1000}", "{epoch[0]}", "{"):
        with pytest.raises(ValueError, match=r"\[Checkpoint\] path was .*braces in it must be"):
            fa.Checkpoint(tmp_path / name)
