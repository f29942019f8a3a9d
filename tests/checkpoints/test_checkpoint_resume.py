"""A resumed run equals the uninterrupted one in every bit, from any epoch, in a fresh process."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import checkpoint_cases as cases
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
from fastfa.checkpoint.describe import build, describe
from fastfa.optim import OPTIMIZERS

RESUME = """
import json, sys
import checkpoint_cases as cases
import fastfa as fa
fa.set_num_threads({threads})
found = {{}}
for name in cases.CASES:
    # from the last epoch down: a run writes the files of the epochs after it anew
    for epoch in reversed(range(1, cases.EPOCHS + 1)):
        found[name + " from " + str(epoch)] = cases.resumed(name, {folder!r}, epoch)
print(json.dumps(found))
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_every_kind_of_run_resumed_in_a_fresh_process_ends_in_the_same_bits(
    tmp_path, run_python, restore_threads, threads
):
    fa.set_num_threads(3 - threads)
    expected = {}
    for name in cases.CASES:
        whole = cases.trainer(name)
        whole.fit(cases.examples(), 0.2)
        whole.callbacks = (fa.Checkpoint(f"{tmp_path}/{name}-{{epoch}}.safetensors"),)
        saved = cases.trainer(name, whole.callbacks)
        saved.fit(cases.examples(), 0.2)
        digest = cases.digest(whole)
        assert cases.digest(saved) == digest, f"{name}: saving changed the run"
        for epoch in range(1, cases.EPOCHS + 1):
            expected[f"{name} from {epoch}"] = digest
    out = run_python(RESUME.format(threads=threads, folder=str(tmp_path)), timeout=300)
    assert json.loads(out) == expected


def test_sgd_is_described_as_before_it_had_nesterov():
    """So files of then and of now are those of the same trainer."""
    assert describe(fa.SGD(0.1)).keys() == {"kind", "lr", "momentum", "weight_decay", "reduction"}
    for optimizer in (fa.SGD(0.1), fa.SGD(0.1, momentum=0.5, nesterov=True), fa.RMSprop(0.1)):
        assert build(describe(optimizer), *OPTIMIZERS) == optimizer


def test_the_digest_sees_a_single_bit():
    run = cases.trainer("momentum", epochs=1)
    run.fit(cases.examples())
    before = cases.digest(run)
    velocity = run.net._net.memory("weights", 1, 0)
    velocity[0, 0] = np.nextafter(velocity[0, 0], 1)
    assert cases.digest(run) != before


def test_a_loaded_network_goes_on_stepwise_as_the_saved_one(tmp_path):
    run = cases.trainer("kolen-pollack adam", epochs=1)
    run.fit(cases.examples())
    fa.save(tmp_path / "net.safetensors", run.net)
    again = fa.load(tmp_path / "net.safetensors")
    assert repr(again) == repr(run.net)
    x, labels = cases.examples()
    y = fa.data.one_hot(labels, cases.CLASSES)
    for _ in range(5):
        assert again.step(x, y, fa.Adam(0.01)) == run.net.step(x, y, fa.Adam(0.01))
    assert cases.digest(again) == cases.digest(run.net)


def test_switching_feedback_away_and_back_is_the_same_after_loading(tmp_path):
    net = cases.trainer("array").net
    fa.save(tmp_path / "net.safetensors", net)
    again = fa.load(tmp_path / "net.safetensors")
    for each in (net, again):
        own = each.feedback
        each.set_feedback("bp")
        each.set_feedback(own)
    np.testing.assert_array_equal(again.feedback_matrices[0], net.feedback_matrices[0])
    np.testing.assert_array_equal(again.feedback[0].array, net.feedback[0].array)


def test_velocities_set_to_zero_by_new_feedback_are_saved_as_zeros(tmp_path):
    run = cases.trainer("kolen-pollack", epochs=1)
    run.fit(cases.examples())
    run.net.set_feedback("kp")
    fa.save(tmp_path / "net.safetensors", run.net)
    again = fa.load(tmp_path / "net.safetensors")
    assert cases.digest(again) == cases.digest(run.net)


SIZES = [30, 20, 10]


def ensemble(kind):
    """Networks that go through the lanes of a vector together, or each on its own."""
    rules = ["fa"] * 5 if kind == "lanes" else ["fa", "kp", "brsf", "dfa", fa.NodePerturbation(0.1)]
    return fa.Ensemble(
        [
            fa.Network(SIZES[0], [fa.Dense(SIZES[1], "tanh"), fa.Dense(SIZES[2])], rule, seed=i)
            for i, rule in enumerate(rules)
        ]
    )


@pytest.mark.parametrize("kind", ["lanes", "mixed"])
def test_a_loaded_ensemble_goes_on_in_the_same_bits(tmp_path, kind, rng):
    x = rng.normal(size=(50, SIZES[0]))
    y = x[:, : SIZES[2]]
    momentum = 0.0 if kind == "lanes" else 0.5
    together = ensemble(kind)
    for epoch in range(4):
        if epoch == 2:
            fa.save(tmp_path / "many.safetensors", together)
        together.train_epoch(x, y, fa.SGD(0.01, momentum=momentum), batch_size=1)
    again = fa.load(tmp_path / "many.safetensors")
    for _ in range(2):
        again.train_epoch(x, y, fa.SGD(0.01, momentum=momentum), batch_size=1)
    assert cases.digest(again) == cases.digest(together)
    fresh = fa.load(tmp_path / "many.safetensors", into=ensemble(kind))
    for _ in range(2):
        fresh.train_epoch(x, y, fa.SGD(0.01, momentum=momentum), batch_size=1)
    assert cases.digest(fresh) == cases.digest(together)


PAGE = Path(__file__).resolve().parents[2] / "docs" / "checkpoints.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the tests are not beside the repository's docs")
def test_the_examples_in_the_docs_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for example in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S):
        exec(compile(example, str(PAGE), "exec"), names)
    assert capsys.readouterr().out.strip() in PAGE.read_text(encoding="utf-8")


# ---- callbacks ---------------------------------------------------------------------------------


class Interrupt(Callback):
    """Ends the process's training in the middle of an epoch, as Ctrl-C does."""

    def __init__(self, at):
        self.at, self.every = at, 1

    def on_batches(self, trainer, batch):
        if batch == self.at:
            raise KeyboardInterrupt


def all_callbacks(folder, name):
    x, labels = cases.examples()
    return [
        AveragedWeights(2),
        EarlyStopping(patience=2, min_delta=0.5),
        BestWeights("validation_loss"),
        Alignment(x[:9], fa.data.one_hot(labels[:9], cases.CLASSES), every=4),
        CSVLogger(folder / f"{name}.csv"),
        JSONLLogger(folder / f"{name}.jsonl"),
        fa.Checkpoint(folder / f"{name}.safetensors"),
    ]


@pytest.mark.parametrize("at", [9, 12, 15])
def test_what_callbacks_keep_goes_on_after_an_interruption(tmp_path, at):
    """EarlyStopping ends the run after epoch 3, and the weights of epoch 1 come back."""
    data = cases.examples()
    whole = cases.trainer("momentum", all_callbacks(tmp_path, "whole"))
    whole.fit(data, 0.2, test=data)
    assert whole.epoch == 3
    assert whole.callbacks[1].best.epoch == 1

    cut = cases.trainer("momentum", [*all_callbacks(tmp_path, "cut"), Interrupt(at)])
    with pytest.raises(KeyboardInterrupt):
        cut.fit(data, 0.2, test=data)
    ended = fa.Trainer.resume(tmp_path / "cut.safetensors", data, 0.2, data, into=fresh(tmp_path))
    assert ended.callbacks[1].stopped_epoch == 3
    assert ended.callbacks[3].rows[-1]["batch"] == whole.callbacks[3].rows[-1]["batch"]
    assert kept_by_callbacks(ended) == kept_by_callbacks(whole)
    assert cases.digest(ended.net) == cases.digest(whole.net)
    for mine, theirs in zip(ended.history, whole.history, strict=True):
        assert cases.without_times(mine) == cases.without_times(theirs)
    read = fa.History.from_jsonl(tmp_path / "cut.jsonl").records
    assert [record["epoch"] for record in read] == [1, 2, 3]
    assert len((tmp_path / "cut.csv").read_text().splitlines()) == 4


def fresh(folder):
    return cases.trainer("momentum", all_callbacks(folder, "cut"))


def kept_by_callbacks(run):
    content, tensors = cases.described("", run)
    states = [each["state"] for each in cases.without_times(content)["trainer"]["callbacks"]]
    return states, {n: a.tobytes() for n, a in tensors.items() if n.startswith("callbacks.")}


def test_callbacks_of_fastfa_are_made_again_without_the_users_code(tmp_path):
    run = cases.trainer("momentum", all_callbacks(tmp_path, "run"))
    run.fit(cases.examples(), 0.2)
    before = (tmp_path / "run.csv").read_bytes()
    (tmp_path / "run.csv").unlink()
    again = fa.load(tmp_path / "run.safetensors")
    assert not (tmp_path / "run.csv").exists()  # loading writes nothing
    assert [type(c) for c in again.callbacks] == [type(c) for c in run.callbacks]
    assert again.callbacks[1].best.value == run.callbacks[1].best.value
    assert again.callbacks[3].rows[0].keys() == run.callbacks[3].rows[0].keys()
    ended = fa.Trainer.resume(tmp_path / "run.safetensors", cases.examples(), 0.2)
    assert (tmp_path / "run.csv").read_bytes() == before
    assert ended.epoch == run.epoch  # it had stopped early, and stays so


class Counter(Callback):
    """A callback of a user's, with state."""

    def __init__(self):
        self.epochs = 0

    def on_epoch_end(self, trainer, record):
        self.epochs += 1

    def state_dict(self):
        return {"epochs": self.epochs}

    def load_state_dict(self, state):
        self.epochs = state["epochs"]


def rate(epoch):
    return 0.1 / epoch


def blurred(X, shape, *, seed, epoch):
    return X * X.dtype.type(0.9)


@pytest.mark.parametrize("part", ["schedule", "augment", "callback"])
def test_a_users_own_code_is_named_and_must_be_given_again(tmp_path, part):
    file, data = tmp_path / "own.safetensors", cases.examples()

    def made(callbacks=()):
        run = cases.trainer("momentum", callbacks)
        if part == "schedule":
            run = fa.Trainer(run.net, run.optimizer, epochs=4, schedule=rate, callbacks=callbacks)
        if part == "augment":
            run.augment = blurred
        if part == "callback":
            run.callbacks = (*callbacks, Counter())
        run.progress = False
        return run

    whole = made()
    whole.fit(data)
    made([fa.Checkpoint(tmp_path / "{epoch}.safetensors")]).fit(data)
    os.rename(tmp_path / "2.safetensors", file)
    name = {"schedule": "rate", "augment": "blurred", "callback": "Counter"}[part]
    with pytest.raises(ValueError, match=rf"\[fit\] .* can't hold its .*{name}.*into="):
        fa.Trainer.resume(file, data)
    assert fa.load(file).net.steps > 0
    ended = fa.Trainer.resume(file, data, into=made())
    assert cases.digest(ended.net) == cases.digest(whole.net)
    if part == "callback":
        assert ended.callbacks[-1].epochs == 4


def test_what_is_missing_is_told_before_what_its_absence_makes_wrong(tmp_path):
    class Score(Callback):
        def on_epoch_end(self, trainer, record):
            record["score"] = 1.0

    run = cases.trainer("momentum", [CSVLogger(tmp_path / "h.csv"), Score(), BestWeights("score")])
    run.fit(cases.examples())
    fa.save(tmp_path / "run.st", run)
    (tmp_path / "h.csv").unlink()
    with pytest.raises(
        ValueError, match=r"\[fit\] .* can't hold its callback .*Score; make a trainer"
    ):
        fa.Trainer.resume(tmp_path / "run.st", cases.examples(), epochs=6)
    assert not (tmp_path / "h.csv").exists()


# ---- where a run goes on -----------------------------------------------------------------------


def test_a_finished_run_is_left_alone_or_prolonged(tmp_path):
    file, data = tmp_path / "run.safetensors", cases.examples()
    whole = cases.trainer("plateau", epochs=6)
    whole.fit(data)
    short = cases.trainer("plateau", epochs=4)
    short.fit(data)
    fa.save(file, short)
    same = fa.Trainer.resume(file, data)
    assert cases.digest(same) == cases.digest(short)
    assert same.epoch == 4
    longer = fa.Trainer.resume(file, data, epochs=6)
    assert cases.digest(longer.net) == cases.digest(whole.net)
    with pytest.raises(ValueError, match=r"\[resume\] epochs was 3"):
        fa.Trainer.resume(file, data, epochs=3)


def test_other_examples_are_refused(tmp_path):
    file = tmp_path / "run.safetensors"
    x, labels = cases.examples()
    cases.trainer("momentum", [fa.Checkpoint(file)]).fit((x, labels), 0.2)
    before = file.read_bytes()
    other = x.copy()
    other[3, 3] += 1
    with pytest.raises(ValueError, match=r"\[resume\] train was 36 examples with mark"):
        fa.Trainer.resume(file, (other, labels), 0.2)
    with pytest.raises(ValueError, match=r"\[resume\] validation was not given"):
        fa.Trainer.resume(file, (x, labels))
    with pytest.raises(ValueError, match=r"\[resume\] test was given"):
        fa.Trainer.resume(file, (x, labels), 0.2, (x, labels))
    assert file.read_bytes() == before


def test_checkpoint_saves_every_few_epochs_and_the_last(tmp_path):
    cases.trainer("momentum", [fa.Checkpoint(tmp_path / "{epoch}.st", every=2)], epochs=5).fit(
        cases.examples()
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.st", "4.st", "5.st"]
    assert fa.load(tmp_path / "4.st").epoch == 4


def test_a_loaded_trainer_fits_anew_like_the_saved_one(tmp_path):
    run = cases.trainer("exponential")
    run.fit(cases.examples())
    fa.save(tmp_path / "run.safetensors", run)
    again = fa.load(tmp_path / "run.safetensors")
    for each in (run, again):
        each.fit(cases.examples())
    assert again.epoch == 8
    assert cases.digest(again) == cases.digest(run)


def test_saving_in_the_middle_of_an_epoch_is_refused(tmp_path):
    class Early(Callback):
        every = 3

        def on_batches(self, trainer, batch):
            fa.save(tmp_path / "net.st", trainer.net)
            fa.save(tmp_path / "run.st", trainer)

    run = cases.trainer("momentum", [Early()])
    with pytest.raises(fa.CheckpointError, match="in the middle of epoch 1; it must be between"):
        run.fit(cases.examples())
    assert [path.name for path in tmp_path.iterdir()] == ["net.st"]
    with pytest.raises(fa.CheckpointError, match="in the middle of epoch 1"):
        fa.save(tmp_path / "run.st", run)  # resuming it would train that part of the epoch twice
    run.callbacks = ()
    run.fit(cases.examples())
    fa.save(tmp_path / "run.st", run)


def test_a_trainer_that_was_interrupted_is_one_again_when_a_checkpoint_is_loaded(tmp_path):
    whole, run = cases.trainer("momentum"), cases.trainer("momentum", [Interrupt(15)])
    fa.save(tmp_path / "start.st", run)
    with pytest.raises(KeyboardInterrupt):
        run.fit(cases.examples())
    fa.load(tmp_path / "start.st", into=run)
    fa.save(tmp_path / "again.st", run)
    run.callbacks = ()
    for each in (run, whole):
        each.fit(cases.examples())
    assert cases.digest(run) == cases.digest(whole)


def test_a_trainer_that_cannot_be_saved_is_told_before_it_trains(tmp_path):
    run = cases.trainer("momentum", [fa.Checkpoint(tmp_path / "none" / "run.st")])
    with pytest.raises(fa.CheckpointError, match="there is no folder"):
        run.fit(cases.examples())
    assert run.net.steps == 0
    with pytest.raises(ValueError, match=r"\[Checkpoint\] path was .*braces"):
        fa.Checkpoint("run-{step}.st")
    with pytest.raises(ValueError, match=r"\[Checkpoint\] every was 0"):
        fa.Checkpoint("run.st", every=0)
