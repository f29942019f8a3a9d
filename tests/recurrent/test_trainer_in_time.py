"""`Trainer` with networks in time: what it does is what the calls of the network do."""

from __future__ import annotations

import copy

import fastfa as fa
import numpy as np
import pytest
from fastfa.data import Sequences, permutation
from trainer_cases import Watch, assert_same_bits

N, T = 7, 11
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, T, 2)), RNG.normal(size=(N, T, 3))
LENGTHS = np.array([3, 11, 5, 1, 8, 11, 2])
MASK = RNG.uniform(0, 2, size=(N, T))
SETS = {
    "all": (Sequences(X, Y), {}),
    "lengths": (Sequences(X, Y, LENGTHS), {"lengths": LENGTHS}),
    "mask": (Sequences(X, Y, mask=MASK), {"mask": MASK}),
    "ends": (Sequences(X, Y[:, 0], LENGTHS), {"lengths": LENGTHS}),
}


def network(feedback="rflo", outputs=3, **more):
    back = {"bptt": "transpose", "random_bptt": "random"}.get(feedback, "zero")
    layers = [fa.Recurrent(6, tau=3.0, recurrent_feedback=back), fa.Dense(outputs)]
    return fa.Network(2, layers, feedback, seed=2, **{"dtype": "float64"} | more)


def trainer(net, **options):
    options = {"optimizer": fa.SGD(0.05, momentum=0.5), "batch_size": 3, "epochs": 3} | options
    return fa.Trainer(net, options.pop("optimizer"), progress=False, **options)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    ("feedback", "update"),
    [("rflo", "sequence"), ("rflo", "step"), ("bptt", "sequence"), ("random_bptt", "sequence")],
)
def test_epochs_are_calls_of_train_sequences(name, feedback, update):
    data, given = SETS[name]
    one, other = network(feedback), network(feedback)
    fitted = trainer(one, update=update, seed=5)
    history = fitted.fit(data, test=data)
    for epoch in (1, 2, 3):
        loss = other.train_sequences(
            data.x, data.y, fa.SGD(0.05, momentum=0.5), batch_size=3, update=update,
            order=permutation(N, 5, epoch), **given,
        )  # fmt: skip
        assert np.isclose(history.records[epoch - 1]["train_loss"], loss, rtol=1e-13)
    assert_same_bits(one, other)
    found = other.evaluate_sequences(data.x, data.y, **given)
    assert history.records[-1]["test_loss"] == found.loss
    assert "test_error" not in history.columns  # these are numbers to predict
    assert (fitted.batch, fitted.examples) == (9, 21)


def test_a_pair_is_as_good_and_a_third_says_what_counts():
    nets = [network() for _ in range(4)]
    trainer(nets[0]).fit(SETS["mask"][0])
    trainer(nets[1]).fit((X, Y, MASK))
    assert_same_bits(nets[0], nets[1])
    each = np.arange(7.0)
    trainer(nets[2]).fit((X, Y, each))
    trainer(nets[3]).fit((X, Y, np.repeat(each[:, None], T, axis=1)))
    assert_same_bits(nets[2], nets[3])


def test_labels_are_of_the_last_step_and_names_are_kept():
    labels = np.array(["b", "a", "c", "a", "b", "c", "a"])
    net, other, third = network(), network(), network()
    trainer(net, targets=(-0.9, 0.9)).fit((X, labels))
    assert net.class_names == ("a", "b", "c")
    data = fa.data.from_sequences(X, labels)
    trainer(other, targets=(-0.9, 0.9)).fit(data)
    assert other.class_names == ("a", "b", "c")
    assert_same_bits(net, other)
    columns = [2, 0, 1]  # the same in another order of classes
    third.class_names = ("a", "b", "c")
    turned = Sequences(data.x, data.y[:, columns], class_names=("c", "a", "b"))
    trainer(third, targets=(-0.9, 0.9)).fit(turned)
    assert_same_bits(net, third)


def test_errors_are_counted_where_the_outputs_may_be_classes():
    labels = np.array([0, 2, 1, 0, 1, 1, 2])
    for data in (fa.data.from_sequences(X, labels, lengths=LENGTHS), (X, Y)):
        net = network()
        history = trainer(net).fit(data, test=data)
        given = {"lengths": LENGTHS} if isinstance(data, Sequences) else {}
        x, y = (data.x, data.y) if isinstance(data, Sequences) else data
        found = net.evaluate_sequences(x, y, **given)
        assert history.records[-1]["test_error"] == found.error_rate
        assert 0 < history.records[-1]["train_error"] <= 1


def test_chunks_are_cut_by_the_work_and_change_nothing(monkeypatch):
    from fastfa.training import in_time

    whole, cut = network(), network()
    first = trainer(whole).fit(SETS["mask"][0])
    monkeypatch.setattr(in_time, "_OPERATIONS", 1)
    watch = Watch(every=1)
    second = trainer(cut, callbacks=[watch]).fit(SETS["mask"][0])
    assert_same_bits(whole, cut)
    assert watch.batches == list(range(1, 10))
    np.testing.assert_allclose(first["train_loss"], second["train_loss"], rtol=1e-14)


def test_with_carry_the_state_goes_on_from_epoch_to_epoch():
    data = Sequences(X, Y)
    one, other = network(), network()
    fitted = trainer(one, update="step", carry=True, batch_size=7)
    fitted.fit(data)
    fitted.fit(data)
    for _ in range(6):
        other.train_sequences(X, Y, fa.SGD(0.05, momentum=0.5), update="step", carry=True)
    assert_same_bits(one, other)
    assert (one.hidden_state == other.hidden_state).all()
    alone = network()
    trainer(alone, update="step", batch_size=7).fit(data)
    assert (alone.hidden_state != one.hidden_state).any()


@pytest.mark.parametrize("carry", [False, True])
@pytest.mark.parametrize("into", [False, True])
def test_an_interrupted_fit_goes_on_in_the_same_bits(tmp_path, into, carry):
    def made():
        data = SETS["mask"][0]
        probe = fa.AlignmentInTime(X[:2], Y[:2], every=1)
        stopping = fa.EarlyStopping("validation_loss", patience=9)
        return trainer(
            network("rflo"), update="step", carry=carry, epochs=5, batch_size=7,
            schedule=fa.Exponential(0.8), callbacks=[probe, stopping],
        ), (data, (X[:4], Y[:4]))  # fmt: skip

    whole, data = made()
    whole.fit(*data)
    cut, _ = made()

    def stop(trainer, batch):
        if batch == 3:
            raise KeyboardInterrupt

    cut.callbacks = [*cut.callbacks, fa.Checkpoint(tmp_path / "c"), Watch(1, stop)]
    with pytest.raises(KeyboardInterrupt):
        cut.fit(*data)
    target = None
    if into:
        target = made()[0]
        target.callbacks = [*target.callbacks, fa.Checkpoint(tmp_path / "c")]
    again = fa.load(tmp_path / "c") if not into else target
    if not into:
        assert (again.update, again.carry) == ("step", carry)
        again.callbacks = again.callbacks[:-1]
        fa.save(tmp_path / "d", again)
    path = tmp_path / ("c" if into else "d")
    again = fa.Trainer.resume(path, *data, into=target)
    assert_same_bits(whole.net, again.net)
    assert (whole.net.hidden_state == again.net.hidden_state).all()
    for a, b in zip(whole.history, again.history, strict=True):
        assert {k: v for k, v in a.items() if "sec" not in k} == {
            k: v for k, v in b.items() if "sec" not in k
        }
    for a, b in zip(whole.callbacks[0].rows, again.callbacks[0].rows, strict=True):
        np.testing.assert_equal(a, b)


def test_validation_is_split_off_by_whole_sequences_and_stops_early():
    fitted = trainer(network(), epochs=50, callbacks=[fa.EarlyStopping("validation_loss", 2)])
    fitted.fit(SETS["lengths"][0], validation=0.3, test=SETS["lengths"][0])
    assert fitted.examples == 5 * fitted.epoch
    assert {"validation_loss", "test_loss", "train_loss"} <= set(fitted.history.columns)
    stopping = fitted.callbacks[0]
    assert stopping.stopped_epoch is not None
    assert np.isclose(stopping.best.value, min(fitted.history["validation_loss"]))
    assert_same_bits(copy.deepcopy(fitted).net, fitted.net)


def test_schedules_and_warm_up_set_the_rate():
    one, other = network(), network()
    schedule = fa.Warmup(then={2: 0.01}, updates=2)
    trainer(one, optimizer=fa.SGD(0.1), schedule=schedule, epochs=2, shuffle=False).fit((X, Y))
    for update, begin in enumerate((0, 3, 6, 0, 3, 6)):
        part, rate = slice(begin, begin + 3), 0.1 if update < 3 else 0.01
        rate *= schedule.share(update) if update < 2 else 1
        other.train_sequences(X[part], Y[part], fa.SGD(rate), batch_size=3)
    assert 0 < schedule.share(1) < 1
    np.testing.assert_allclose(one.weights[0], other.weights[0], rtol=1e-12)


@pytest.mark.parametrize("update", ["sequence", "step"])
def test_an_ensemble_learns_as_its_networks_do(update):
    nets = [network(), fa.Network(2, network().layers, "fa", seed=9, dtype="float64")]
    alone = copy.deepcopy(nets)
    together = trainer(fa.Ensemble(nets), update=update)
    together.fit(SETS["mask"][0], test=SETS["all"][0])
    for net, one, history in zip(nets, alone, together.histories, strict=True):
        single = trainer(one, update=update).fit(SETS["mask"][0], test=SETS["all"][0])
        assert_same_bits(net, one)
        for key in ("train_loss", "test_loss"):
            np.testing.assert_allclose(history[key], single[key], rtol=1e-13)


def test_augmentation_is_given_whole_sequences():
    shapes = []

    def noisy(x, shape, *, seed, epoch):
        shapes.append((x.shape, shape))
        return x + epoch

    one, other = network(), network()
    trainer(one, augment=noisy, epochs=2, shuffle=False).fit((X, Y))
    assert shapes == [((N, T, 2), (2,))] * 2
    for epoch in (1, 2):
        other.train_sequences(X + epoch, Y, fa.SGD(0.05, momentum=0.5), batch_size=3)
    assert_same_bits(one, other)


def test_divergence_leaves_finite_weights():
    net = network()
    with pytest.raises(fa.DivergenceError):
        trainer(net, optimizer=fa.SGD(1e9), epochs=50).fit((X * 1e3, Y))
    assert all(np.isfinite(w).all() for w in net.weights)


def test_angles_are_those_of_the_deltas():
    net = network("fa")
    probe = fa.AlignmentInTime(X, Y, every=2, lengths=LENGTHS)
    fitted = trainer(net, callbacks=[probe], epochs=2)
    before = copy.deepcopy(net)
    history = fitted.fit((X, Y))
    assert [row["batch"] for row in probe.rows] == [0, 2, 3, 4, 6]
    own, other = (
        net_.deltas_sequences(X, Y, rule, lengths=LENGTHS)
        for net_, rule in ((before, None), (before, "bptt"))
    )
    there = np.arange(T) < LENGTHS[:, None]
    angles = fa.metrics.angle(own, other)
    row = probe.rows[0]
    assert np.isclose(row["angle_bptt"], angles[there].mean())
    assert np.isclose(row["angle_bptt_sd"], angles[there].std())
    assert np.isclose(row["angle_bptt_steps"][9], angles[[1, 5], 9].mean())
    assert np.isclose(row["angle_bptt_layer"], fa.metrics.angle(own.ravel(), other.ravel()))
    assert np.isclose(
        history.records[0]["angle_bptt.0"], np.mean([r["angle_bptt"] for r in probe.rows[1:3]])
    )
    w, b = (np.array(a) for a in (before.weights[1], before.feedback_matrices[0]))
    assert np.isclose(row["weight_angle"], fa.metrics.angle(w.T.ravel(), b.ravel()))
    e = (Y - before.forward_sequences(X))[there]
    along = np.array([each @ w @ b @ each for each in e])
    assert np.isclose(row["descent"], along.mean())
    assert 0 < row["descent_positive"] == (along > 0).mean() < 1
    exact = fa.AlignmentInTime(X, Y)
    trainer(network("bptt"), callbacks=[exact]).fit((X, Y))
    assert max(row["angle_bptt"] for row in exact.rows) < 1e-4
    assert max(row["weight_angle"] for row in exact.rows) < 1e-4
    assert min(row["descent_positive"] for row in exact.rows) == 1


@pytest.mark.parametrize(
    ("rule", "top", "shape", "defined"),
    [("dfa", "linear", (6, 3), True), ("fa", "linear", (6, 5), False), ("dfa", "tanh", (6, 3), False),
     ("drtp", "linear", (6, 3), False)],
)  # fmt: skip
def test_b_is_compared_with_all_that_it_stands_for(rule, top, shape, defined):
    layers = [fa.Recurrent(6, tau=3.0), fa.Dense(5, "tanh"), fa.Dense(3, top)]
    net = fa.Network(2, layers, rule, seed=2, dtype="float64")
    probe = fa.AlignmentInTime(X, Y, mask=MASK)
    trainer(net, callbacks=[probe], epochs=1).fit((X, Y))
    w = net.weights[2] @ net.weights[1] if shape == (6, 3) else net.weights[1]
    b = net.feedback_matrices[0]
    assert b.shape == shape
    row = probe.rows[-1]
    assert np.isclose(row["weight_angle"], fa.metrics.angle(w.T.ravel(), b.ravel()))
    assert np.isnan(row["descent"]) != defined
    if defined:
        e = MASK[..., None] * (Y - net.forward_sequences(X))
        assert np.isclose(row["descent"], np.einsum("ntk,kl,ntl->nt", e, w @ b, e).mean())


def test_effective_rank_counts_directions(rng):
    q, r = (np.linalg.qr(rng.normal(size=(9, 9)))[0] for _ in range(2))
    for count in (1, 3, 9):
        s = np.where(np.arange(9) < count, 1e-200, 0)
        assert fa.metrics.effective_rank((q * s) @ r) == pytest.approx(count)
    assert fa.metrics.effective_rank(np.diag([2.0, 1.0])) == pytest.approx(25 / 17)
    assert np.isnan(fa.metrics.effective_rank(np.zeros((2, 3))))
    for wrong in (np.ones(3), np.ones((0, 2)), [["a"]], [[np.inf]]):
        with pytest.raises((ValueError, TypeError), match=r"\[effective_rank\] matrix"):
            fa.metrics.effective_rank(wrong)


def test_compare_trains_sequences():
    pytest.importorskip("scipy")
    layers = network("bptt").layers
    rules = {
        "rflo": {"feedback": "rflo", "update": "step", "optimizer": fa.SGD(0.01)},
        "bptt": {"feedback": "bptt", "layers": layers},
    }
    given = {"epochs": 2, "seeds": [3], "batch_size": 4, "progress": False, "dtype": "float64"}
    found = fa.compare(rules, SETS["mask"][0], layers=network().layers, **given)
    assert found.measure == "validation_loss"
    net = fa.Network(2, layers, "bptt", seed=3, dtype="float64")
    one = fa.Trainer(net, fa.Adam(0.001), batch_size=4, epochs=2, seed=3, progress=False)
    history = one.fit(SETS["mask"][0], validation=0.2)
    assert found.histories["bptt"][3]["validation_loss"] == history["validation_loss"]
    with pytest.raises(ValueError, match="layers was None for sequences"):
        fa.compare(["rflo"], SETS["mask"][0], **given)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: trainer(network("bptt"), update="step"), "update was 'step' for a network whose"),
        (lambda: trainer(network(), update="end"), "update was 'end'; it must be one of"),
        (lambda: trainer(network(), carry=1), "carry was 1; it must be True or False"),
        (lambda: trainer(network(), loss=print), "loss was .* for a network in time"),
        (lambda: trainer(network(), augment=fa.data.CropFlip()), "augment was .* network in time"),
        (lambda: trainer(dense(), update="step"), "update was 'step' for a network without a rec"),
        (lambda: trainer(dense(), carry=True), "carry was True for a network without a recurrent"),
        (lambda: trainer(fa.Ensemble([single(), dense()])), "has a recurrent layer False, and"),
        (lambda: fit((X, Y[:, :4])), r"\[fit\] train Y has shape \(7, 4, 3\); for X \(7, 11, 2\)"),
        (lambda: fit((X[0], Y[0])), r"\[fit\] train X has shape \(11, 2\); it must be \(N, T, 2\)"),
        (lambda: fit((X * np.inf, Y)), r"\[fit\] train X has"),
        (lambda: fit((X, Y, -MASK)), r"\[fit\] train mask\[0\] was -"),
        (lambda: fit((X, Y, np.ones(3))), r"\[fit\] train weights has shape \(3,\)"),
        (lambda: fit((X, Y, np.zeros(N))), "train weights was 0 for all"),
        (lambda: fit((X, [0, 1, 2, 3, 0, 0, 0])), r"train Y lies in \[0, 3\]"),
        (lambda: fit(fa.data.load("mnist-mini").train), "train was Split; for a network in time"),
        (lambda: fit(X), r"train was an array of shape \(7, 11, 2\); it must be"),
        (lambda: fit((X, Y), carry=True), "train has 7 sequences, with carry; it must have at most"),
        (lambda: fit(SETS["lengths"][0], carry=True, batch_size=9), "has lengths, with carry"),
        (lambda: carried(), "with carry, and the network the state of 2; call net.reset"),
        (lambda: fit((X, Y), validation=SETS["all"][0], callbacks=[fa.Alignment(X[0], Y[0])]),
         "it must be an AlignmentInTime"),
        (lambda: trainer(dense(), callbacks=[fa.AlignmentInTime(X, Y)]).fit((X[0], Y[0])),
         "it must be an Alignment"),
        (lambda: fit((X, Y), callbacks=[fa.AlignmentInTime(X, Y[:, :, :2])]),
         r"\[AlignmentInTime\] Y has shape \(7, 11, 2\)"),
        (lambda: trainer(dense()).fit(SETS["all"][0]), r"\[fit\] train X has shape \(7, 11, 2\)"),
    ],
)  # fmt: skip
def test_what_does_not_go_is_refused_by_name(made, words):
    with pytest.raises((ValueError, TypeError), match=words):
        made()


def single():
    return network(dtype="float32")


def dense():
    return fa.Network(2, [fa.Dense(4), fa.Dense(3)])


def fit(train, validation=None, **options):
    net = network()
    before = net.state_dict()
    try:
        trainer(net, **options).fit(train, validation)
    finally:
        for name, array in net.state_dict().items():
            assert (array == before[name]).all()


def carried():
    net = network()
    net.reset(np.zeros((2, 6)))
    trainer(net, carry=True, batch_size=9).fit((X, Y))
