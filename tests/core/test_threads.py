"""The same bits with any number of threads; many Python threads at once; a fork after training."""

from __future__ import annotations

import threading

import fastfa as fa
import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("restore_threads")

SHAPES = {  # wide enough that the work is really split, odd enough that it does not split evenly
    "mnist": (784, 1000, 10),
    "deep": (300, 517, 401, 130, 3),
    "narrow": (7, 5, 2),
    "local": (
        (2, 15, 13),
        fa.LocallyConnected2D(7, (5, 4), stride=(2, 1), activation="logistic"),
        fa.LocallyConnected2D(19, 3, padding="same", activation="tanh"),
        33,
        3,
    ),
    "local, by rows": (
        (2, 15, 29),
        fa.LocallyConnected2D(7, (5, 4), stride=(2, 1), activation="logistic"),
        33,
        3,
    ),
}


def network(widths, dtype, rule="fa", seed=0, density=1.0):
    layers = [
        fa.Dense(n, "logistic", density=density) if isinstance(n, int) else n for n in widths[1:]
    ]
    return fa.Network(widths[0], layers, rule, loss="cross_entropy", seed=seed, dtype=dtype)


def data(widths, count, dtype, seed=0):
    rng = np.random.default_rng(seed)
    n = int(np.prod(widths[0]))
    x = rng.random((count, n)) * (rng.random((count, n)) < 0.3)
    return x.astype(dtype), rng.random((count, widths[-1])).astype(dtype)


MOMENTUM = fa.SGD(0.1, momentum=0.5, weight_decay=1e-4)


def everything(widths, dtype, batch, rule, sgd=MOMENTUM, density=1.0) -> dict[str, np.ndarray]:
    """All that a network can show after a short training."""
    net = network(widths, dtype, rule, density=density)
    count = max(3 * batch // 2, 5)
    x, y = data(widths, count, dtype)
    losses = [net.train_epoch(x, y, sgd, batch_size=batch) for _ in range(2)]
    losses.append(net.step(x[:batch], y[:batch], sgd))
    result = dict(net.state_dict())
    result["losses"] = np.array([*losses, *net.evaluate(x, y)])
    result["forward"] = net.forward(x)
    result.update({f"deltas {i}": d for i, d in enumerate(net.deltas(x, y))})
    result.update({f"feedback {i}": b for i, b in enumerate(net.feedback_matrices)})
    for row in fa.metrics.alignment(net, x, y, pseudobackprop=False):
        result[f"alignment {row.layer}"] = np.hstack(list(row.as_dict().values()))
    return result


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 7, 100])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rule", ["bp", "fa", "dfa"])
def test_any_number_of_threads_gives_the_same_bits(rule, shape, batch, dtype):
    fa.set_num_threads(1)
    alone = everything(SHAPES[shape], dtype, batch, rule)
    for count in (2, 3):
        fa.set_num_threads(count)
        assert fa.get_num_threads() == count
        together = everything(SHAPES[shape], dtype, batch, rule)
        for name, value in alone.items():
            assert value.tobytes() == together[name].tobytes(), (name, count)


DIRECT = {"route": "direct"}
MORE_RULES = {
    "orthogonal": fa.Feedback("orthogonal"),
    "sparse": fa.Feedback("sparse", density=0.1),
    "low_rank": fa.Feedback("low_rank", rank=3),
    "binary": fa.Feedback("binary"),
    "ternary": fa.Feedback("ternary"),
    "hadamard": fa.Feedback("hadamard"),
    "procedural": fa.Feedback("procedural"),
    "direct binary": fa.Feedback("binary", **DIRECT),
    "direct hadamard": fa.Feedback("hadamard", **DIRECT),
    "target procedural": fa.Feedback("procedural", route="target"),
    "drtp": "drtp",
    "usf": "usf",
    "frsf": "frsf",
    "brsf": "brsf",
    "kp": "kp",
    "direct kp": fa.Feedback("uniform", plasticity="kolen_pollack", **DIRECT),
    "wm": "wm",
    "perturbed": fa.NodePerturbation(0.1),
}


@pytest.mark.parametrize("rule", MORE_RULES)
def test_every_kind_of_feedback_gives_the_same_bits(rule):
    """Batches of one and of many, both optimizers, dense and sparse weights, in turn."""
    settings = [
        ("mnist", "float32", 1, MOMENTUM, 1.0),
        ("deep", "float64", 7, fa.Adam(1e-3), 0.5),
        ("deep", "float32", 100, MOMENTUM, 1.0),
    ]
    for shape, dtype, batch, optimizer, density in settings:
        seen = []
        for count in (1, 2, 3):
            fa.set_num_threads(count)
            arguments = SHAPES[shape], dtype, batch, MORE_RULES[rule], optimizer, density
            seen.append(everything(*arguments))
        for together in seen[1:]:
            for name, value in seen[0].items():
                assert value.tobytes() == together[name].tobytes(), (name, shape)


@pytest.mark.parametrize("batch", [1, 7, 100])
@pytest.mark.parametrize("rule", [rule for rule in MORE_RULES if rule != "wm"])
def test_every_kind_of_feedback_through_local_layers_gives_the_same_bits(rule, batch):
    optimizer, dtype = (fa.Adam(1e-3), "float64") if batch == 7 else (MOMENTUM, "float32")
    seen = []
    for count in (1, 2, 3):
        fa.set_num_threads(count)
        seen.append(everything(SHAPES["local"], dtype, batch, MORE_RULES[rule], optimizer))
    for together in seen[1:]:
        for name, value in seen[0].items():
            assert value.tobytes() == together[name].tobytes(), name


def test_the_pseudoinverse_gives_the_same_bits():
    """By itself, for it takes long; and the angle to it."""
    x, y = data((50, 70, 60, 5), 30, "float32")
    seen = []
    for count in (1, 2, 3):
        fa.set_num_threads(count)
        net = network((50, 70, 60, 5), "float32", fa.Feedback("pseudoinverse", refresh=2))
        net.train_epoch(x, y, fa.SGD(0.1), batch_size=6)
        rows = fa.metrics.alignment(net, x, y, pseudobackprop=True)
        angles = np.array([row.angle_pbp for row in rows])
        seen.append([*net.weights, *net.deltas(x, y), *net.feedback_matrices, angles])
    for together in seen[1:]:
        for left, right in zip(seen[0], together, strict=True):
            assert left.tobytes() == right.tobytes()


def test_the_number_of_threads_may_change_while_a_network_lives():
    x, y = data(SHAPES["mnist"], 30, "float32")
    nets = [network(SHAPES["mnist"], "float32") for _ in range(2)]
    for count in (1, 3, 2, 1, 2):
        fa.set_num_threads(count)
        nets[0].train_epoch(x, y, fa.SGD(0.1), batch_size=4)
    fa.set_num_threads(1)
    for _ in range(5):
        nets[1].train_epoch(x, y, fa.SGD(0.1), batch_size=4)
    np.testing.assert_array_equal(nets[0].weights[0], nets[1].weights[0])


def run_all(jobs) -> None:
    """Each job in a Python thread of its own; re-raises what any of them raised."""
    errors: list[BaseException] = []

    def guarded(job):
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    if errors:
        raise errors[0]


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


@pytest.mark.parametrize("count", ["1", "2", "3"])
def test_the_environment_sets_the_number_of_threads(count, run_python):
    source = "import fastfa as fa; print(fa.get_num_threads(), fa.build_info()['threads'])"
    assert run_python(source, env={"FASTFA_NUM_THREADS": count}).split() == [count, count]


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5"])
def test_a_wrong_number_of_threads_in_the_environment_is_explained(wrong, run_python):
    source = f"""
import sys
try:
    import fastfa as fa
    fa.get_num_threads()
except Exception as error:
    assert "FASTFA_NUM_THREADS" in str(error), error
    assert {wrong!r} in str(error), error
    sys.exit(0)
sys.exit("it was taken")
"""
    run_python(source, env={"FASTFA_NUM_THREADS": wrong})


def test_a_process_ends_while_its_thread_team_sleeps(run_python):
    source = """
import numpy as np, fastfa as fa
fa.set_num_threads(3)
net = fa.Network(784, [fa.Dense(1000, "tanh"), fa.Dense(10, "linear")], "fa")
net.train_epoch(np.ones((20, 784)), np.ones((20, 10)), fa.SGD(1e-4), batch_size=5)
print("done")
"""
    assert run_python(source, timeout=300).split() == ["done"]


@pytest.mark.parametrize("threads", [1, 2])
def test_training_leaves_the_callers_subnormal_numbers_alone(threads):
    """The core flushes subnormal numbers while it computes, and only then."""
    fa.set_num_threads(threads)
    net = fa.Network(784, [fa.Dense(1000, "tanh"), fa.Dense(10, "linear")], "fa")
    net.train_epoch(np.ones((20, 784)), np.ones((20, 10)), fa.SGD(1e-4), batch_size=5)
    tiny = np.full(64, 1e-40, np.float32)
    assert (tiny * np.float32(0.5) > 0).all()
    with pytest.raises(ValueError, match="X"):
        net.forward(np.ones((2, 3)))
    net.weights[0][...] = np.nan
    with pytest.raises(fa.DivergenceError):
        net.forward(np.ones((2, 784)))
    assert (tiny * np.float32(0.5) > 0).all()
