"""Assignments: every public attribute of every public class is honoured or refused with advice."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import pkgutil
from unittest import mock

import fastfa as fa
import numpy as np
import pytest
from fastfa import callbacks, schedules
from fastfa.data import (
    DataFile,
    Dataset,
    DatasetInfo,
    Distortion,
    Normalised,
    Split,
    dataset_info,
)

X = np.random.default_rng(0).normal(size=(12, 4))
Y = np.abs(X[:, :2]) % 1


def network(feedback="fa", **options):
    layers = [fa.Dense(5, "tanh"), fa.Dropout(0.1), fa.Dense(3, "tanh"), fa.Dense(2)]
    return fa.Network(4, layers, feedback, **options)


def trainer(**options):
    options = {"epochs": 1, "progress": False, "batch_size": 4} | options
    return fa.Trainer(network(), options.pop("optimizer", fa.SGD(0.1)), **options)


def stepped():
    net = network()
    net.forward_step(X)
    return net


def split():
    return Split(X, np.arange(12), (1, 2, 2))


def comparison():
    histories = {"fa": {0: fa.History([{"epoch": 1, "test_error": 0.5, "seconds": 1.0}])}}
    names = {"contestants": ("fa",), "seeds": (0,), "base": "fa", "measure": "test_error"}
    return fa.Comparison(**names, histories=histories, diverged={"fa": {}}, angles=[])


def logger(kind, *arguments):
    with mock.patch("fastfa.trackers._import"):  # whether its package is there is no matter here
        return kind(*arguments)


# How to make one of each public class.
MADE = {
    fa.Network: network,
    fa.Ensemble: lambda: fa.Ensemble([network()]),
    fa.Trainer: trainer,
    fa.History: lambda: fa.History([{"epoch": 1}]),
    fa.Comparison: comparison,
    fa.Evaluation: lambda: network().evaluate(X, Y),
    fa.StepState: lambda: stepped().state,
    fa.DeviceArray: lambda: fa.DeviceArray(X, 0),
    fa.Dense: lambda: fa.Dense(3),
    fa.LocallyConnected2D: lambda: fa.LocallyConnected2D(3, 2),
    fa.Conv2D: lambda: fa.Conv2D(3, 2),
    fa.AvgPool2D: lambda: fa.AvgPool2D(2),
    fa.MaxPool2D: lambda: fa.MaxPool2D(2),
    fa.Dropout: lambda: fa.Dropout(0.5),
    fa.Feedback: lambda: fa.Feedback("uniform"),
    fa.NodePerturbation: lambda: fa.NodePerturbation(0.1),
    fa.WeightMirror: fa.WeightMirror,
    fa.SGD: lambda: fa.SGD(0.1),
    fa.Adam: lambda: fa.Adam(0.1),
    fa.Constant: fa.Constant,
    fa.Steps: lambda: fa.Steps({2: 0.1}),
    fa.Exponential: lambda: fa.Exponential(0.5),
    fa.Plateau: fa.Plateau,
    fa.Cosine: lambda: fa.Cosine(5),
    fa.Warmup: lambda: fa.Warmup(updates=5),
    fa.Alignment: lambda: fa.Alignment(X, Y),
    fa.AveragedWeights: lambda: fa.AveragedWeights(2),
    fa.BestWeights: fa.BestWeights,
    fa.CSVLogger: lambda: fa.CSVLogger("h.csv"),
    fa.JSONLLogger: lambda: fa.JSONLLogger("h.jsonl"),
    fa.EarlyStopping: fa.EarlyStopping,
    fa.Checkpoint: lambda: fa.Checkpoint("run.safetensors"),
    fa.TensorBoardLogger: lambda: logger(fa.TensorBoardLogger, "events"),
    fa.MLflowLogger: lambda: logger(fa.MLflowLogger, "sqlite:///none.db"),
    fa.metrics.LayerAlignment: lambda: fa.metrics.alignment(network(), X, Y)[0],
    Split: split,
    Dataset: lambda: Dataset("mine", split(), split(), 12, (1, 2, 2)),
    DataFile: lambda: dataset_info("mnist").files[0],
    DatasetInfo: lambda: dataset_info("mnist"),
    Distortion: Distortion,
    Normalised: lambda: fa.data.normalise(X),
}
# Why a public class isn't above.
OTHERS = {
    fa.Callback: "the user's to subclass, and to give attributes",
    fa.Schedule: "the user's to subclass",
    fa.layers.Layer: "a base of those above",
    fa.layers.Weighted: "a base of those above",
    fa.layers.Pooling: "a base of those above",
    fa.layers.layer.Stack: "a helper of Network",
    callbacks.BuiltIn: "a base of those above",
    callbacks.Writing: "a base of those above",
    fa.CheckpointError: "an exception",
    fa.DeviceError: "an exception",
    fa.DivergenceError: "an exception",
    fa.data.DatasetNotFound: "an exception",
    fa.data.FetchError: "an exception",
    fa.data.IdxError: "an exception",
}
# What may be assigned, and counts: see the tests below.
SETTINGS = {
    fa.Trainer: {
        "optimizer", "schedule", "batch_size", "epochs", "seed", "shuffle", "progress", "callbacks",
        "augment", "targets", "history", "epoch", "batch", "examples",
    },
    fa.History: {"records"},
}  # fmt: skip


def public_modules(package):
    """Those of fastfa, but for commands and for neighbours (sklearn, torch), whose rules are theirs."""
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        name = info.name.rpartition(".")[2]
        if name in ("cli", "interop", "sklearn") or name.startswith("_"):
            continue
        module = importlib.import_module(info.name)
        yield module
        if info.ispkg:
            yield from public_modules(module)


def public_classes():
    found = {}
    for module in public_modules(fa):
        for name, thing in vars(module).items():
            if inspect.isclass(thing) and thing.__module__ == module.__name__ and name[0] != "_":
                found[thing] = None
    for module in (fa, fa.data, fa.metrics):
        for name in getattr(module, "__all__", []):
            if inspect.isclass(getattr(module, name)):
                found[getattr(module, name)] = None
    return list(found)


def public(thing):
    return [name for name in dir(thing) if not name.startswith("_")]


def test_every_public_class_is_in_one_of_the_tables():
    """A new one must be added: to MADE, so that its attributes are tried, or to OTHERS with a reason."""
    for kind in public_classes():
        structural = issubclass(kind, BaseException) or getattr(kind, "_is_protocol", False)
        mixin = kind in fa.Network.__mro__  # Stepwise, OnDevice
        helper = kind.__module__.startswith(
            ("fastfa.checkpoint.", "fastfa.comparison.", "fastfa.data.", "fastfa.training.")
        )
        known = kind in MADE or kind in OTHERS or structural or mixin
        assert known or (helper and kind.__name__ not in fa.data.__all__), kind


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_every_public_attribute_is_honoured_or_refused_with_advice(kind):
    thing = MADE[kind]()
    names = public(thing)
    assert names
    for name in names:
        before = getattr(thing, name)
        if name in SETTINGS.get(kind, ()):
            setattr(thing, name, before)
            continue
        with pytest.raises(AttributeError) as caught:
            setattr(thing, name, None)
        if not issubclass(kind, tuple):  # Python's own words for those
            words = str(caught.value)
            assert name in words
            assert words.startswith(f"[{kind.__name__}]")
            assert ";" in words or ": " in words, f"no advice: {words}"
        with pytest.raises(AttributeError):
            delattr(thing, name)
        after = getattr(thing, name)
        if not callable(before) and name not in ("weights", "biases", "feedback_matrices", "state"):
            assert after is before or repr(after) == repr(before), name


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_an_unknown_attribute_is_refused_and_the_close_one_named(kind):
    thing = MADE[kind]()
    close = next(n for n in public(thing) if len(n) > 3 and n + "x" not in dir(thing))
    with pytest.raises(AttributeError) as caught:
        setattr(thing, close + "x", 3)
    if not issubclass(kind, tuple):
        assert f"did you mean {close!r}" in str(caught.value)


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_copies_are_whole_and_as_strict(kind):
    if kind is fa.DeviceArray:
        pytest.skip("refused: test_travel.py")
    again = copy.copy(MADE[kind]())
    repr(again)
    with pytest.raises(AttributeError):
        again.nothing_of_this_name = 3


def test_subclasses_may_have_attributes_of_their_own():
    class Net(fa.Network):
        def __init__(self):
            self.before = 1
            super().__init__(4, [fa.Dense(2)])
            self.mine = 2

    class Own(fa.Trainer):
        pass

    class Rate(fa.SGD):
        pass

    net = Net()
    net.mine = net.before = 5
    del net.before
    assert net.mine == 5
    with pytest.raises(AttributeError, match=r"\[Network\] loss can't be assigned"):
        net.loss = "cross_entropy"
    run = Own(net, fa.SGD(0.1), epochs=1)
    run.note = "x"
    run.epochs = 3
    assert (run.note, run.epochs) == ("x", 3)
    with pytest.raises(ValueError, match=r"\[Trainer\] epochs was 0"):
        run.epochs = 0
    rate = Rate(0.1)
    object.__setattr__(rate, "note", 1)
    with pytest.raises(AttributeError, match="lr can't be assigned"):
        rate.lr = 3


def test_what_a_loaded_network_has_is_what_it_was_made_with(tmp_path):
    """The assignments were saved, and a network of another loss came back."""
    net = network(seed=7)
    for name, value in {"loss": "cross_entropy", "seed": 8, "layers": net.layers[:1]}.items():
        with pytest.raises(AttributeError, match="make another Network"):
            setattr(net, name, value)
    fa.save(tmp_path / "net.st", net)
    again = fa.load(tmp_path / "net.st")
    assert (again.loss, again.seed, again.layers) == ("squared_error", 7, net.layers)


def test_steps_read_what_is_in_their_rates():
    schedule = fa.Steps({5: 0.5}, initial=1.0)
    schedule.rates[3] = 0.3
    assert [schedule.lr(epoch, fa.History()) for epoch in (2, 3, 5)] == [1.0, 0.3, 0.5]


# ---- arrays ------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["weights", "biases", "feedback_matrices"])
def test_assigning_to_an_entry_writes_into_the_network(part, rng):
    net, same = network(), network()
    before = net.forward(X)
    for i, array in enumerate(getattr(same, part)):
        new = rng.normal(size=array.shape)
        array[...] = new
        getattr(net, part)[i] = new
        getattr(net, part)[-1 - i].shape  # noqa: B018
    for mine, theirs in zip(getattr(net, part), getattr(same, part), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    if part == "feedback_matrices":
        deltas = zip(net.deltas(X, Y), same.deltas(X, Y), strict=True)
        assert all(np.array_equal(mine, theirs) for mine, theirs in deltas)
    else:
        assert not np.array_equal(net.forward(X), before)


def test_feedback_that_is_given_the_transpose_is_backprop():
    net = fa.Network(4, [fa.Dense(5, "tanh"), fa.Dense(2)], dtype="float64")
    net.feedback_matrices[0] = net.weights[1].T
    np.testing.assert_array_equal(net.deltas(X, Y)[0], net.deltas(X, Y, feedback="bp")[0])


def test_arithmetic_in_place_is_done_once_and_a_number_fills():
    net, same = network(), network()
    net.weights[0] *= 0.5
    same.weights[0][...] = same.weights[0] * np.float32(0.5)
    net.biases[-1] = 0.25
    np.testing.assert_array_equal(net.weights[0], same.weights[0])
    assert (net.biases[2] == 0.25).all()


def test_arrays_are_a_tuple_and_copies_of_them_are_apart():
    net = network()
    first, *rest = net.weights
    assert isinstance(net.weights, tuple)
    assert len(net.weights) == 3 == 1 + len(rest)
    assert len(net.weights + net.feedback_matrices) == 5
    copied = copy.deepcopy(net.weights)
    copied[0][...] = 0
    assert first.any()
    assert isinstance(net.shapes, tuple)
    assert isinstance(net.feedback_scales, tuple)
    assert isinstance(net.feedback_bytes, tuple)


@pytest.mark.parametrize(
    ("assign", "error", "words"),
    [
        (lambda n: n.weights.__setitem__(0, X), ValueError, r"weights\[0\] has shape \(12, 4\)"),
        (lambda n: n.weights.__setitem__(0, np.nan), ValueError, r"weights\[0\] has nan"),
        (lambda n: n.weights.__setitem__(0, None), TypeError, r"weights\[0\] was None"),
        (lambda n: n.weights.__setitem__(0, "a"), TypeError, r"weights\[0\] has dtype"),
        (lambda n: n.weights.__setitem__(0, X[:5] + 1j), (TypeError, ValueError), r"weights\[0\]"),
        (
            lambda n: n.weights.__setitem__(slice(2), [1, 2]),
            TypeError,
            "one array after another",
        ),
        (lambda n: n.weights.__setitem__(9, 0), IndexError, "index"),
        (lambda n: n.biases.__setitem__(0, 0), TypeError, "has no bias"),
        (lambda n: n.feedback_matrices.__setitem__(0, 0), ValueError, r"Feedback\('array'"),
    ],
)
def test_what_does_not_fit_an_entry_is_refused(assign, error, words):
    layers = [fa.Dense(5, "tanh", bias=False), fa.Dense(2)]
    net = fa.Network(4, layers, "bp")
    before = net.state_dict()
    with pytest.raises(error, match=words):
        assign(net)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


# ---- what is assigned to a trainer ---------------------------------------------------------------


def test_an_optimizer_assigned_after_a_fit_is_used_with_its_rate():
    run = trainer(optimizer=fa.SGD(0.1), epochs=2)
    run.fit((X, Y))
    run.optimizer = fa.Adam(0.001)
    run.fit((X, Y))
    assert run.history["lr"] == [0.1, 0.1, 0.001, 0.001]
    assert run.optimizer == fa.Adam(0.001)

    alone = fa.Trainer(network(), fa.SGD(0.1), epochs=2, progress=False, batch_size=4)
    alone.fit((X, Y))
    for epoch in (3, 4):
        order = fa.data.permutation(12, 0, epoch)
        alone.net.train_epoch(X, Y, fa.Adam(0.001), batch_size=4, order=order)
    np.testing.assert_array_equal(run.net.weights[0], alone.net.weights[0])


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (fa.Exponential(0.5), [0.1, 0.05, 0.001, 0.0005, 0.00025]),
        (fa.Plateau(patience=1, min_delta=0.99), [0.1, 0.1, 0.001, 0.001, 0.0001]),
        ({2: 0.05, 5: 0.02}, [0.1, 0.05, 0.001, 0.001, 0.02]),
        ({2: 0.05}, [0.1, 0.05, 0.001, 0.001, 0.001]),
        (lambda epoch: 1 / epoch, [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]),  # it says every epoch's itself
    ],
)
def test_an_assigned_optimizer_gives_the_schedule_a_new_start(schedule, rates, tmp_path):
    run = trainer(epochs=2, schedule=schedule)
    run.fit((X, Y))
    run.optimizer = fa.SGD(0.001)
    run.epochs = 3
    run.fit((X, Y))
    assert run.history["lr"] == pytest.approx(rates, rel=1e-12)
    if callable(schedule) and not isinstance(schedule, fa.Schedule):
        return
    fa.save(tmp_path / "run.st", run)
    again = fa.load(tmp_path / "run.st")
    fresh = trainer(epochs=2, optimizer=fa.SGD(0.001), schedule=run.schedule)
    fa.load(tmp_path / "run.st", into=fresh)
    for each in (again, run, fresh):
        each.epochs = 2
        each.fit((X, Y))
    assert again.history["lr"] == run.history["lr"] == fresh.history["lr"]


@pytest.mark.parametrize("schedule", [fa.Plateau(patience=2, min_delta=0.99), fa.Exponential(0.5)])
def test_an_optimizer_of_the_same_rate_leaves_the_schedule_alone(schedule):
    """A callback that changes the momentum before each epoch."""

    class Warm(fa.Callback):
        def on_epoch_begin(self, trainer, epoch):
            trainer.optimizer = dataclasses.replace(trainer.optimizer, momentum=0.1 * epoch)

    warm, plain = (trainer(epochs=5, schedule=schedule, callbacks=c) for c in ([Warm()], []))
    for run in (warm, plain):
        run.fit((X, Y))
    assert warm.history["lr"] == plain.history["lr"]
    assert len(set(warm.history["lr"])) > 1
    assert warm.optimizer.momentum == 0.5


def test_a_schedule_assigned_starts_at_the_rate_reached():
    run = trainer(epochs=2, schedule=fa.Exponential(0.5))
    run.fit((X, Y))
    run.schedule = fa.Exponential(0.1)
    run.fit((X, Y))
    run.schedule = {6: 0.7}
    run.fit((X, Y))
    assert run.history["lr"] == pytest.approx([0.1, 0.05, 0.05, 0.005, 0.005, 0.7])


class Assign(fa.Callback):
    """Does something to the trainer at a place of an epoch."""

    every = 2

    def __init__(self, at, epoch, what):
        self.at, self.epoch, self.what = at, epoch, what

    def _maybe(self, trainer, at):
        if at == self.at and trainer.epoch + 1 == self.epoch:
            self.what(trainer)

    def on_epoch_begin(self, trainer, epoch):
        self._maybe(trainer, "begin")

    def on_batches(self, trainer, batch):
        self._maybe(trainer, "batches")

    def on_epoch_end(self, trainer, record):
        self._maybe(trainer, "end")

    def on_epoch_done(self, trainer):
        if self.at == "done" and trainer.epoch == self.epoch:
            self.what(trainer)


def lower(trainer):
    trainer.optimizer = dataclasses.replace(trainer.optimizer, lr=0.001)


@pytest.mark.parametrize(
    ("at", "rates"),
    [
        ("begin", [0.1, 0.001, 0.001, 0.001]),
        ("batches", [0.1, 0.001, 0.001, 0.001]),  # that of the epoch's last batch
        ("end", [0.1, 0.1, 0.001, 0.001]),
        ("done", [0.1, 0.1, 0.001, 0.001]),
    ],
)
@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_a_rate_that_a_callback_sets_is_used_and_recorded(at, rates, decay):
    """12 examples in batches of 2: the callback looks after batches 2, 4 and 6 of an epoch."""
    schedule = fa.Exponential(decay, initial=0.1)
    run = trainer(epochs=4, batch_size=2, schedule=schedule, callbacks=[Assign(at, 2, lower)])
    run.fit((X, Y))
    if decay == 0.5:
        first = rates.index(0.001)
        rates = [0.1 * 0.5**k for k in range(first)] + [0.001 * 0.5**k for k in range(4 - first)]
    assert run.history["lr"] == pytest.approx(rates, rel=1e-12)


def test_a_rate_set_after_the_last_batch_is_the_next_epochs():
    run = trainer(epochs=2, batch_size=6, callbacks=[Assign("batches", 1, lower)])
    run.fit((X, Y))  # the callback's only look at an epoch is after its last batch
    assert run.history["lr"] == [0.1, 0.001]


def test_what_a_fit_has_read_cannot_be_assigned_while_it_runs():
    for name, value in {
        "epochs": 9, "seed": 4, "progress": True, "callbacks": (), "augment": None, "targets": (0, 1),
        "history": fa.History(), "epoch": 7, "batch": 3, "examples": 9,
    }.items():  # fmt: skip
        run = trainer(callbacks=[Assign("begin", 1, lambda t: setattr(t, name, value))])  # noqa: B023
        with pytest.raises(
            AttributeError, match=rf"\[Trainer\] {name} can't be assigned while fit"
        ):
            run.fit((X, Y))
        setattr(run, name, value)
        assert getattr(run, name) is value or getattr(run, name) == value


def test_every_setting_of_a_trainer_counts_from_the_next_fit_on():
    class Seen(fa.Callback):
        every = 1

        def __init__(self):
            self.batches = []

        def on_batches(self, trainer, batch):
            self.batches.append(batch)

    seen, made = Seen(), []

    def augment(x, shape, *, seed, epoch):
        made.append((seed, epoch))
        return x.copy()

    run = trainer()
    run.callbacks, run.batch_size, run.epochs, run.augment, run.seed = [seen], 3, 2, augment, 17
    run.shuffle = False
    run.epoch, run.batch = 5, 100
    run.history = fa.History([{"epoch": i, "lr": 0.1, "train_loss": 1.0} for i in range(1, 6)])
    run.fit((X, Y))
    assert run.history["epoch"] == [1, 2, 3, 4, 5, 6, 7]
    assert seen.batches == list(range(101, 109))
    assert made == [(17, 6), (17, 7)]
    same = network()
    for _ in range(2):
        same.train_epoch(X, Y, fa.SGD(0.1), batch_size=3)
    np.testing.assert_array_equal(run.net.weights[0], same.weights[0])
    with pytest.raises(TypeError, match=r"\[Trainer\] optimizer was 0.1"):
        run.optimizer = 0.1
    with pytest.raises(TypeError, match=r"\[Trainer\] callbacks\[0\] was 3"):
        run.callbacks = [3]
    with pytest.raises(TypeError, match=r"\[Trainer\] history was \[\]"):
        run.history = []
    with pytest.raises(TypeError, match=r"\[History\] records was 3; it must be a list of dicts"):
        run.history.records = 3


def test_a_callbacks_every_is_looked_at_when_fit_begins():
    watch = Assign("never", 1, None)
    run = trainer(callbacks=[watch])
    watch.every = 0
    with pytest.raises(ValueError, match=r"callbacks\[0\].every was 0"):
        run.fit((X, Y))
    assert run.net.steps == 0


def test_the_names_of_schedules_are_those_of_the_package():
    """Each schedule takes up a rate that is assigned; a new one that doesn't would fail here."""
    for name in fa.__all__:
        kind = getattr(fa, name)
        if not (inspect.isclass(kind) and issubclass(kind, fa.Schedule)) or kind is fa.Schedule:
            continue
        schedule, after = schedules.restarted(MADE[kind]().starting_at(0.5), 0.125, 7)
        assert schedule.lr(8 - after, fa.History()) == 0.125, name
