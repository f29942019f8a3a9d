"""The C interface does what Python's networks do; its header, library and structs belong together."""

from __future__ import annotations

import ctypes as c
import shutil
import subprocess

import capi
import fastfa as fa
import numpy as np
import pytest
from capi import LIBRARY, STATUS, Feedback, Layer, Network, Optimizer, last_error, view
from capi_cases import OPTIMIZERS, WIDTHS, assert_same, examples, pair
from devices import ORDERS, emulated


def test_every_function_of_the_header_is_in_the_library():
    assert len(capi.FUNCTIONS) == len(set(capi.FUNCTIONS)) >= 34
    for name in capi.FUNCTIONS:
        assert hasattr(LIBRARY, name), name
    assert LIBRARY.fastfa_version().decode() == fa.__version__
    assert LIBRARY.fastfa_abi() == 1


@pytest.mark.parametrize("compiler", ["c99", "c++17"])
def test_the_header_alone_compiles_strictly(compiler, tmp_path):
    tool = shutil.which("cc" if compiler == "c99" else "c++")
    if tool is None:
        pytest.skip("there is no compiler")
    source = tmp_path / ("header.c" if compiler == "c99" else "header.cpp")
    source.write_text(
        '#include "fastfa/fastfa.h"\n'
        "int main(void) {\n"
        "  fastfa_layer layer = FASTFA_LAYER_INIT;\n  fastfa_feedback feedback = FASTFA_FEEDBACK_INIT;\n"
        "  fastfa_config config = FASTFA_CONFIG_INIT;\n  fastfa_optimizer sgd = FASTFA_SGD_INIT;\n"
        "  fastfa_optimizer adam = FASTFA_ADAM_INIT, adamw = FASTFA_ADAMW_INIT;\n"
        "  fastfa_optimizer rmsprop = FASTFA_RMSPROP_INIT;\n  adam.sum = adamw.sum + rmsprop.nesterov;\n"
        "  return (int)(layer.maps + feedback.rank + config.n_layers + sgd.sum + adam.sum);\n}\n"
    )
    flags = [f"-std={compiler}", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]
    subprocess.run([tool, *flags, f"-I{fa.get_include()}", source], check=True)


def test_the_structs_of_these_tests_are_those_of_the_header(tmp_path):
    tool = shutil.which("cc")
    if tool is None:
        pytest.skip("there is no compiler")
    names = {"layer": Layer, "feedback": Feedback, "config": capi.Config, "optimizer": Optimizer}
    names |= {
        "view": capi.Matrix,
        "matrix": capi.Matrix,
        "tensor": capi.Tensor,
        "result": capi.Result,
        "weighted_result": capi.WeightedResult,
    }
    lines = [f'printf("%d ", (int)sizeof(fastfa_{name}));' for name in names]
    source = tmp_path / "sizes.c"
    source.write_text(
        '#include <stdio.h>\n#include "fastfa/fastfa.h"\nint main(void) {'
        + "\n".join(lines)
        + "return 0;}"
    )
    program = tmp_path / "sizes"
    subprocess.run([tool, f"-I{fa.get_include()}", source, "-o", program], check=True)
    found = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    assert [int(n) for n in found] == [c.sizeof(kind) for kind in names.values()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", sorted(fa.PRESETS))
def test_presets_are_pythons(rule, dtype, rng):
    ours, net = pair(rule, dtype)
    assert_same(ours, net)
    x, y = examples(rng, dtype)
    c_rule, rule = OPTIMIZERS["momentum"]
    loss = c.c_double()
    for _ in range(3):
        assert ours.call("step", view(x), view(y), c.byref(c_rule), c.byref(loss)) == 0, (
            last_error()
        )
        assert loss.value == net.step(x, y, rule)
    assert_same(ours, net)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batch", [1, 6])
def test_training_is_pythons(batch, optimizer, rng):
    ours, net = pair("fa")
    x, y = examples(rng, "float32")
    c_rule, rule = OPTIMIZERS[optimizer]
    order = rng.permutation(20)[:15]
    result = capi.Result()
    for given in (order, None):
        n = 15 if given is not None else 0
        pointer = given.ctypes.data_as(c.POINTER(c.c_int64)) if n else None
        arguments = (c.byref(c_rule), c.c_int64(batch), pointer, c.c_int64(n), None, None)
        assert ours.call("train_epoch", view(x), view(y), *arguments, c.byref(result)) == 0, (
            last_error()
        )
        loss = net.train_epoch(x, y, rule, batch_size=batch, order=given)
        assert (result.loss, result.examples) == (loss, n or 20)
    assert_same(ours, net)
    assert ours.call("evaluate", view(x), view(y), c.byref(result)) == 0
    assert (result.loss, result.wrong / 20) == tuple(net.evaluate(x, y))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 6])
def test_weighted_examples_are_pythons(batch, dtype, rng):
    ours, net = pair("drtp", dtype)
    x, y = examples(rng, dtype)
    table = np.zeros((20, 3), dtype)  # weights in a table of the caller's
    table[:, 1] = w = (rng.random(20) * (rng.random(20) < 0.7)).astype(dtype)
    given = (view(x), view(y), view(table[:, 1:2]))
    c_rule, rule = OPTIMIZERS["momentum"]
    order, result, loss = rng.permutation(20)[:15], capi.WeightedResult(), c.c_double()
    pointer = order.ctypes.data_as(c.POINTER(c.c_int64))
    arguments = (c.byref(c_rule), c.c_int64(batch), pointer, c.c_int64(15), None, None)
    assert ours.call("train_epoch_weighted", *given, *arguments, c.byref(result)) == 0, last_error()
    expected = net.train_epoch(x, y, rule, batch_size=batch, order=order, sample_weight=w)
    assert (result.loss, result.examples) == (expected, 15)
    assert result.weight == pytest.approx(w[order].sum(dtype=np.float64), rel=1e-12)
    assert ours.call("train_epoch_weighted", *given, *arguments, None) == 0, last_error()
    net.train_epoch(x, y, rule, batch_size=batch, order=order, sample_weight=w)
    assert ours.call("step_weighted", *given, c.byref(c_rule), c.byref(loss)) == 0, last_error()
    assert loss.value == net.step(x, y, rule, sample_weight=w)
    assert_same(ours, net)
    assert ours.call("evaluate_weighted", *given, c.byref(result)) == 0, last_error()
    found = (result.loss, result.missed / result.weight)
    assert found == tuple(net.evaluate(x, y, sample_weight=w))
    deltas = [np.zeros((20, n), dtype) for n in (12, 9, 4)]
    matrices = (capi.Matrix * 3)(*map(view, deltas))
    assert ours.call("deltas_weighted", *given, matrices, c.c_int64(3)) == 0, last_error()
    for left, right in zip(deltas, net.deltas(x, y, sample_weight=w), strict=True):
        np.testing.assert_array_equal(left, right)

    bad = -np.ones((20, 1), dtype)
    for shape, message in {
        (20, 1): "was -1; it must be at least 0 and at most 1e+14",
        (19, 1): "sample_weight has shape (19, 1); it must be (20, 1)",
        (10, 2): "sample_weight has shape (10, 2); it must be (20, 1)",
    }.items():
        weights = np.resize(bad, shape)
        own = (view(x), view(y), view(weights))
        for call, more in {
            "train_epoch_weighted": (*arguments, None),
            "step_weighted": (c.byref(c_rule), None),
            "evaluate_weighted": (c.byref(result),),
            "deltas_weighted": (matrices, c.c_int64(3)),
        }.items():
            assert ours.call(call, *own, *more) == STATUS["INVALID_ARGUMENT"]
            assert message in last_error()
    result.struct_size -= 1
    assert ours.call("evaluate_weighted", *given, c.byref(result)) == STATUS["INVALID_ARGUMENT"]
    assert "struct_size" in last_error()
    assert ours.call("evaluate_weighted", *given, None) == STATUS["INVALID_ARGUMENT"]
    assert_same(ours, net)


def test_looking_is_pythons_with_any_strides(rng):
    ours, net = pair("dfa", "float64")
    table = np.zeros((20, 30))  # examples and results in one table of the caller's
    x, y = examples(rng, "float64")
    table[:, :7], table[:, 8:12] = x, y
    out = np.zeros((4, 20)).T  # columns far apart
    assert ours.call("forward", view(table[:, :7]), view(out)) == 0, last_error()
    np.testing.assert_array_equal(out, net.forward(x))
    layers = [np.zeros((20, n)) for n in WIDTHS[1:]]
    matrices = (capi.Matrix * 3)(*map(view, layers))
    assert ours.call("activations", view(table[:, :7]), matrices, c.c_int64(3)) == 0, last_error()
    for left, right in zip(layers, net.activations(x), strict=True):
        np.testing.assert_array_equal(left, right)
    given = (view(table[:, :7]), view(table[:, 8:12]), matrices, c.c_int64(3))
    assert ours.call("deltas", *given) == 0, last_error()
    for left, right in zip(layers, net.deltas(x, y), strict=True):
        np.testing.assert_array_equal(left, right)
    b = np.zeros((12, 4))
    assert ours.call("feedback_array", c.c_int64(0), view(b)) == 0, last_error()
    np.testing.assert_array_equal(b, net.feedback_matrices[0])


def test_products_may_be_in_bf16(rng):
    x, y = (rng.standard_normal((40, n)).astype("f4") for n in (50, 34))
    layers = [Layer(units=n, activation=b"tanh") for n in (60, 34)]
    ours = Network(50, layers, loss=b"squared_error", seed=5, matmul_precision=b"bf16")
    assert ours.status == 0, last_error()
    layers = [fa.Dense(n, "tanh") for n in (60, 34)]
    net = fa.Network(50, layers, seed=5, matmul_precision="bf16")
    assert ours.call("step", view(x), view(y), c.byref(Optimizer()), None) == 0, last_error()
    net.step(x, y, fa.SGD(0.1))
    assert_same(ours, net)


@pytest.mark.parametrize("device", ["cpu", pytest.param(ORDERS[0], marks=emulated)])
def test_rows_may_lie_in_any_order_on_any_device(device, rng):
    """From the last example in memory to the first, with others between them."""
    x, y = examples(rng, "float32")
    ours, net = pair("fa", device=device.encode())
    rows = [np.repeat(a[::-1], 2, axis=0)[::-2] for a in (x, y)]
    assert all(a.strides[0] < 0 for a in rows)
    out = np.zeros((20, 4), "float32")
    assert ours.call("forward", view(rows[0]), view(out)) == 0, last_error()
    np.testing.assert_allclose(out, net.forward(x), atol=1e-6)
    assert ours.call("step", *map(view, rows), c.byref(Optimizer()), None) == 0, last_error()
    net.step(x, y, fa.SGD(0.1))
    for name, value in net.state_dict().items():
        np.testing.assert_allclose(ours.state()[name], value, atol=1e-6)


def test_a_step_in_parts_is_a_step(rng):
    ours, net = pair("fa")
    x, y = examples(rng, "float32")
    c_rule, rule = OPTIMIZERS["adam"]
    out, h, delta = np.zeros((20, 4), "f4"), np.zeros((20, 12), "f4"), np.zeros((20, 12), "f4")
    n, has_deltas, updated = c.c_int64(), c.c_int32(), c.c_int32()

    def state():
        found = [c.byref(value) for value in (n, has_deltas, updated)]
        assert ours.call("step_state", *found) == 0
        return n.value, has_deltas.value, updated.value

    assert state() == (0, 0, 0)
    for i in range(3):
        net.step(x, y, rule)
        assert ours.call("forward_step", view(x), view(out)) == 0, last_error()
        assert state() == (20, 0, 0)
        assert ours.call("step_deltas", c.c_int64(0), view(delta)) == STATUS["WRONG_ORDER"]
        error = y - out
        if i == 1:
            assert ours.call("apply_error", view(error), c.byref(c_rule), None) == 0, last_error()
        else:
            assert ours.call("feedback_step", view(error), None) == 0, last_error()
            assert state() == (20, 1, 0)
            assert ours.call("update_step", c.byref(c_rule)) == 0, last_error()
        assert state() == (20, 1, 1)
        assert_same(ours, net)
    assert ours.call("step_activations", c.c_int64(0), view(h)) == 0
    assert ours.call("step_deltas", c.c_int64(0), view(delta)) == 0
    assert h.any()
    assert delta.any()
    assert ours.call("update_step", c.byref(c_rule)) == STATUS["WRONG_ORDER"]
    assert "is done" in last_error()


def test_the_target_goes_along_where_a_route_starts_there(rng):
    ours, net = pair("drtp")
    x, y = examples(rng, "float32")
    c_rule, rule = OPTIMIZERS["sgd"]
    out = np.zeros((20, 4), "f4")
    net.step(x, y, rule)
    assert ours.call("forward_step", view(x), view(out)) == 0
    error, target = view(y - out), view(y)
    assert ours.call("apply_error", error, c.byref(c_rule), None) == STATUS["INVALID_ARGUMENT"]
    assert ours.call("apply_error", view(y - out), c.byref(c_rule), c.byref(target)) == 0, (
        last_error()
    )
    assert_same(ours, net)


def test_convolutions_and_pooling(rng):
    """Layers are counted without the pooling."""
    image = {"channels": 2, "height": 9, "width": 8, "kernel_h": 3, "kernel_w": 2}
    pool = {"maps": 3, "channels": 3, "height": 5, "width": 8, "kernel_h": 2, "kernel_w": 2}
    layers = [
        Layer(patches=b"shared", maps=3, stride_h=2, same_padding=1, activation=b"tanh", **image),
        Layer(patches=b"max", stride_h=2, stride_w=2, bias=0, **pool),
        Layer(units=3),
    ]
    ours = Network(144, layers, seed=8)
    assert ours.status == 0, last_error()
    conv = fa.Conv2D(3, (3, 2), stride=(2, 1), padding="same", activation="tanh")
    net = fa.Network((2, 9, 8), [conv, fa.MaxPool2D(2), fa.Dense(3)], seed=8)
    x, y = rng.standard_normal((6, 144)).astype("f4"), rng.standard_normal((6, 3)).astype("f4")
    c_rule, rule = OPTIMIZERS["sgd"]
    assert ours.call("step", view(x), view(y), c.byref(c_rule), None) == 0, last_error()
    net.step(x, y, rule)
    for i, w in enumerate(net.weights):
        np.testing.assert_array_equal(ours.array("weights", i), w)
    wrong = Network(144, [Layer(patches=b"median", maps=3, **image), Layer(units=3)])
    assert wrong.status == STATUS["INVALID_ARGUMENT"]
    assert "patches was 'median'" in last_error()


def test_local_layers_and_local_feedback(rng):
    image = {"channels": 2, "height": 5, "width": 4, "kernel_h": 3, "kernel_w": 2}
    layers = [
        Layer(maps=3, stride_h=2, same_padding=1, activation=b"tanh", **image),
        Layer(maps=2, channels=3, height=3, width=4, kernel_h=2, kernel_w=2),
        Layer(units=3),
    ]
    ours = Network(40, layers, seed=8)
    assert ours.status == 0, last_error()
    local = fa.LocallyConnected2D
    net = fa.Network(
        (2, 5, 4),
        [
            *(local(3, (3, 2), stride=(2, 1), padding="same", activation="tanh"), local(2, 2)),
            fa.Dense(3),
        ],
        seed=8,
    )
    x = rng.standard_normal((6, 40)).astype("f4")
    y = rng.standard_normal((6, 3)).astype("f4")
    c_rule, rule = OPTIMIZERS["sgd"]
    assert ours.call("step", view(x), view(y), c.byref(c_rule), None) == 0, last_error()
    net.step(x, y, rule)
    for i, w in enumerate(net.weights):
        np.testing.assert_array_equal(ours.array("weights", i), w)
