"""Arrays both ways: what is taken in by conversion, and views that share the core's memory."""

from __future__ import annotations

import gc
import sys
import weakref

import fastfa as fa
import numpy as np
import pytest
from fastfa import _check
from fastfa.network import _arguments

SGD = fa.SGD(0.1)


def network(dtype="float32", feedback="fa") -> fa.Network:
    layers = [fa.Dense(n, "tanh") for n in (19, 7)] + [fa.Dense(3, "linear")]
    return fa.Network(5, layers, feedback, dtype=dtype)


def views(net: fa.Network) -> list[np.ndarray]:
    return [*net.weights, *net.biases, *net.feedback_matrices]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_views_are_writable_and_share_memory_with_the_network(dtype, rng):
    net = network(dtype)
    for first, second in zip(views(net), views(net), strict=True):
        assert first.flags.writeable
        assert not first.flags.owndata
        assert np.shares_memory(first, second)
    x = rng.standard_normal((4, 5))
    for w, b in zip(net.weights, net.biases, strict=True):
        w[...] = 0
        b[...] = 0
    net.biases[-1][...] = [1, 2, 3]
    np.testing.assert_array_equal(net.forward(x), np.tile([1, 2, 3], (4, 1)))


def test_one_element_written_is_one_element_changed(rng):
    net = network()
    before = net.state_dict()
    net.weights[1][6, 18] = 42
    after = net.state_dict()
    changed = {name: np.argwhere(before[name] != after[name]).tolist() for name in before}
    assert {name: where for name, where in changed.items() if where} == {"weights.1": [[6, 18]]}


def test_views_show_training_as_it_happens(rng):
    net = network()
    seen = views(net)
    before = [np.array(a) for a in seen]
    net.step(rng.random((4, 5)), rng.random((4, 3)), SGD)
    for a, b in zip(seen[:6], before[:6], strict=True):
        assert not np.array_equal(a, b)
    for a, b in zip(seen[6:], before[6:], strict=True):
        np.testing.assert_array_equal(a, b)  # feedback is fixed


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_view_keeps_the_memory_alive_without_the_network(dtype):
    net = network(dtype)
    expected = [np.array(a) for a in views(net)]
    kept = views(net)
    del net
    gc.collect()
    others = [network(dtype) for _ in range(50)]  # would take over freed memory
    for other in others:
        for a in views(other):
            a[...] = -1
    for a, b in zip(kept, expected, strict=True):
        np.testing.assert_array_equal(a, b)
        a[...] = 1.5
        assert (a == 1.5).all()


def test_a_network_without_views_is_freed():
    net = network()
    gone = weakref.ref(net)
    net.forward(np.zeros((1, 5)))
    del net
    gc.collect()
    assert gone() is None


@pytest.mark.skipif(sys.platform != "linux", reason="maxrss is in kilobytes on Linux only")
def test_making_training_and_dropping_networks_leaks_nothing(run_python):
    source = """
import resource
import numpy as np, fastfa as fa
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def once():
    layers = [fa.Dense(1000, "tanh"), fa.Dense(10, "linear")]
    net = fa.Network(784, layers, "fa")  # 3 MB of weights
    net.train_epoch(np.ones((8, 784)), np.ones((8, 10)), fa.SGD(1e-4, momentum=0.5), batch_size=3)
    views = net.weights, net.biases, net.feedback_matrices
    net.set_feedback("dfa")
    return net.deltas(np.ones((8, 784)), np.ones((8, 10)), feedback="bp")
for _ in range(10):
    once()
before = peak()
for _ in range(100):
    once()
assert peak() - before < 30, (before, peak())  # megabytes; one leaked network each would be 600
print("done")
"""
    assert run_python(source).split() == ["done"]


def test_old_feedback_views_outlive_the_switch_and_the_network():
    net = network()
    old = net.feedback_matrices
    expected = [np.array(b) for b in old]
    net.set_feedback("bp")
    net.set_feedback("dfa")
    del net
    gc.collect()
    others = [network() for _ in range(50)]
    for other in others:
        for b in other.feedback_matrices:
            b[...] = -1
    for a, b in zip(old, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def spellings(a: np.ndarray) -> dict[str, np.ndarray | list]:
    """The same numbers in other memory."""
    wide = np.zeros((2 * a.shape[0], 3 * a.shape[1]), a.dtype)
    wide[::2, ::3] = a
    padded = np.zeros((a.shape[0], a.shape[1] + 3), a.dtype)
    padded[:, 1:-2] = a
    odd = np.frombuffer(b"x" + a.tobytes(), dtype=np.uint8)[1:].view(a.dtype).reshape(a.shape)
    frozen = a.copy()
    frozen.flags.writeable = False
    return {
        "fortran order": np.asfortranarray(a),
        "strided": wide[::2, ::3],
        "rows with gaps": padded[:, 1:-2],
        "reversed twice": a[::-1, ::-1].copy()[::-1, ::-1],
        "other byte order": a.astype(a.dtype.newbyteorder()),
        "not aligned": odd,
        "read-only": frozen,
        "list": a.tolist(),
    }


def test_what_the_core_is_given_lies_where_numbers_may(rng):
    odd = spellings(rng.random((4, 3)))["not aligned"]
    assert not odd.flags.aligned
    given = _check.numeric("test", "odd", odd, np.dtype("float64"))
    assert given.flags.aligned
    np.testing.assert_array_equal(given, odd)
    order = np.frombuffer(b"x" + np.arange(3).tobytes(), np.uint8)[1:].view(np.int64)
    assert _arguments.order(order, 3).flags.aligned


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spelling", spellings(np.zeros((2, 2))))
def test_inputs_and_targets_in_any_memory_give_the_same_bits(spelling, dtype, rng):
    x, y = rng.random((9, 5)).astype(dtype), rng.random((9, 3)).astype(dtype)
    x2, y2 = spellings(x)[spelling], spellings(y)[spelling]
    left, right = network(dtype), network(dtype)
    assert left.step(x, y, SGD) == right.step(x2, y2, SGD)
    assert left.train_epoch(x, y, SGD, batch_size=2) == right.train_epoch(x2, y2, SGD, batch_size=2)
    np.testing.assert_array_equal(left.forward(x), right.forward(x2))
    for a, b in zip(left.deltas(x, y), right.deltas(x2, y2), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(views(left), views(right), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "kind", ["float16", "float32", "float64", "int8", "uint16", "int64", "bool"]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_real_numbers_of_any_kind_are_converted(kind, dtype, rng):
    x, y = rng.integers(0, 2, (9, 5)), rng.integers(0, 2, (9, 3))
    left, right = network(dtype), network(dtype)
    left.step(x.astype(dtype), y.astype(dtype), SGD)
    right.step(x.astype(kind), y.astype(kind), SGD)
    for a, b in zip(views(left), views(right), strict=True):
        np.testing.assert_array_equal(a, b)


def test_inputs_and_targets_are_never_written(rng):
    x, y = rng.random((9, 5)).astype("float32"), rng.random((9, 3)).astype("float32")
    order = np.arange(9)[::-1].copy()
    kept = x.copy(), y.copy(), order.copy()
    net = network()
    net.step(x, y, SGD)
    net.train_epoch(x, y, SGD, batch_size=1, order=order)
    net.train_epoch(x, y, SGD, batch_size=4, order=order)
    net.forward(x), net.deltas(x, y), net.evaluate(x, y)
    for a, b in zip((x, y, order), kept, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_network_may_be_fed_its_own_weights(transposed, dtype, rng):
    """Inputs that share memory with the weights are read as they were when the call began."""
    layers = [fa.Dense(16, "tanh"), fa.Dense(16, "linear")]
    net, other = (fa.Network(16, layers, "fa", dtype=dtype) for _ in range(2))
    y = rng.random((16, 16))
    for batch_size in (16, 1):
        own = net.weights[0].T if transposed else net.weights[0]
        copy = np.array(other.weights[0].T if transposed else other.weights[0])
        net.train_epoch(own, y, SGD, batch_size=batch_size)
        other.train_epoch(copy, y, SGD, batch_size=batch_size)
        for a, b in zip(net.weights, other.weights, strict=True):
            np.testing.assert_array_equal(a, b)


def test_views_can_be_used_like_any_array():
    net = network("float64")
    w = net.weights[0]
    expected = np.array(w)
    np.testing.assert_array_equal(w @ np.ones(5), expected @ np.ones(5))
    assert w.T.shape == (5, 19)
    w *= 2
    np.testing.assert_array_equal(net.weights[0], 2 * expected)
    w[3] = 0
    assert not net.weights[0][3].any()
    np.copyto(net.weights[0], expected)
    np.testing.assert_array_equal(w, expected)
