"""A fork while other threads work: what they held, the child can't use, and it is told so."""

from __future__ import annotations

import pytest

FORK = """
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of any fork beside threads
import numpy as np, fastfa as fa
fa.set_num_threads(2)
X = np.random.default_rng(0).random((4000, 20), dtype="float32")
Y = X[:, :2].copy()
sgd = fa.SGD(1e-4)
def network(seed=0, feedback="fa"):
    return fa.Network(20, [fa.Dense(150, "tanh"), fa.Dense(2)], feedback, seed=seed)

def in_child(what, seconds=20):
    # what(), in a forked child: its exit status, or an error if it hangs
    child = os.fork()
    if child == 0:
        status = 9
        try:
            status = what()
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(status)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "it hangs"

def refused(*calls):
    # 0 if each raises the error that tells of the fork
    for i, call in enumerate(calls):
        try:
            call()
        except RuntimeError as error:
            if "forked while a thread worked with this network" not in str(error):
                os.write(2, f"call {i}: {error}".encode())
                return 2
        else:
            os.write(2, f"call {i} was done".encode())
            return 3
    return 0

def at_work(work):
    # a thread that does nothing else; returns once it is in the core
    stop = threading.Event()
    def go():
        while not stop.is_set():
            work()
    thread = threading.Thread(target=go)
    thread.start()
    time.sleep(0.05)
    def end():
        stop.set()
        thread.join()
    return end
"""

HELD = """
inside, go_on = threading.Event(), threading.Event()
class Waits:   # while it waits, the thread that trains holds the network, and those of its ensemble
    route = "layerwise"
    def propagate(self, delta):
        inside.set()
        go_on.wait()
        return np.zeros((len(delta), 150))
def held_by(work):
    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    def end():
        go_on.set()
        thread.join()
    return end
"""

EVERY_CALL = """
net, other = network(), network(1)
fa.set_num_threads(2)
together = fa.Ensemble([net, network(2, Waits())])
net.step(X[:5], Y[:5], sgd)
end = held_by(lambda: together.train_epoch(X[:40], Y[:40], sgd, batch_size=20))
def calls():
    few, wanted = X[:5], Y[:5]
    status = refused(
        lambda: net.forward(few), lambda: net.evaluate(few, wanted), lambda: net.activations(few),
        lambda: net.deltas(few, wanted), lambda: net.step(few, wanted, sgd),
        lambda: net.train_epoch(few, wanted, sgd, batch_size=2), lambda: net.set_feedback("dfa"),
        lambda: net.state_dict(), lambda: net.weights, lambda: net.biases,
        lambda: net.feedback_matrices, lambda: net.feedback_scales, lambda: net.forward_step(few),
        lambda: fa.metrics.alignment(net, few, wanted), lambda: fa.save("lost.safetensors", net),
        lambda: net.load_state_dict(other.state_dict()), lambda: net._net.progress(),
        lambda: net._net.step_state(), lambda: fa.Ensemble([net, other]).train_epoch(
            few, wanted, sgd, batch_size=2),
    )
    if status:
        return status
    assert net.steps > 0   # a number that is always whole
    fresh = network(1)     # a network that no thread held works, with a new thread team
    for n in (other, fresh):
        n.train_epoch(X[:100], Y[:100], sgd, batch_size=20)
    return 0 if np.array_equal(other.weights[0], fresh.weights[0]) else 4
for _ in range(3):
    print(in_child(calls))
end()
steps = net.steps
net.step(X, Y, sgd)   # and the parent goes on
assert net.steps == steps + 1
"""

WHILE_OTHERS = """
kinds = {
    "ensemble": lambda: fa.Ensemble(nets).train_epoch(X, Y, sgd, batch_size=20),
    "lanes": lambda: fa.Ensemble(nets).train_epoch(X, Y, sgd, batch_size=1),
    "evaluate": lambda: [n.evaluate(X, Y) for n in nets],
    "set_feedback": lambda: [n.set_feedback("dfa") for n in nets],
    "make": lambda: network(),
    "threads": lambda: (fa.set_num_threads(3), fa.set_num_threads(2), fa.get_num_threads()),
}
nets = [network(i) for i in range(2)]
if kind == "lanes":
    nets = [fa.Network(20, [fa.Dense(3, "tanh"), fa.Dense(2)], seed=i) for i in range(8)]
end = at_work(kinds[kind])
def calls():
    # an answer or the error, but no hang; and a new network works
    for call in (lambda: nets[0].forward(X[:3]), lambda: nets[0].feedback_matrices,
                 lambda: fa.Ensemble(nets).train_epoch(X[:9], Y[:9], sgd, batch_size=2)):
        try:
            call()
        except RuntimeError as error:
            if "was forked" not in str(error):
                raise
    fresh = network(7)
    fresh.train_epoch(X[:100], Y[:100], sgd, batch_size=20)
    fa.Ensemble([fresh, network(8)]).train_epoch(X[:9], Y[:9], sgd, batch_size=2)
    fa.set_num_threads(2)
    return 0
for _ in range(4):
    print(in_child(calls))
end()
"""

WITHIN = """
# The forking thread's own call is still under way: in the child too, which may end it.
class Forks:
    route = "layerwise"
    statuses = []
    def propagate(self, delta):
        if not self.statuses:
            self.statuses.append(None)
            child = os.fork()
            if child == 0:
                self.child = True
            else:
                self.statuses[0] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return np.zeros((len(delta), 150))
    child = False
forks = Forks()
net = network(0, forks)
signal.alarm(30)
net.train_epoch(X[:200], Y[:200], sgd, batch_size=20)
net.forward(X[:300])
if forks.child:
    os._exit(0 if net.steps == 10 else 5)
assert net.steps == 10
print(forks.statuses[0])
"""


def test_each_call_of_a_network_that_a_thread_held_is_refused(run_python):
    assert run_python(FORK + HELD + EVERY_CALL).split() == ["0"] * 3


@pytest.mark.parametrize(
    "kind", ["ensemble", "lanes", "evaluate", "set_feedback", "make", "threads"]
)
def test_no_child_hangs_whatever_other_threads_do(kind, run_python):
    assert run_python(FORK + f"kind = {kind!r}\n" + WHILE_OTHERS).split() == ["0"] * 4


def test_a_fork_within_a_call_of_ones_own(run_python):
    assert run_python(FORK + WITHIN).split() == ["0"]


THROUGH_C = """
import ctypes as c, capi
from capi import Feedback, Layer, view
waits = Waits()
def propagate(user, delta, n, n_source, out, n_l):
    waits.propagate(np.empty(n))
    c.memset(out, 0, 8 * n * n_l)
    return 0
own = Feedback(matrix=b"custom", propagate=capi.PROPAGATE(propagate))
net = capi.Network(20, [Layer(units=150, activation=b"tanh"), Layer(units=2)], [own])
optimizer = capi.Optimizer(lr=1e-4)
train = (view(X), view(Y), c.byref(optimizer), c.c_int64(20), None, c.c_int64(0), None, None, None)
end = held_by(lambda: net.call("train_epoch", *train))
out = np.zeros((5, 2), "float32")
def calls():
    few = view(X[:5]), view(out)
    for status in (net.call("forward", *few), net.call("reset_memory"), net.call("save", b"x"),
                   net.call("weights", c.c_int64(0), c.byref(capi.Tensor()))):
        if status != capi.STATUS["FAILED"] or "was forked" not in capi.last_error():
            return 2
    return 0
print(in_child(calls))
end()
"""


def test_the_same_by_c(run_python):
    assert run_python(FORK + HELD + THROUGH_C).split() == ["0"]
