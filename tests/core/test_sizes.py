"""Sizes beyond what can be counted, numbered or held: an error that names them, and nothing happens."""

from __future__ import annotations

import ctypes as c
from fractions import Fraction

import capi
import fastfa as fa
import numpy as np
import pytest
from capi import LIBRARY, STATUS, Layer, last_error

MIB = 2**20
HUGE = 2**31 - 1  # the most units of a layer


def local(maps, kernel, padding="same", **more):
    return fa.LocallyConnected2D(maps, kernel, padding=padding, **more)


@pytest.mark.parametrize(
    ("shape", "layer"),
    [
        ((2, 2), local(16, (2**30, 2**30))),  # 2^64 numbers a position
        ((2, 2), local(111620, (429509837, 384773))),  # a bit more than 2^64
        ((2, 2), local(1, (2**30, 2**30))),
        ((2, 2), local(2**30, (2**15, 2**15))),
        ((2**10, 2**10), local(2, (2**29, 2**28))),
        ((HUGE, 1, 1), local(1, (HUGE, 1))),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_local_weights_that_cannot_be_counted(shape, layer, dtype):
    with pytest.raises((ValueError, MemoryError), match=r"^\[Network\] layers\[0\]"):
        fa.Network(shape, [layer, fa.Dense(1)], dtype=dtype)


@pytest.mark.parametrize(
    ("shape", "layers", "where"),
    [
        (HUGE, [HUGE], r"layers\[0\]"),
        (4, [4, HUGE, HUGE], r"layers\[1\]"),
        (MIB, [4 * MIB, 1], r"layers\[0\]"),
        (4, [MIB, MIB], r"layers\[1\]"),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_layer_too_large_for_memory_is_named_with_its_bytes(shape, layers, where, dtype):
    n_in = ([shape, *layers])[int(where[-3])]
    bytes_of = n_in * layers[int(where[-3])] * np.dtype(dtype).itemsize
    near = str(bytes_of)[:8]  # told by way of a float
    if bytes_of < 2**53:
        near = str(bytes_of)
    small = fa.Feedback("zero")
    with pytest.raises(
        MemoryError, match=rf"^\[Network\] {where} takes about {near}\d* bytes; there"
    ):
        fa.Network(shape, [fa.Dense(n) for n in layers], small, dtype=dtype)


def test_feedback_too_large_for_memory_is_named_with_its_bytes():
    layers = [fa.Dense(MIB, bias=False), fa.Dense(1), fa.Dense(MIB, bias=False)]
    rules = [fa.Feedback("normal", route="direct"), fa.Feedback("zero")]
    text = rf"^\[Network\] feedback\[0\] takes about {4 * MIB**2} bytes; there is not so much"
    with pytest.raises(MemoryError, match=text):
        fa.Network(1, layers, rules)
    net = fa.Network(1, layers, "shallow")
    before = net.weights[0][:9].copy()
    with pytest.raises(MemoryError, match=text):
        net.set_feedback(rules)
    assert net.feedback[0].matrix == "zero"
    np.testing.assert_array_equal(net.weights[0][:9], before)


@pytest.mark.parametrize("shape", [(2**40, 2**40), (2**31, 1), (2**16, 2**15), (2**20, 2**20, 2)])
def test_inputs_that_cannot_be_numbered(shape):
    with pytest.raises(ValueError, match=r"^\[Network\] input"):
        fa.Network(shape, [fa.Dense(1)])


def test_units_that_cannot_be_numbered():
    with pytest.raises(ValueError, match=r"^\[Network\] layers\[0\].* 4294967296 units"):
        fa.Network((2**10, 2**10), [local(2**12, 1), fa.Dense(1)])


VAST = {
    "10**400": 10**400,
    "-10**400": -(10**400),
    "10**5000": 10**5000,  # Python refuses to print it
    "a fraction": Fraction(10**400, 3),
    "2**64": 2**64,
}
REAL = ("lr", "weight_decay", "epsilon", "weight_scale", "scale", "gain")  # 2**64 is one of them
NETWORK = {"input": 4, "layers": [fa.Dense(3), fa.Dense(2)]}


@pytest.mark.parametrize("vast", VAST.values(), ids=VAST)
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("lr", fa.SGD),
        ("momentum", lambda v: fa.SGD(0.1, momentum=v)),
        ("weight_decay", lambda v: fa.Adam(0.1, weight_decay=v)),
        ("epsilon", lambda v: fa.Adam(0.1, epsilon=v)),
        ("beta1", lambda v: fa.Adam(0.1, beta1=v)),
        ("units", fa.Dense),
        ("weight_scale", lambda v: fa.Network(2, [fa.Dense(1, weight_scale=v)])),
        ("density", lambda v: fa.Dense(1, density=v)),
        ("maps", lambda v: fa.LocallyConnected2D(v, 1)),
        ("kernel_size", lambda v: fa.LocallyConnected2D(1, v)),
        ("kernel_size", lambda v: fa.LocallyConnected2D(1, (v, 1))),
        ("stride", lambda v: fa.LocallyConnected2D(1, 1, stride=v)),
        ("rate", fa.Dropout),
        ("scale", lambda v: fa.Network(**NETWORK, feedback=fa.Feedback("uniform", scale=v))),
        ("gain", lambda v: fa.Network(**NETWORK, feedback=fa.Feedback("uniform", gain=v))),
        ("density", lambda v: fa.Feedback("sparse", density=v)),
        ("rank", lambda v: fa.Feedback("low_rank", rank=v)),
        ("refresh", lambda v: fa.Feedback("pseudoinverse", refresh=v)),
        ("every", lambda v: fa.WeightMirror(every=v)),
        ("noise", lambda v: fa.WeightMirror(noise=v)),
        ("sigma", fa.NodePerturbation),
        ("input", lambda v: fa.Network(v, [fa.Dense(1)])),
        ("input", lambda v: fa.Network((v, 1), [fa.Dense(1)])),
        ("seed", lambda v: fa.Network(1, [fa.Dense(1)], seed=v)),
        ("n", fa.set_num_threads),
        ("batch_size", lambda v: one_step(batch_size=v)),
        (
            "epochs",
            lambda v: fa.Trainer(fa.Network(**NETWORK), fa.SGD(0.1), epochs=v, batch_size=1),
        ),
        (
            "batch_size",
            lambda v: fa.Trainer(fa.Network(**NETWORK), fa.SGD(0.1), epochs=1, batch_size=v),
        ),
        (
            "seed",
            lambda v: fa.Trainer(
                fa.Network(**NETWORK), fa.SGD(0.1), epochs=1, batch_size=1, seed=v
            ),
        ),
        ("units", lambda v: fa.Feedback("uniform", scale=1.0).toarray(v, 1)),
    ],
)
def test_vast_numbers_are_told_by_name(vast, name, call):
    """Neither a bare OverflowError nor the bindings' own text; and the message can be printed."""
    if vast == 2**64 and name in REAL:
        return
    with pytest.raises((TypeError, ValueError)) as caught:
        call(vast)
    told = str(caught.value)
    assert told.startswith("[")
    assert name in told
    assert "incompatible" not in told
    assert len(told) < 600


def one_step(**more):
    net = fa.Network(**NETWORK)
    net.train_epoch(np.ones((3, 4)), np.ones((3, 2)), fa.SGD(0.1), **more)


def test_an_array_too_large_to_copy_is_told_by_name():
    net = fa.Network(4, [fa.Dense(2)])
    x = np.broadcast_to(np.zeros((1, 4)), (2**44, 4))
    with pytest.raises(MemoryError, match=r"^\[forward\] X has shape \(17592186044416, 4\)"):
        net.forward(x)


# ---- by C ------------------------------------------------------------------------------------------

LOCAL = {"channels": 1, "height": 2, "width": 2, "maps": 1, "kernel_h": 1, "kernel_w": 1}


@pytest.mark.parametrize(
    ("inputs", "fields"),
    [
        (4, dict(LOCAL, channels=2**62 + 1, height=4, width=1)),  # 4 modulo 2^64
        (4, dict(LOCAL, maps=2**62)),
        (4, dict(LOCAL, kernel_h=2**31, kernel_w=2**31, same_padding=1)),
        (4, dict(LOCAL, kernel_h=2**62, same_padding=1)),
        (4, dict(LOCAL, stride_h=2**62, same_padding=1)),
        (4, dict(LOCAL, height=2**63 - 1, width=2**63 - 1)),
        (4, dict(LOCAL, maps=16, kernel_h=2**30, kernel_w=2**30, same_padding=1)),
        (2**62, {}),
        (4, {"units": 2**62}),
        (2**31 - 1, {"units": 2**31 - 1}),
    ],
)
@pytest.mark.parametrize("dtype", [0, 1])
def test_c_sizes_whose_product_is_too_large(inputs, fields, dtype):
    net = capi.Network(inputs, [Layer(**({"units": 3} | fields)), Layer(units=1)], dtype=dtype)
    assert net.status in (STATUS["INVALID_ARGUMENT"], STATUS["NO_MEMORY"]), net.status
    assert "[Network]" in last_error()


@pytest.mark.parametrize("stride", [2**62, -(2**62), -(2**63)])
def test_c_strides_that_leave_the_address_space(stride):
    net = capi.Network(4, [Layer(units=3), Layer(units=2)])
    x = np.zeros((3, 4), "float32")
    out = np.zeros((3, 2), "float32")
    given, wanted = capi.view(x), capi.view(out)
    given.row_stride = stride
    assert net.call("forward", given, wanted) == STATUS["INVALID_ARGUMENT"]
    assert "X spans" in last_error()
    wanted.row_stride, given.row_stride = stride, 4
    assert net.call("forward", given, wanted) == STATUS["INVALID_ARGUMENT"]
    assert "out spans" in last_error()
    assert net.call("forward", capi.view(x), capi.view(out)) == 0


def test_c_batches_of_any_size_are_whole_epochs():
    """No sum or product of a batch size of 2^63 − 1 wraps around."""
    x, y = np.ones((5, 4), "float32"), np.ones((5, 2), "float32")
    states = []
    for batch in (5, 2**62, 2**63 - 1):
        net = capi.Network(4, [Layer(units=3, activation=b"tanh"), Layer(units=2)])
        optimizer = capi.Optimizer(lr=0.1)
        arguments = capi.view(x), capi.view(y), c.byref(optimizer), c.c_int64(batch)
        assert net.call("train_epoch", *arguments, None, c.c_int64(0), None, None, None) == 0
        assert net.count("steps") == 1
        states.append(net.state())
    for name, value in states[0].items():
        for other in states[1:]:
            np.testing.assert_array_equal(value, other[name], err_msg=name)


def test_c_reports_memory_with_the_layer():
    net = capi.Network(MIB, [Layer(units=4 * MIB), Layer(units=1)])
    assert net.status == STATUS["NO_MEMORY"]
    assert f"layers[0] takes about {MIB * 4 * MIB * 4} bytes" in last_error()
    assert LIBRARY.fastfa_abi() > 0
