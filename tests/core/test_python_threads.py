"""Many Python threads at once, and processes that are forked after training."""

from __future__ import annotations

import threading

import fastfa as fa
import numpy as np
import pytest
from thread_cases import SHAPES, data, network, run_all

pytestmark = pytest.mark.usefixtures("restore_threads")


@pytest.mark.parametrize("batch", [1, 20])
def test_python_threads_train_different_networks_as_if_alone(batch):
    fa.set_num_threads(2)
    x, y = data(SHAPES["mnist"], 60, "float32")
    together = [network(SHAPES["mnist"], "float32", seed=seed) for seed in range(4)]
    alone = [network(SHAPES["mnist"], "float32", seed=seed) for seed in range(4)]

    def train(net):
        for _ in range(3):
            net.train_epoch(x, y, fa.SGD(0.1), batch_size=batch)

    run_all([lambda net=net: train(net) for net in together])
    for left, right in zip(together, alone, strict=True):
        train(right)
        for a, b in zip(left.weights, right.weights, strict=True):
            np.testing.assert_array_equal(a, b)


def test_python_threads_may_use_one_network_at_once():
    """Calls on one network take turns, so none sees another's half-made numbers."""
    fa.set_num_threads(2)
    x, y = data(SHAPES["mnist"], 40, "float32")
    net = network(SHAPES["mnist"], "float32")

    def train():
        for _ in range(4):
            net.train_epoch(x, y, fa.SGD(0.01), batch_size=5)

    def look():
        for _ in range(20):
            assert np.isfinite(net.forward(x)).all()
            assert np.isfinite(net.deltas(x, y)[0]).all()

    def switch():
        for rule in ["bp", "dfa", "shallow", "fa"] * 5:
            net.set_feedback(rule)

    run_all([train, train, look, switch])
    assert net.steps == 2 * 4 * 8
    assert np.isfinite(net.weights[0]).all()


def test_the_team_may_be_resized_while_others_train():
    x, y = data(SHAPES["mnist"], 20, "float32")
    nets = [network(SHAPES["mnist"], "float32", seed=seed) for seed in range(3)]

    def train(net):
        for _ in range(10):
            net.train_epoch(x, y, fa.SGD(0.01), batch_size=4)

    def resize():
        for i in range(100):
            fa.set_num_threads(1 + i % 4)

    run_all([lambda net=net: train(net) for net in nets] + [resize])
    alone = network(SHAPES["mnist"], "float32", seed=1)
    train(alone)
    np.testing.assert_array_equal(nets[1].weights[0], alone.weights[0])


def test_the_gil_is_released_while_an_epoch_runs():
    """Another Python thread goes on counting; with the GIL held it could not count at all."""
    x, y = data(SHAPES["mnist"], 200, "float32")
    net = network(SHAPES["mnist"], "float32")
    counts = [0]
    counting, stop = threading.Event(), threading.Event()

    def count():
        while not stop.is_set():
            counts[0] += 1
            counting.set()

    counter = threading.Thread(target=count, daemon=True)
    counter.start()
    counting.wait(100)
    before = counts[0]
    order = np.tile(np.arange(200), 20)
    net.train_epoch(x, y, fa.SGD(0.01), batch_size=100, order=order)
    after = counts[0]
    stop.set()
    counter.join(100)
    assert after - before > 100


READING = """
import threading, time
import numpy as np
import fastfa as fa
net = fa.Network(100, [fa.Dense(64), fa.Dense(10)])
x = np.random.default_rng(0).random((2000, 100), dtype="float32")
order = np.tile(np.arange(2000), 40)
net.forward_step(x[:1])
data, how = (x, x[:, :10].copy(), fa.SGD(1e-4)), {"order": order, "batch_size": 1}
learner = threading.Thread(target=net.train_epoch, args=data, kwargs=how)
learner.start()
while learner.is_alive():
    net.state
    try:
        net.feedback_step([0] * 10)  # a list: converted in Python, which asks for how many examples
    except RuntimeError:
        pass  # there is no pass to go on with
print("read", end="")
"""


def test_what_a_step_left_may_be_read_while_another_thread_trains(run_python):
    """It waits for the network without holding the GIL, which the one who trains asks for."""
    assert run_python(READING) == "read"


DROPPING = """
import threading
import numpy as np
import fastfa as fa
net = fa.Network(20, [fa.Dense(16), fa.Dense(4)])
x = np.random.default_rng(0).random((8, 20), dtype="float32")
stop = threading.Event()
def learn():
    while not stop.is_set():
        net.forward_step(x[:3])
        net.forward_step(x[:2])
        net.feedback_step(x[:2, :4])
        net.train_epoch(x, x[:, :4].copy(), fa.SGD(1e-4), batch_size=8)  # drops the pass
learner = threading.Thread(target=learn)
learner.start()
kept = set()
try:
    for _ in range(20000):
        state = net.state
        kept.add(state and len(state.activations[0]))
finally:
    stop.set()
learner.join()
print(kept <= {None, 2, 3}, end="")
"""


def test_a_pass_that_another_thread_drops_is_read_whole_or_not_at_all(run_python):
    """Its size is asked for first, then its arrays are filled; in between it may change."""
    assert run_python(DROPPING) == "True"


FORK = """
import os, signal, sys, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of any fork beside threads
import numpy as np
import fastfa as fa
fa.set_num_threads(2)
def network():
    layers = [fa.Dense(1000, "logistic"), fa.Dense(10, "logistic")]
    return fa.Network(784, layers, "fa", loss="cross_entropy")
x = np.random.default_rng(0).random((200, 784), dtype="float32")
y = np.eye(10, dtype="float32")[np.arange(200) % 10]
sgd = fa.SGD(0.1)
net = network()
net.train_epoch(x, y, sgd, batch_size=20)   # the thread team is up
twin = network()
twin.train_epoch(x, y, sgd, batch_size=20)
child = os.fork()
if child == 0:
    net.train_epoch(x, y, sgd, batch_size=20)
    fresh = network()
    for _ in range(2):
        fresh.train_epoch(x, y, sgd, batch_size=20)
    same = np.array_equal(net.weights[0], fresh.weights[0])
    os._exit(0 if same else 3)
deadline = time.monotonic() + 200
while time.monotonic() < deadline:
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        break
    time.sleep(0.01)
else:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    sys.exit("the child hangs")
assert os.waitstatus_to_exitcode(status) == 0, os.waitstatus_to_exitcode(status)
net.train_epoch(x, y, sgd, batch_size=20)   # and the parent goes on
twin.train_epoch(x, y, sgd, batch_size=20)
assert np.array_equal(net.weights[0], twin.weights[0])
print("done")
"""


def test_a_forked_child_can_train(run_python):
    assert run_python(FORK, timeout=300).split() == ["done"]


MULTIPROCESSING = """
import multiprocessing, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import numpy as np
import fastfa as fa
def train(seed):
    net = fa.Network(784, [fa.Dense(500, "tanh"), fa.Dense(10, "linear")], "fa", seed=seed)
    x = np.random.default_rng(0).random((50, 784), dtype="float32")
    net.train_epoch(x, x[:, :10], fa.SGD(0.01), batch_size=10)
    return float(net.weights[0][3, 4])
here = [train(seed) for seed in range(4)]
with multiprocessing.get_context("fork").Pool(2) as pool:
    there = pool.map_async(train, range(4)).get(timeout=300)
assert here == there, (here, there)
print("done")
"""


def test_a_forked_pool_of_workers_can_train(run_python):
    assert run_python(MULTIPROCESSING, timeout=300).split() == ["done"]
