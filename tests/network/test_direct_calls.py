"""Arrays that are right as they are go straight to the core: the same results, the same errors."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest


def made(loss="squared_error", dtype="float32"):
    layers = [fa.Dense(5, "tanh"), fa.Dense(3, "logistic")]
    return fa.Network(4, layers, feedback="fa", loss=loss, seed=1, dtype=dtype)


def data(dtype="float32", n=7):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 4)).astype(dtype), rng.random((n, 3)).astype(dtype)


def misaligned(array):
    raw = bytearray(array.nbytes + 1)
    odd = np.frombuffer(raw, array.dtype, array.size, offset=1).reshape(array.shape)
    odd[...] = array
    assert not odd.flags.aligned
    return odd


class Own(np.ndarray):
    pass


FORMS = {
    "list": lambda a: a.tolist(),
    "float64": lambda a: a.astype("float64"),
    "columns first": np.asfortranarray,
    "every other row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "misaligned": misaligned,
    "view": lambda a: a[:],
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "subclass": lambda a: a.view(Own),
    "bytes swapped": lambda a: a.astype(a.dtype.newbyteorder()),
}


def learned(net, x, y):
    loss = net.step(x, y, fa.SGD(0.1, momentum=0.5)), net.step(x, y, fa.Adam(0.01))
    seen = [net.forward(x), *net.deltas(x, y), *net.weights, *net.evaluate(x, y), *loss]
    out = net.forward_step(x)
    net.apply_error(np.subtract(y, out), fa.SGD(0.1))
    return [np.array(value) for value in [*seen, out, *net.weights, *net.biases]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_bits_of_plain_arrays(form, dtype):
    x, y = data(dtype)
    expected = learned(made(dtype=dtype), x, y)
    found = learned(made(dtype=dtype), FORMS[form](x), FORMS[form](y))
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_plain_arrays_are_used_as_they_are(loss):
    net, (x, y) = made(loss), data()
    spec = fa.SGD(0.1)._spec()
    assert net._net.step(x, y, spec, loss == "cross_entropy") is not None
    assert net._net.usable(x, 4, False)
    assert net._net.usable(y, 3, True)
    for form in ("list", "float64", "columns first", "misaligned", "subclass", "bytes swapped"):
        assert net._net.step(FORMS[form](x), y, spec, False) is None, form
        assert net._net.step(x, FORMS[form](y), spec, False) is None, form


def changed(array, value, at=(2, 1)):
    array = array.copy()
    array[at] = value
    return array


CALLS = {
    "step": lambda net, x, y: net.step(x, y, fa.SGD(0.1)),
    "train_epoch": lambda net, x, y: net.train_epoch(x, y, fa.SGD(0.1), batch_size=2),
    "deltas": fa.Network.deltas,
    "evaluate": fa.Network.evaluate,
    "alignment": fa.metrics.alignment,
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("loss", "change", "told"),
    [
        ("squared_error", lambda x, y: (changed(x, np.nan), y), r"X has nan at \[2, 1\]"),
        ("squared_error", lambda x, y: (changed(x, -np.inf), y), r"X has -inf at \[2, 1\]"),
        ("squared_error", lambda x, y: (x, changed(y, np.nan)), r"Y has nan at \[2, 1\]"),
        ("cross_entropy", lambda x, y: (x, changed(y, np.inf)), r"Y has inf at \[2, 1\]"),
        ("cross_entropy", lambda x, y: (x, changed(y, -0.1)), r"Y lies in \[-0.1"),
        ("cross_entropy", lambda x, y: (x, changed(y, 1.5)), r"Y lies in \["),
        ("squared_error", lambda x, y: (x[:3], y), r"Y has shape \(7, 3\)"),
        ("squared_error", lambda x, y: (x[:, :3], y), r"X has shape \(7, 3\)"),
        ("squared_error", lambda x, y: (x[0], y[:1]), r"X has shape \(4,\)"),
        ("squared_error", lambda x, y: (x[:1], y[0]), r"Y has shape \(3,\)"),
        ("squared_error", lambda x, y: (x[:0], y[:0]), r"X has shape \(0, 4\)"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_changes(call, loss, change, told):
    net, before = made(loss), made(loss)
    x, y = change(*data())
    with pytest.raises(ValueError, match=told):
        CALLS[call](net, x, y)
    assert net.steps == 0
    for a, b in zip(net.weights, before.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_networks_own_arrays_are_copied_before_it_learns():
    def wide():
        layers = [fa.Dense(16, "tanh"), fa.Dense(16, "linear")]
        return fa.Network(16, layers, feedback="fa", seed=1)

    net, other, optimizer = wide(), wide(), fa.SGD(0.1)
    x, y = net.weights[1].T, net.weights[0].T
    assert x.flags.c_contiguous
    assert y.flags.c_contiguous
    assert net._net.step(x, np.zeros((16, 16), "float32"), optimizer._spec(), False) is None
    assert net._net.step(np.zeros((16, 16), "float32"), y, optimizer._spec(), False) is None
    for _ in range(3):
        net.step(x, y, optimizer)
        other.step(np.array(other.weights[1].T), np.array(other.weights[0].T), optimizer)
    for a, b in zip(net.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_each_call_has_the_optimizer_that_it_is_given():
    net, other = made(), made()
    x, y = data()
    fast, slow = fa.SGD(0.5), fa.SGD(0.001)
    for optimizer in (fast, slow, fast, fa.Adam(0.1), slow):
        net.step(x, y, optimizer)
        other.step(x.tolist(), y.tolist(), type(optimizer)(optimizer.lr))
    for a, b in zip(net.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    net.forward_step(x)
    with pytest.raises(TypeError, match="optimizer was None"):
        net.apply_error(y)  # step's isn't remembered for it
