"""Threads that still work when the interpreter ends: the process ends as if they had not been there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WORKING = """
import sys, threading, time
import numpy as np, fastfa as fa
fa.set_num_threads(2)
r = np.random.default_rng(0)
X = r.standard_normal((2000, 6)).astype("float32")
Y = np.eye(2, dtype="float32")[(X[:, 0] > 0) * 1]
class Own:
    route = "layerwise"
    def propagate(self, delta):
        total = sum(float(d) for d in delta[:20, 0])   # Python gives the GIL away within
        return np.full((len(delta), 60), total)
feedback = Own() if "custom" in sys.argv[1] else "fa"
def network(seed=0, widths=(60,)):
    hidden = [fa.Dense(n, "tanh") for n in widths]
    return fa.Network(6, [*hidden, fa.Dense(2)], feedback if widths == (60,) else "fa", seed=seed)
net, tiny = network(), network(widths=(4,))
some = fa.Ensemble([network(i) for i in range(3)])
many = fa.Ensemble([network(i, (4,)) for i in range(8)])
sgd = fa.SGD(1e-4)
def diverge():
    try:
        network().train_epoch(1e6 * X, Y, fa.SGD(1e8), batch_size=20)
    except fa.DivergenceError:
        pass
def step():
    net.forward_step(X[:3]); net.apply_error(Y[:3], sgd)
WORK = {
    "train": lambda: net.train_epoch(X, Y, sgd, batch_size=20),
    "online": lambda: net.train_epoch(X, Y, sgd, batch_size=1),
    "tiny": lambda: tiny.train_epoch(X, Y, sgd, batch_size=1),
    "custom train": lambda: net.train_epoch(X, Y, sgd, batch_size=20),
    "ensemble": lambda: some.train_epoch(X, Y, sgd, batch_size=20),
    "lanes": lambda: many.train_epoch(X, Y, sgd, batch_size=1),
    "custom ensemble": lambda: some.train_epoch(X, Y, sgd, batch_size=20),
    "evaluate": lambda: net.evaluate(X, Y),
    "forward": lambda: net.forward(X),
    "deltas": lambda: net.deltas(X, Y),
    "custom deltas": lambda: net.deltas(X, Y),
    "set_feedback": lambda: net.set_feedback("dfa"),
    "custom set_feedback": lambda: net.set_feedback(feedback),
    "alignment": lambda: fa.metrics.alignment(net, X, Y),
    "diverge": diverge,
    "parts": step,
    "custom parts": step,
    "trainer": lambda: fa.Trainer(network(), sgd, epochs=2, batch_size=20).fit((X, Y)),
}
work = WORK[sys.argv[1]]
work()
def go():
    while True:
        work()
for _ in range(2):
    threading.Thread(target=go, daemon=True).start()
time.sleep(0.03)
print("ended")
"""
KINDS = [
    "train",
    "online",
    "tiny",
    "custom train",
    "ensemble",
    "lanes",
    "custom ensemble",
    "evaluate",
    "forward",
    "deltas",
    "custom deltas",
    "set_feedback",
    "custom set_feedback",
    "alignment",
    "diverge",
    "parts",
    "custom parts",
    "trainer",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_daemon_thread_at_work_does_not_hinder_the_end(kind):
    """Up to Python 3.13 the GIL can't be had again then, and what asks for it is torn down."""
    done = subprocess.run(
        [sys.executable, "-c", WORKING, kind],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr[-2000:]


LAST_WORDS = """
import atexit, os
import numpy as np, fastfa as fa
x, y = np.ones((5, 3), "float32"), np.ones((5, 1), "float32")
net = fa.Network(3, [fa.Dense(4, "tanh"), fa.Dense(1)])
space = {}
exec('''
class Own:   # in a module of its own, for the core keeps it and all that it can name
    route = "layerwise"
    def propagate(self, delta):
        return [[value] * 4 for value in delta[:, 0]]
''', space)
class Last:
    def __init__(self, feedback):
        self.net = fa.Network(3, [fa.Dense(4, "tanh"), fa.Dense(1)], feedback)
        self.x, self.y, self.sgd = x, y, fa.SGD(0.1)
    def __del__(self):   # while the interpreter ends, by the thread that ends it
        self.net.train_epoch(self.x, self.y, self.sgd, batch_size=2)
        os.write(1, f"last {self.net.steps} ".encode())
first, second = Last("fa"), Last(space["Own"]())
atexit.register(lambda: print("atexit", net.step(x, y, fa.SGD(0.1)) > 0, flush=True))
"""


def test_the_thread_that_ends_the_interpreter_still_has_the_gil(run_python):
    assert run_python(LAST_WORDS) == "atexit True\nlast 3 last 3 "
