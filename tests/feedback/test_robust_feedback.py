"""Feedback under unkind circumstances: other threads, exceptions, extreme numbers."""

from __future__ import annotations

import sys
import threading

import fastfa as fa
import numpy as np
import pytest


def network(feedback="fa", *, dtype="float32", density=1.0, output="linear"):
    layers = [fa.Dense(40, "tanh", density=density), fa.Dense(30, "tanh"), fa.Dense(5, output)]
    return fa.Network(20, layers, feedback, seed=2, dtype=dtype)


def examples(rng, n=50):
    return rng.standard_normal((n, 20)), rng.standard_normal((n, 5))


def test_feedback_may_be_replaced_while_others_look_at_it(run_python):
    """Views and computed copies stay valid whatever set_feedback does meanwhile."""
    run_python(
        """
import threading
import numpy as np, fastfa as fa

net = fa.Network(30, [fa.Dense(80, "tanh"), fa.Dense(60, "tanh"), fa.Dense(7)], "dfa")
x, y = np.random.default_rng(0).standard_normal((2, 400, 30))[0], np.ones((400, 7))
stop = threading.Event()

def switch():
    kinds = ["binary", "dfa", "uniform", "sparse_fa", "drtp", "shallow"]
    for i in range(300):
        kind = kinds[i % len(kinds)]
        net.set_feedback(fa.Feedback(kind) if kind in ("binary", "uniform") else kind)
    stop.set()

def train():
    while not stop.is_set():
        net.train_epoch(x, y, fa.SGD(1e-4), batch_size=20)

threads = [threading.Thread(target=f) for f in (switch, train)]
for t in threads: t.start()
while not stop.is_set():
    for b in net.feedback_matrices:
        assert b.shape[0] in (80, 60) and np.isfinite(b.sum())
    net.feedback_bytes, net.feedback_scales
for t in threads: t.join()
""",
        timeout=300,
    )


def test_a_custom_object_may_use_the_network_when_it_dies(rng):
    """Old feedback is dropped after the network's lock, so this doesn't hang."""
    x, y = examples(rng)
    seen = []

    class Last:
        def propagate(self, delta):
            return delta @ np.ones((delta.shape[1], self.units))

        def __del__(self):
            seen.append(net.forward(x).shape)

    rules = [Last(), Last()]
    rules[0].units, rules[1].units = 40, 30
    net = network()
    net.set_feedback(rules)
    net.step(x, y, fa.SGD(1e-3))
    del rules
    done = threading.Thread(target=lambda: net.set_feedback("fa"), daemon=True)
    done.start()
    done.join(300)
    assert not done.is_alive()
    assert len(seen) == 2


def test_a_custom_object_computes_with_subnormal_numbers(rng):
    products = []

    class Tiny:
        def propagate(self, delta):
            products.append(float(np.float64(1e-200) * np.float64(1e-115)))
            return np.zeros((len(delta), 30 if delta.shape[1] == 5 else 40))

    x, y = examples(rng)
    network(Tiny()).step(x, y, fa.SGD(0.1))
    assert products == [1e-315, 1e-315]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("betas", [(0.9, 0.0), (0.99, 0.5), (0.0, 0.9), (0.999999, 0.999999)])
def test_adam_never_makes_a_weight_infinite(betas, dtype):
    """v may outlive s: then the step is v / ε, and must still be finite."""
    net = fa.Network(1, [fa.Dense(1, "linear")], dtype=dtype)
    adam = fa.Adam(1e9, beta1=betas[0], beta2=betas[1], epsilon=1e-30)
    for x, y in [(1e3, 1e9), *[(0.0, 0.0)] * 40]:
        try:
            net.step([[x]], [[y]], adam)
        except fa.DivergenceError:
            break
        assert np.isfinite(net.weights[0]).all()


@pytest.mark.parametrize("beta2", [0.9999999, 0.99999999])
def test_adam_with_beta_close_to_one_is_right_in_float32(beta2):
    """1 - β₂ is rounded once, from double: the first step is η sign(g) whatever β is."""
    net = fa.Network(1, [fa.Dense(1, "linear", weight_scale=0, bias=False)], dtype="float32")
    net.step([[1.0]], [[1.0]], fa.Adam(1e-3, beta1=1 - 1e-8, beta2=beta2))
    assert net.weights[0][0, 0] == pytest.approx(1e-3, rel=1e-3)


def test_a_mirror_that_cannot_answer_leaves_feedback_alone(rng):
    """Noise beyond the limit of values: B stays, the step counts, nothing is infinite."""
    rule = fa.Feedback("uniform", plasticity=fa.WeightMirror(growth=0.5, noise=1e6))
    net = fa.Network(3, [fa.Dense(4, "tanh"), fa.Dense(2, "linear")], rule)
    net.weights[1][...] = 3e8
    before = np.array(net.feedback_matrices[0])
    x = np.zeros((2, 3))
    net.step(x, np.zeros((2, 2)), fa.SGD(1e-12))
    assert net.steps == 1
    np.testing.assert_array_equal(net.feedback_matrices[0], before)


def test_a_bad_number_of_threads_does_not_lock_the_network_up(run_python):
    run_python(
        """
import numpy as np, fastfa as fa
net = fa.Network(3, [fa.Dense(4), fa.Dense(2)])
for _ in range(2):
    try:
        net.forward(np.ones((1, 3)))
    except ValueError as error:
        assert "FASTFA_NUM_THREADS" in str(error)
    else:
        raise AssertionError
fa.set_num_threads(1)
net.forward(np.ones((1, 3)))
""",
        env={"FASTFA_NUM_THREADS": "abc"},
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_that_runs_out_leaves_a_usable_network(run_python):
    run_python(
        """
import resource
import numpy as np, fastfa as fa
fa.set_num_threads(1)
net = fa.Network(10, [fa.Dense(2000, "tanh"), fa.Dense(2000, "tanh"), fa.Dense(3)])
small, large = np.ones((5, 10)), np.ones((60_000, 10))
net.step(small, np.ones((5, 3)), fa.SGD(0.1))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**29,) * 2)
for call in (lambda: net.step(large, np.ones((60_000, 3)), fa.SGD(0.1)),
             lambda: fa.metrics.alignment(net, large, np.ones((60_000, 3)))) * 2:
    try:
        call()
    except MemoryError:
        continue
    raise AssertionError("there was enough memory")
net.step(small, np.ones((5, 3)), fa.SGD(0.1))
fa.metrics.alignment(net, small, np.ones((5, 3)))
"""
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sizes_beyond_all_addresses_are_no_memory(dtype):
    """In bytes, rounded up, it would be 2**64 and so nothing."""
    with pytest.raises(MemoryError):
        fa.Network(2**31 - 16, [fa.Dense(2**31 - 1, bias=False)], dtype=dtype)


def test_the_core_measures_no_alignment_of_nothing():
    net = fa.Network(4, [fa.Dense(3), fa.Dense(2)])
    nothing = np.empty((0, 4), "float32"), np.empty((0, 2), "float32")
    with pytest.raises(ValueError, match=r"\[alignment\] X has no rows"):
        net._net.alignment(*nothing, True, True, 0)


def test_removed_weights_are_zero_again_after_loading(rng):
    net = network(density=0.3)
    gone = net.weights[0] == 0
    state = net.state_dict()
    state["weights.0"][...] = 1.0
    net.load_state_dict(state)
    np.testing.assert_array_equal(net.weights[0] == 0, gone)


def test_a_scale_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"feedback\[0\].*scale.*float32"):
        network(fa.Feedback("ternary", density=1e-60))


def test_toarray_is_the_same_on_any_number_of_threads(restore_threads):
    rule = fa.Feedback("uniform", scale=2e-308)
    found = []
    for threads in (1, 2, 3):
        fa.set_num_threads(threads)
        found.append(rule.toarray(300, 300))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_alignment_can_be_interrupted(run_python):
    run_python(
        """
import os, signal, threading, time
import numpy as np, fastfa as fa
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
net = fa.Network(400, [fa.Dense(600, "tanh")] * 6 + [fa.Dense(10)])
x, y = np.ones((8000, 400), "f4"), np.ones((8000, 10), "f4")
begun = time.monotonic()
threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    for _ in range(1000):
        fa.metrics.alignment(net, x, y)
except KeyboardInterrupt:
    fa.metrics.alignment(net, x[:5], y[:5])
else:
    raise AssertionError
"""
    )


@pytest.mark.parametrize("count", [30, 90, 400])
def test_both_ways_to_the_gradient_angle_agree(count, rng):
    """Few examples: by pairs of them; many: by the gradients themselves."""
    net = network(dtype="float64")
    x, y = rng.standard_normal((count, 20)), rng.standard_normal((count, 5))
    own, bp = net.deltas(x, y), net.deltas(x, y, feedback="bp")
    inputs = [x, *net.activations(x)]
    for row in fa.metrics.alignment(net, x, y):
        g, b = (d[row.layer].T @ inputs[row.layer] for d in (own, bp))
        assert row.gradient_angle == pytest.approx(fa.metrics.angle(g.ravel(), b.ravel()), abs=1e-6)
