"""Ctrl-C stops a running epoch soon and leaves a network that can be used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")

# An epoch that would take many minutes; the parent interrupts it.
SOURCE = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
import numpy as np
import fastfa as fa
batch_size, threads = int(sys.argv[1]), int(sys.argv[2])
fa.set_num_threads(threads)
layers = [fa.Dense(1000, "logistic"), fa.Dense(10, "logistic")]
net = fa.Network(784, layers, "fa", loss="cross_entropy")
rng = np.random.default_rng(0)
x, y = rng.random((500, 784), dtype="float32"), np.eye(10, dtype="float32")[np.arange(500) % 10]
order = np.tile(np.arange(500), 40_000)
before = np.array(net.weights[0])
sgd = fa.SGD(1e-3)
began = time.perf_counter()
net.train_epoch(x, y, sgd, batch_size=batch_size, order=order[:batch_size])
print("ready", time.perf_counter() - began, flush=True)
try:
    net.train_epoch(x, y, sgd, batch_size=batch_size, order=order)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    steps = net.steps
    assert 1 < steps < 20_000_000 // batch_size
    assert not np.array_equal(before, net.weights[0])
    assert all(np.isfinite(a).all() for a in [*net.weights, *net.biases])
    net.train_epoch(x, y, sgd, batch_size=50)
    assert net.steps == steps + 10
    assert np.isfinite(net.forward(x)).all()
    print("usable", flush=True)
else:
    sys.exit("the epoch ended before it was interrupted")
"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 100, 5_000])
def test_ctrl_c_stops_a_running_epoch(batch_size, threads):
    child = subprocess.Popen(
        [sys.executable, "-c", SOURCE, str(batch_size), str(threads)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    too_late = threading.Timer(60, child.kill)  # so that a hang is a failure
    too_late.start()
    try:
        word, seconds = child.stdout.readline().split()
        assert word == "ready"
        time.sleep(max(1.0, 5 * float(seconds)))  # well inside the epoch: after several steps
        child.send_signal(signal.SIGINT)
        sent = time.monotonic()
        assert child.stdout.readline() == "interrupted\n"
        waited = time.monotonic() - sent
        out, err = child.communicate()
    finally:
        too_late.cancel()
        child.kill()
        child.wait()
    assert out == "usable\n", err
    assert child.returncode == 0, err
    assert waited < 5, "promised within a second; five allow for a busy machine"


def test_an_epoch_in_another_thread_does_not_swallow_the_interrupt(run_python):
    """Only the main thread can be interrupted; an epoch elsewhere ends by itself."""
    source = """
import threading
import numpy as np, fastfa as fa
net = fa.Network(20, [fa.Dense(50, "tanh"), fa.Dense(3, "linear")], "fa")
x, y = np.ones((100, 20)), np.ones((100, 3))
order = np.tile(np.arange(100), 200)
work = lambda: net.train_epoch(x, y, fa.SGD(1e-4), batch_size=1, order=order)
thread = threading.Thread(target=work)
thread.start()
thread.join(30)
assert not thread.is_alive() and net.steps == 20_000
print("done")
"""
    assert run_python(source).split() == ["done"]


def test_an_interrupt_that_python_drops_comes_again(run_python):
    """In a weak reference's callback, as SQLAlchemy has them, KeyboardInterrupt goes nowhere."""
    source = """
import signal, time, weakref
from fastfa.cli.interrupt import heard
signal.signal(signal.SIGINT, signal.default_int_handler)
class Thing: pass
thing = Thing()
def callback(_): raise KeyboardInterrupt
there = weakref.ref(thing, callback)
try:
    with heard():
        del thing
        time.sleep(20)
    print("lost")
except KeyboardInterrupt:
    print("heard")
"""
    assert run_python(source).split() == ["heard"]
