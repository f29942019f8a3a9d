"""Any matrix on the way back in time: B_rec as a Feedback."""

from __future__ import annotations

import copy
import pickle

import fastfa as fa
import numpy as np
import pytest
import reference_recurrent as ref
from fastfa import _core

KINDS = {
    **{kind: {} for kind in _core.MATRICES},
    "low_rank": {"rank": 2},
    "array": {"array": np.random.default_rng(2).normal(size=(9, 9)) / 3},
    "sparse": {"density": 0.3},
}
KP = fa.Feedback("uniform", plasticity="kolen_pollack")


class Own:
    def __init__(self, b):
        self.b = b

    def propagate(self, delta):
        return delta @ self.b.T


def data(m=3, k=2, N=4, T=6):
    rng = np.random.default_rng(5)
    return rng.normal(size=(N, T, m)), rng.normal(size=(N, T, k)), rng.uniform(0, 2, (N, T))


def network(b_rec, *, n=9, k=2, dtype="float64", feedback=None, below=(), **more):
    recurrent = fa.Recurrent(n, tau=2.5, recurrent_feedback=b_rec, **more)
    rule = feedback or fa.Feedback("normal", scale=0.7)
    return fa.Network(3, [*below, recurrent, fa.Dense(k)], rule, seed=4, dtype=dtype)


def weights(net) -> ref.Weights:
    arrays = (net.weights[0], net.biases[0], net.weights[1], net.biases[1])
    return ref.Weights(*(np.array(a, float) for a in arrays))


def check(net, b_rec, optimizer_rate=0.1):
    """One update is that of the equations with this B_rec."""
    x, y, mask = data()
    p = weights(net)
    rule = ref.Rule(np.array(net.feedback_matrices[0], float), np.array(b_rec, float), 2.5)
    wanted = p.plus(ref.at_end(p, rule, x, y, mask), optimizer_rate)
    net.train_sequences(x, y, fa.SGD(optimizer_rate, reduction="sum"), batch_size=len(x), mask=mask)
    tolerance = 1e-12 if net.dtype == np.float64 else 3e-5
    found = weights(net)
    for name in ("w", "bias", "w_out", "bias_out"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(wanted, name), rtol=tolerance, atol=tolerance
        )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_carries_what_it_shows(kind, dtype):
    net = network(fa.Feedback(kind, **KINDS[kind]), dtype=dtype)
    for _ in range(2):  # those that follow W are others the second time
        check(net, net.recurrent_feedback_matrix)


@pytest.mark.parametrize("magnitude", ["fixed", "redrawn", "array"])
def test_signs_of_w_with_other_magnitudes(magnitude):
    array = np.random.default_rng(0).random((9, 9)) if magnitude == "array" else None
    net = network(fa.Feedback("sign", magnitude=magnitude, array=array))
    for _ in range(2):
        b_rec = net.recurrent_feedback_matrix
        assert (np.sign(b_rec) == np.sign(net.weights[0][:, 3:].T)).all()
        check(net, b_rec)


@pytest.mark.parametrize("n", [1, 2, 15, 33])
@pytest.mark.parametrize("kind", ["uniform", "sign", "pseudoinverse", "ternary", "hadamard"])
def test_sizes_around_those_of_vectors(kind, n):
    net = network(fa.Feedback(kind), n=n)
    check(net, net.recurrent_feedback_matrix)


def test_what_follows_w_is_what_it_says():
    net = network("transpose")
    w = np.array(net.weights[0][:, 3:])
    np.testing.assert_array_equal(net.recurrent_feedback_matrix, w.T)
    inverse = network(fa.Feedback("pseudoinverse")).recurrent_feedback_matrix
    np.testing.assert_allclose(inverse, np.linalg.pinv(w), rtol=1e-10, atol=1e-12)
    assert (network("zero").recurrent_feedback_matrix == 0).all()
    assert fa.Network(3, [fa.Dense(2)]).recurrent_feedback_matrix is None
    twin = network(fa.Feedback("transpose"))
    assert twin.layers[0] == net.layers[0]


def test_an_object_carries_as_its_array_does():
    b = KINDS["array"]["array"]
    net = network(fa.Feedback(Own(b)))
    np.testing.assert_array_equal(net.recurrent_feedback_matrix, b)
    check(net, b)
    with pytest.raises(ValueError, match=r"layers\[0\].recurrent_feedback was <.*code"):
        fa.save("unused.ckpt", net)
    for travel in (copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))):
        twin, before = travel(net), weights(net)
        check(twin, b)
        assert (before.w == net.weights[0]).all()


@pytest.mark.parametrize("kind", [kind for kind, traits in _core.MATRICES.items() if traits.scaled])
def test_without_a_scale_it_is_as_large_as_w_at_first(kind):
    rule = fa.Feedback(kind, rank=64 if kind == "low_rank" else None)
    net = network(rule, n=256, recurrent_scale=1.5)
    b_rec = net.recurrent_feedback_matrix
    assert np.sqrt((b_rec**2).mean()) == pytest.approx(1.5 / 16, rel=0.02)
    by_number = network(fa.Feedback("normal", scale=0.3), n=256)
    assert by_number.recurrent_feedback_matrix.std() == pytest.approx(0.3, rel=0.02)


@pytest.mark.parametrize("kind", ["uniform", "hadamard", "procedural"])
def test_it_is_drawn_apart_from_b_into_the_layer(kind):
    net = network(fa.Feedback(kind, scale=0.1), n=64, k=64, feedback=fa.Feedback(kind, scale=0.1))
    b, b_rec = net.feedback_matrices[0].ravel(), net.recurrent_feedback_matrix.ravel()
    assert abs(np.corrcoef(b, b_rec)[0, 1]) < 0.06
    assert (b_rec != network("random", n=64, k=64).recurrent_feedback_matrix.ravel()).any()


OPTIMIZERS = [
    fa.SGD(0.1, momentum=0.5, nesterov=True),
    fa.Adam(0.01),
    fa.RMSprop(0.01),
    fa.SGD(0.1, clip_norm=0.01),
    fa.SGD(0.1, clip_value=0.002),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_kolen_pollack_takes_the_steps_of_w(optimizer):
    net = network(KP, below=[fa.Dense(5, "tanh")])
    x, y, mask = data()
    w, b = np.array(net.weights[1][:, 5:]), net.recurrent_feedback_matrix
    for _ in range(3):
        net.train_sequences(x, y, optimizer, batch_size=2, mask=mask)
    change = net.recurrent_feedback_matrix - b
    assert abs(change).max() > 1e-4
    np.testing.assert_allclose(change, (net.weights[1][:, 5:] - w).T, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [1, 9, 40])
def test_with_weight_decay_it_becomes_the_transpose(n, dtype):
    """W − Bᵀ shrinks by 1 − ηγ a step, and by nothing else."""
    net = network(KP, n=n, dtype=dtype)
    x, y, _ = data()

    def apart():
        return net.weights[0][:, 3:].T - net.recurrent_feedback_matrix

    before = apart()
    for _ in range(100):
        net.train_sequences(x, y, fa.SGD(0.1, weight_decay=0.1), batch_size=4, carry=True)
    np.testing.assert_allclose(apart(), 0.99**100 * before, rtol=1e-3, atol=1e-6)


def test_a_b_rec_of_a_frozen_layer_stays():
    net = network(KP, trainable=False)
    x, y, _ = data()
    before = net.recurrent_feedback_matrix
    net.train_sequences(x, y, fa.SGD(0.1))
    assert (net.recurrent_feedback_matrix == before).all()


def by_file(net, tmp_path):
    fa.save(tmp_path / "net.ckpt", net)
    return fa.load(tmp_path / "net.ckpt")


@pytest.mark.parametrize("travel", [by_file, lambda net, _: pickle.loads(pickle.dumps(net))])
@pytest.mark.parametrize(
    "rule", [KP, fa.Feedback("array", array=KINDS["array"]["array"]), fa.Feedback("ternary")]
)
def test_what_is_saved_goes_on_in_the_same_bits(rule, travel, tmp_path):
    whole, cut = network(rule), network(rule)
    x, y, _ = data()
    for part in range(2):
        for net in (whole, cut):
            net.train_sequences(x, y, fa.Adam(0.01), batch_size=4, carry=True)
        if part == 0:
            cut = travel(cut, tmp_path)
    for name, array in whole.state_dict().items():
        assert (array == cut.state_dict()[name]).all(), name
    assert (whole.recurrent_feedback_matrix == cut.recurrent_feedback_matrix).all()
    assert ("feedback.recurrent" in whole.state_dict()) == (rule is KP)


def test_a_checkpoint_of_another_array_is_refused(tmp_path):
    rule = fa.Feedback("array", array=np.eye(9))
    fa.save(tmp_path / "net.ckpt", network(rule))
    other = network(fa.Feedback("array", array=2 * np.eye(9)))
    with pytest.raises(fa.CheckpointError, match="recurrent_feedback differs"):
        fa.load(tmp_path / "net.ckpt", into=other)


def test_threads_ensembles_and_the_trainer_make_the_same_bits(restore_threads):
    x, y, _ = data()
    found = []
    for threads in (1, 3):
        fa.set_num_threads(threads)
        nets = [network(rule, n=40) for rule in (KP, fa.Feedback("sparse"))]
        fa.Ensemble(nets).train_sequences(x, y, fa.SGD(0.1), batch_size=2)
        found.append(nets)
    for threads_1, threads_3 in zip(*found, strict=True):
        assert (threads_1.weights[0] == threads_3.weights[0]).all()
        alone = network(threads_1.layers[0].recurrent_feedback, n=40)
        alone.train_sequences(x, y, fa.SGD(0.1), batch_size=2)
        assert (threads_1.weights[0] == alone.weights[0]).all()


def test_the_angle_to_backprop_through_time_is_that_of_its_deltas():
    net = network(fa.Feedback("sign"))
    x, y, _ = data()
    own, bptt = net.deltas_sequences(x, y), net.deltas_sequences(x, y, "bptt")
    zero = net.deltas_sequences(x, y, recurrent_feedback="zero")
    assert (own[:, -1] == zero[:, -1]).all()
    assert (own[:, 0] != zero[:, 0]).any()
    assert (own[:, 0] != bptt[:, 0]).any()
    assert "{murray2019," in fa.citation(net)
    assert "{liao2016," in fa.citation(net)
