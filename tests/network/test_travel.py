"""Networks, trainers and estimators by copy and pickle: they arrive whole, go on in the same bits."""

from __future__ import annotations

import copy
import pickle
import threading

import checkpoint_cases as cases
import fastfa as fa
import numpy as np
import pytest
from devices import emulated
from fastfa.checkpoint import network as checkpoint
from fastfa.data import DatasetNotFound, FetchError, IdxError
from public_classes import MADE

WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "protocol 0": lambda thing: pickle.loads(pickle.dumps(thing, 0)),
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)

X = np.random.default_rng(0).normal(size=(30, 4))
Y = np.random.default_rng(1).normal(size=(30, 2))
MOMENTUM = fa.SGD(0.05, momentum=0.9)


def network(feedback="fa", **options):
    layers = [fa.Dense(6, "tanh"), fa.Dense(5, "tanh"), fa.Dense(2)]
    return fa.Network(4, layers, feedback, seed=3, **options)


def assert_same(one, other):
    for name, array in one.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array, err_msg=name)
    assert other.steps == one.steps


class Mirror:
    """Feedback of a user's that has state: it counts, and what it sends depends on that."""

    def __init__(self):
        self.matrix, self.calls = np.random.default_rng(2).normal(size=(5, 2)), 0

    def propagate(self, delta):
        self.calls += 1
        return delta @ self.matrix.T / self.calls


@every_way
@pytest.mark.parametrize("name", cases.CASES)
def test_a_copied_trainer_goes_on_in_the_same_bits(name, way):
    trainer = cases.trainer(name, epochs=2)
    trainer.fit(cases.examples(), 0.2)
    halfway = cases.digest(trainer)
    other = way(trainer)
    trainer.fit(cases.examples(), 0.2)
    assert cases.digest(other) == halfway != cases.digest(trainer)  # nothing is shared
    other.fit(cases.examples(), 0.2)
    assert cases.digest(other) == cases.digest(trainer)


@every_way
def test_what_callbacks_have_seen_goes_along(way, tmp_path):
    kept = [fa.Alignment(X, Y), fa.BestWeights("train_loss", restore=False)]
    kept += [fa.EarlyStopping("train_loss"), fa.AveragedWeights(1), fa.CSVLogger(tmp_path / "a")]
    trainer = fa.Trainer(network(), MOMENTUM, epochs=2, progress=False, callbacks=kept)
    trainer.fit((X, Y))
    other = way(trainer)
    assert repr(other.callbacks[0].rows) == repr(trainer.callbacks[0].rows)
    assert other.callbacks[1].value == trainer.callbacks[1].value
    for one in (trainer, other):
        one.fit((X, Y))
    assert_same(trainer.net, other.net)
    assert other.callbacks[4]._records[-1]["train_loss"] == trainer.history["train_loss"][-1]
    assert trainer.callbacks[0].rows is not other.callbacks[0].rows
    assert (
        way(trainer.callbacks[3]).state["weights.0"] is not trainer.callbacks[3].state["weights.0"]
    )
    assert repr(other.callbacks[0].rows) == repr(trainer.callbacks[0].rows)


@every_way
def test_an_object_with_propagate_goes_along_with_its_state(way):
    net = network(["fa", Mirror()])
    for _ in range(3):
        net.step(X, Y, MOMENTUM)
    other = way(net)
    assert other.feedback[1].matrix.calls == net.feedback[1].matrix.calls == 3
    for _ in range(3):
        assert net.step(X, Y, MOMENTUM) == other.step(X, Y, MOMENTUM)
    assert_same(net, other)
    assert other.feedback[1].matrix is not net.feedback[1].matrix


def test_an_object_that_two_layers_share_is_shared_by_their_copies():
    class Own(Mirror):
        def propagate(self, delta):
            self.calls += 1
            return np.zeros((len(delta), 6 if delta.shape[1] == 5 else 5))

    shared = Own()
    other = copy.deepcopy(network([shared, shared]))
    first, second = other.feedback
    assert first.matrix is second.matrix is not shared


@every_way
def test_an_ensemble_is_copied_with_its_networks(way):
    ensemble = fa.Ensemble([network(rule) for rule in ("fa", "kp", "bp")])
    ensemble.train_epoch(X, Y, MOMENTUM, batch_size=7)
    other = way(ensemble)
    for one in (ensemble, other):
        one.train_epoch(X, Y, MOMENTUM, batch_size=7)
    for mine, theirs in zip(ensemble.networks, other.networks, strict=True):
        assert mine is not theirs
        assert_same(mine, theirs)


@every_way
def test_an_estimator_goes_on_with_the_memory_of_its_optimizer(way):
    pytest.importorskip("sklearn")
    from fastfa.sklearn import FeedbackAlignmentRegressor
    from sklearn.base import clone

    model = FeedbackAlignmentRegressor(max_epochs=2, n_iter_no_change=None, random_state=0)
    model.fit(X, Y)
    other = (
        way(model) if way is not copy.copy else copy.deepcopy(model)
    )  # its copy is scikit-learn's
    for one in (model, other):
        one.partial_fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), other.predict(X))
    assert not hasattr(clone(model), "network_")


@every_way
@pytest.mark.parametrize("kind", [kind for kind in MADE if kind is not fa.DeviceArray])
def test_every_public_object_is_copied(kind, way):
    thing = MADE[kind]()
    other = way(thing)
    assert type(other) is kind
    assert repr(other) == repr(thing) or kind.__repr__ is object.__repr__


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
def test_memory_of_a_gpu_is_not(way):
    with pytest.raises(TypeError, match=r"\[DeviceArray\] .*numpy\.array"):
        way(fa.DeviceArray(X, 0))


@pytest.mark.parametrize(
    "error",
    [
        fa.DivergenceError("too large", 1, 7),
        fa.DeviceError("none"),
        fa.CheckpointError("a", "is no file"),
        IdxError("a", 3, "wrong"),
        DatasetNotFound("x"),
        FetchError("y"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_out_of_a_worker(error):
    """One that doesn't would leave the pool waiting, or broken."""
    vars(error)["stopped"] = {0: 1}
    other = pickle.loads(pickle.dumps(error))
    assert type(other) is type(error)
    assert str(other) == str(error)
    if isinstance(error, fa.DivergenceError):
        assert (other.layer, other.step, other.stopped) == (1, 7, {0: 1})


# ---- what doesn't go along -------------------------------------------------------------------------


def test_a_step_in_parts_must_be_ended():
    net = network()
    net.step(X, Y, MOMENTUM)
    for begun in (lambda: net.forward_step(X), lambda: net.feedback_step(Y)):
        begun()
        for way in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match=r"\[Network\] a step in parts is going on"):
                way(net)
    net.update_step(MOMENTUM)
    other = pickle.loads(pickle.dumps(net))
    assert other.state is None
    for one in (net, other):
        out = one.forward_step(X)
        one.apply_error(Y - out)  # by the optimizer that was given last
    assert_same(net, other)


def test_a_running_fit_is_refused_and_its_network_is_not():
    seen = []

    class Looks(fa.Callback):
        def on_epoch_done(self, trainer):
            with pytest.raises(TypeError, match=r"\[Trainer\] a fit is running"):
                copy.deepcopy(trainer)
            seen.append(copy.deepcopy(trainer.net))

    trainer = fa.Trainer(network(), MOMENTUM, epochs=2, progress=False, callbacks=[Looks()])
    trainer.fit((X, Y))
    assert_same(seen[1], trainer.net)
    assert seen[0].steps < seen[1].steps


def test_a_trainer_that_was_interrupted_is_copied():
    class Stop(fa.Callback):
        every, calls = 1, 0

        def on_batches(self, trainer, batch):
            self.calls += 1
            if self.calls == 5:
                raise KeyboardInterrupt

    trainer = fa.Trainer(
        network(), MOMENTUM, epochs=3, batch_size=10, progress=False, callbacks=[Stop()]
    )
    with pytest.raises(KeyboardInterrupt):
        trainer.fit((X, Y))
    trainer.callbacks = ()
    other = copy.deepcopy(trainer)
    for one in (trainer, other):
        one.fit((X, Y))
    assert cases.digest(other) == cases.digest(trainer)


def test_an_open_file_is_refused_and_a_connection_is_made_again():
    from unittest import mock

    with mock.patch("fastfa.trackers._import"):
        board, flow = fa.TensorBoardLogger("a"), fa.MLflowLogger("b")
    assert copy.copy(board).folder == board.folder
    vars(board)["_writer"] = object()
    with pytest.raises(TypeError, match=r"\[TensorBoardLogger\] a fit is running"):
        pickle.dumps(board)
    vars(flow)["_client"] = threading.Lock()  # which pickle can't take
    assert pickle.loads(pickle.dumps(flow))._client is None


def test_a_trainer_from_a_file_stays_confined(tmp_path):
    trainer = fa.Trainer(network(), MOMENTUM, epochs=1, progress=False)
    trainer.callbacks = [fa.CSVLogger(tmp_path / "outside.csv")]
    (tmp_path / "in").mkdir()
    fa.save(tmp_path / "in/run", trainer)
    other = pickle.loads(pickle.dumps(fa.load(tmp_path / "in/run")))
    with pytest.raises(ValueError, match="it must write in that folder"):
        other.fit((X, Y))


def test_what_a_file_could_not_hold_is_missing_from_copies_too(tmp_path):
    trainer = fa.Trainer(network(), MOMENTUM, epochs=1, progress=False, schedule=lambda epoch: 0.1)
    fa.save(tmp_path / "run", trainer)
    other = pickle.loads(pickle.dumps(fa.load(tmp_path / "run")))
    with pytest.raises(ValueError, match=r"can't hold its schedule .*lambda"):
        other.fit((X, Y))


def test_values_that_are_not_finite_are_refused_when_they_are_sent():
    net = network()
    net.weights[1][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"\[copy\] weights\.1 has nan"):
        pickle.dumps(net)


@pytest.mark.parametrize("times", [1, 1000])
def test_a_copy_is_of_one_step_though_another_thread_trains(times, monkeypatch):
    """A step is made while the state is taken: then it is taken again, but not for ever."""
    net, left, memory = network(), [times], checkpoint._memory

    def meanwhile(of):
        if left[0]:
            left[0] -= 1
            net.step(X, Y, MOMENTUM)
        return memory(of)

    net.step(X, Y, MOMENTUM)
    monkeypatch.setattr(checkpoint, "_memory", meanwhile)
    if times > 1:
        with pytest.raises(
            RuntimeError, match=r"\[Network\] another thread trains it all the time"
        ):
            copy.deepcopy(net)
        return
    other = copy.deepcopy(net)
    for one in (net, other):
        one.step(X, Y, MOMENTUM)
    assert_same(net, other)


def test_a_network_is_not_copied_from_within_its_feedback():
    class Nosy:
        def propagate(self, delta):
            copy.deepcopy(net)

    net = network(["fa", Nosy()])
    with pytest.raises(RuntimeError, match="from within a call of its own"):
        net.step(X, Y, MOMENTUM)


def test_subclasses_keep_what_they_add():
    net = Named("a name")
    net.itself = net
    for way in WAYS.values():
        other = way(net)
        assert (type(other), other.name, other.itself) == (Named, "a name", other)
        assert_same(net, other)


class Named(fa.Network):
    def __init__(self, name):
        super().__init__(4, [fa.Dense(3, "tanh"), fa.Dense(2)])
        self.name = name


# ---- devices ---------------------------------------------------------------------------------------


@emulated
@every_way
def test_a_network_on_a_device_is_made_again_there(way):
    net = network("kp", device="cuda-emulated")
    net.train_epoch(X, Y, MOMENTUM, batch_size=4)
    other = way(net)
    assert other.device == "cuda-emulated"
    for one in (net, other):
        one.train_epoch(X, Y, MOMENTUM, batch_size=4)
    assert_same(net, other)


@emulated
def test_without_the_device_it_says_what_is_missing(run_python, tmp_path):
    (tmp_path / "net").write_bytes(pickle.dumps(network(device="cuda-emulated")))
    told = run_python(
        "import pickle, fastfa as fa\n"
        f"try: pickle.load(open({str(tmp_path / 'net')!r}, 'rb'))\n"
        "except fa.DeviceError as error: print(error)",
        env={"FASTFA_EMULATED_LIBRARY": str(tmp_path / "nothing")},
    )
    assert "device" in told
