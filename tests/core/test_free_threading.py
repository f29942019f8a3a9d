"""Eight Python threads: side by side where Python has no GIL, in turn where it has.

What is asked holds either way: the bits of a thread alone on networks of their own, whole calls that
follow one another on one network, and errors with a name. Without the GIL the tests ask besides that
importing fastfa leaves it off.
"""

from __future__ import annotations

import copy
import pickle
import sysconfig
import threading

import fastfa as fa
import numpy as np
import pytest
from thread_cases import run_all

pytestmark = pytest.mark.usefixtures("restore_threads")

THREADS = 8
FREE = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
X = np.random.default_rng(0).random((24, 30), dtype="float32")
Y = np.eye(4, dtype="float32")[np.arange(24) % 4]
SGD = fa.SGD(0.05)
IMPORT = "import sys, fastfa; print(sys._is_gil_enabled(), end='')"


@pytest.mark.skipif(not FREE, reason="needs a free-threaded Python")
def test_importing_fastfa_leaves_the_gil_off(run_python):
    """Python turns it on, with a warning, for a module that doesn't say that it needs none."""
    assert run_python(IMPORT, env={"PYTHON_GIL": ""}) == "False"


class Own:
    """B of the caller's, in Python."""

    def propagate(self, delta: np.ndarray) -> np.ndarray:
        return 0.5 * np.repeat(delta[:, :1], 16, axis=1)


def softsign():
    return fa.Activation(lambda a: a / (1 + abs(a)), lambda a: (1 + abs(a)) ** -2)


def network(seed: int, feedback="fa", activation="tanh") -> fa.Network:
    layers = [fa.Dense(16, activation), fa.Dense(4, "logistic")]
    return fa.Network(30, layers, feedback, loss="cross_entropy", seed=seed)


def lead_a_life(seed: int) -> list[np.ndarray]:
    """What networks of its own come to, by calls that go far into Python and ones that hardly do."""
    net, own = network(seed), network(seed, Own(), softsign())
    seen: list[np.ndarray] = []
    for rule in ("fa", "bp", "dfa", "kp", "sparse_fa"):
        net.set_feedback(rule)
        net.train_epoch(X, Y, SGD, batch_size=5)
        net.step(X[:7], Y[:7], fa.Adam(1e-3))
        for x, y in zip(X[:5], Y[:5], strict=True):
            net.apply_error(y - net.forward_step(x), SGD)
        own.train_epoch(X, Y, SGD, batch_size=6)
        seen += [net.forward(X), *net.deltas(X, Y, "bp"), np.array(net.evaluate(X, Y))]
        seen.append(np.array([row.angle_bp for row in fa.metrics.alignment(net, X, Y)]))
        twin = pickle.loads(pickle.dumps(copy.deepcopy(net)))
        twin.train_epoch(X, Y, SGD, batch_size=1)
        seen += [*twin.weights, *(np.array(b) for b in net.feedback_matrices)]
    together = fa.Ensemble([network(seed + i) for i in range(6)])
    together.train_epoch(X, Y, SGD, batch_size=1)
    seen += [net.weights[0] for net in together.networks]
    history = fa.Trainer(net, SGD, batch_size=4, epochs=2).fit((X, Y), test=(X, Y))
    seen += [np.array(history["test_error"]), *net.weights, *own.weights]
    with pytest.raises(ValueError, match="X has shape"):
        net.forward(X[:, 1:])
    return [np.array(each) for each in seen]


def test_eight_threads_with_networks_of_their_own_come_to_the_same_bits_as_one():
    fa.set_num_threads(2)
    found: dict[int, list[np.ndarray]] = {}
    begin = threading.Barrier(THREADS)

    def live(seed: int) -> None:
        begin.wait(100)
        found[seed] = lead_a_life(seed)

    run_all([lambda seed=seed: live(seed) for seed in range(THREADS)])
    for seed in range(THREADS):
        alone = lead_a_life(seed)
        assert len(alone) == len(found[seed])
        for a, b in zip(alone, found[seed], strict=True):
            assert a.tobytes() == b.tobytes()


def test_eight_threads_on_one_network_do_whole_steps_or_get_an_error_with_a_name():
    """Each step counts once, nobody sees half of one, and a step in parts may be dropped by another."""
    fa.set_num_threads(2)
    net, rounds = network(0), 40
    begin = threading.Barrier(THREADS)
    done, refused = [0] * THREADS, set()

    def epochs(i: int) -> None:
        net.train_epoch(X, Y, SGD if i else fa.Adam(1e-3), batch_size=8)
        done[i] += 3

    def steps(i: int) -> None:
        net.step(X[:3], Y[:3], SGD)
        done[i] += 1

    def parts(i: int) -> None:
        try:
            net.apply_error(Y[:2] - net.forward_step(X[:2]), SGD)
            done[i] += 1
        except (RuntimeError, ValueError) as error:  # another thread's pass, or none
            refused.add(str(error).partition("]")[0])

    def looks(i: int) -> None:
        assert np.isfinite(net.forward(X)).all()
        assert all(np.isfinite(d).all() for d in net.deltas(X, Y, "bp"))
        assert net.evaluate(X, Y).loss > 0
        state = net.state
        assert state is None or len(state.activations) == 2

    def rules(i: int) -> None:
        for rule in ("bp", "dfa", "kp", "shallow", "fa"):
            net.set_feedback(rule)
            assert net.feedback_matrices[0].shape == (16, 4)
            assert len(net.feedback_scales) == len(net.feedback_bytes) == 1

    def resizes(i: int) -> None:
        fa.set_num_threads(1 + i % 3)
        assert repr(net).startswith("<Network 30-16-4")

    def work(i: int, job) -> None:
        begin.wait(100)
        for _ in range(rounds):
            job(i)

    jobs = [epochs, epochs, steps, steps, parts, looks, rules, resizes]
    run_all([lambda i=i, job=job: work(i, job) for i, job in enumerate(jobs)])
    assert net.steps == sum(done)
    assert refused <= {"[apply_error"}
    assert all(np.isfinite(w).all() for w in net.weights)
    before = net.steps
    net.train_epoch(X, Y, SGD, batch_size=8)
    assert net.steps == before + 3
