"""The C interface: what Python's networks do, every status, and structs of other versions."""

from __future__ import annotations

import ctypes as c
import re
import shutil
import subprocess
import threading

import capi
import fastfa as fa
import numpy as np
import pytest
from capi import LIBRARY, STATUS, Feedback, Layer, Network, Optimizer, last_error, view
from devices import ORDERS, emulated

WIDTHS = (7, 12, 9, 4)
OPTIMIZERS = {
    "sgd": (Optimizer(lr=0.05, weight_decay=1e-3), fa.SGD(0.05, weight_decay=1e-3)),
    "sum": (Optimizer(lr=0.05, sum=1), fa.SGD(0.05, reduction="sum")),
    "momentum": (Optimizer(lr=0.02, momentum=0.9), fa.SGD(0.02, momentum=0.9)),
    "adam": (Optimizer(rule=b"adam", lr=0.01), fa.Adam(0.01)),
}


def pair(rule: str, dtype: str = "float32", **options) -> tuple[Network, fa.Network]:
    """The same network by C and by Python."""
    feedback = Feedback()
    assert LIBRARY.fastfa_preset(rule.encode(), c.byref(feedback)) == 0, last_error()
    layers = [
        *(Layer(units=12, activation=b"tanh"), Layer(units=9, activation=b"relu", dropout=0.25)),
        Layer(units=4, activation=b"softmax", bias=0),
    ]
    ours = Network(
        7,
        layers,
        [feedback],
        loss=b"cross_entropy",
        seed=5,
        dtype=int(dtype == "float64"),
        **options,
    )
    assert ours.status == 0, last_error()
    layers = [
        *(fa.Dense(12, "tanh"), fa.Dense(9, "relu"), fa.Dropout(0.25)),
        fa.Dense(4, "softmax", bias=False),
    ]
    return ours, fa.Network(7, layers, rule, loss="cross_entropy", seed=5, dtype=dtype)


def examples(rng, dtype, count=20):
    x = rng.standard_normal((count, 7)).astype(dtype)
    return x, np.eye(4, dtype=dtype)[rng.integers(0, 4, count)]


def assert_same(ours: Network, net: fa.Network) -> None:
    state = net.state_dict()
    for name, value in ours.state().items():
        np.testing.assert_array_equal(value, state[name], err_msg=name)
    assert ours.count("steps") == net.steps


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
        "  fastfa_optimizer adam = FASTFA_ADAM_INIT;\n"
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


# --- statuses -----------------------------------------------------------------------------------


def test_nulls_are_refused_by_every_function():
    x, result = view(np.ones((2, 7), "f4")), capi.Result()
    n = c.c_int64(0)
    sgd = c.byref(Optimizer())
    calls = {
        "weights": (n, None),
        "biases": (n, None),
        "feedback_stored": (n, None),
        "feedback_array": (n, x),
        "reset_memory": (),
        "set_feedback": (None, 0, 0.0),
        "save": (b"x",),
        "load": (b"x",),
        "forward": (x, x),
        "activations": (x, None, n),
        "deltas": (x, x, None, n),
        "calibrate_feedback": (x, x, c.c_double(1), c.c_double(1)),
        "evaluate": (x, x, c.byref(result)),
        "deltas_weighted": (x, x, x, None, n),
        "evaluate_weighted": (x, x, x, None),
        "train_epoch_weighted": (x, x, x, sgd, c.c_int64(1), None, n, None, None, None),
        "step_weighted": (x, x, x, sgd, None),
        "train_epoch": (x, x, sgd, c.c_int64(1), None, n, None, None, None),
        "step": (x, x, sgd, None),
        "forward_step": (x, x),
        "feedback_step": (x, None),
        "update_step": (sgd,),
        "apply_error": (x, sgd, None),
        "step_state": (None, None, None),
        "step_activations": (n, x),
        "step_deltas": (n, x),
    }
    rest = {"abi", "version", "last_error", "last_divergence", "set_num_threads", "get_num_threads"}
    rest |= {"preset", "network_create", "network_destroy", "layers", "inputs", "units", "steps"}
    assert {*calls, *rest} == {name.removeprefix("fastfa_") for name in capi.FUNCTIONS}
    for name, arguments in calls.items():
        assert getattr(LIBRARY, f"fastfa_{name}")(None, *arguments) == STATUS["INVALID_ARGUMENT"], (
            name
        )
        assert "network was null" in last_error()
    for name in ("layers", "inputs", "steps"):
        assert getattr(LIBRARY, f"fastfa_{name}")(None) == 0
    assert LIBRARY.fastfa_network_create(None, None) == STATUS["INVALID_ARGUMENT"]
    handle = c.c_void_p(1)
    assert LIBRARY.fastfa_network_create(None, c.byref(handle)) == STATUS["INVALID_ARGUMENT"]
    assert handle.value is None
    assert LIBRARY.fastfa_preset(None, None) == STATUS["INVALID_ARGUMENT"]
    LIBRARY.fastfa_network_destroy(None)
    LIBRARY.fastfa_last_divergence(None, None)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"inputs": 0}, r"input was 0"),
        ({"layers": []}, r"n_layers was 0; there must be at least one"),
        (
            {"layers": [Layer(units=3, activation=b"sinus")]},
            r"activation was 'sinus'; it must be one",
        ),
        ({"layers": [Layer(units=3, activation=None)]}, r"activation was 'NULL'"),
        ({"layers": [Layer(units=-3)]}, r"layers\[0\]\.units was -3"),
        ({"layers": [Layer(units=3, struct_size=3)]}, r"\[fastfa_layer\] struct_size was 3"),
        ({"feedback": [Feedback(matrix=b"wobbly")]}, r"matrix was 'wobbly'"),
        ({"feedback": [Feedback(matrix=b"custom")]}, r"'custom' without a propagator"),
        ({"feedback": [Feedback(matrix=b"array")]}, r"array was null"),
        ({"feedback": [Feedback(), Feedback()]}, r"feedback has 2 entries"),
        ({"loss": b"hinge"}, r"loss was 'hinge'"),
        ({"dtype": 7}, r"dtype was 7"),
        ({"struct_size": 8}, r"\[fastfa_config\] struct_size was 8"),
        ({"perturbation": -1.0}, r"perturbation was -1"),
        ({"device": None}, r"device was null"),
    ],
)
def test_a_bad_description_is_told(change, told):
    options = {"inputs": 7, "layers": [Layer(units=5), Layer(units=3)], **change}
    if len(options["layers"]) == 1:
        options["layers"].append(Layer(units=3))
    net = Network(**options)
    assert net.status == STATUS["INVALID_ARGUMENT"]
    assert net.handle.value is None
    assert re.search(told, last_error()), last_error()


def shifted(a: np.ndarray) -> np.ndarray:
    """The same numbers a byte beyond where such numbers may lie."""
    return np.frombuffer(bytearray(b"x" + a.tobytes()), np.uint8)[1:].view(a.dtype).reshape(a.shape)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda net, x, y: net.call("forward", view(x[:, :6]), view(y)), r"X has 6 columns"),
        (
            lambda net, x, y: net.call("forward", view(x[::, ::-1]), view(y)),
            r"contiguous in each row",
        ),
        (lambda net, x, y: net.call("forward", view(x), view(y[:3])), r"out has shape \(3, 4\)"),
        (
            lambda net, x, y: net.call("forward", view(shifted(x)), view(y)),
            r"x was at an address 1 bytes beyond a multiple of \d; it must be at a multiple",
        ),
        (
            lambda net, x, y: net.call("forward", view(x), view(shifted(y))),
            r"out was at an address 1",
        ),
        (lambda net, x, y: net.call("forward", view(x.astype("f8")), view(y)), r"x has dtype 1"),
        (lambda net, x, y: net.call("forward", capi.Matrix(), view(y)), r"x was null"),
        (
            lambda net, x, y: net.call("step", view(x), view(y[:3]), SGD, None),
            r"Y has 3 rows; X has 20",
        ),
        (lambda net, x, y: net.call("step", view(x), view(y), None, None), r"optimizer\] was null"),
        (
            lambda net, x, y: net.call("step", view(x), view(y), c.byref(Optimizer(lr=-1)), None),
            r"lr was -1",
        ),
        (
            lambda net, x, y: net.call(
                "step", view(x), view(y), c.byref(Optimizer(rule=b"x")), None
            ),
            r"rule was 'x'; it must be 'sgd' or 'adam'",
        ),
        (
            lambda net, x, y: net.call("weights", c.c_int64(3), c.byref(capi.Tensor())),
            r"in \[0, 2\]",
        ),
        (
            lambda net, x, y: net.call("feedback_stored", c.c_int64(-1), c.byref(capi.Tensor())),
            "hidden",
        ),
        (lambda net, x, y: net.call("step_activations", c.c_int64(9), view(x)), r"layer was 9"),
        (lambda net, x, y: net.call("set_feedback", None, 2, 0.0), r"there were 2 of them"),
        (lambda net, x, y: epoch(net, x, y, batch=0), r"batch_size was 0"),
        (lambda net, x, y: epoch(net, x, y, order=[20]), r"order\[0\] was 20"),
        (lambda net, x, y: epoch(net, x, y, order=[-1]), r"order\[0\] was -1"),
    ],
)
def test_a_bad_argument_is_told_and_nothing_is_changed(call, told, rng):
    net, _ = pair("fa")
    x, y = examples(rng, "float32")
    before = net.state()
    assert call(net, x, y) == STATUS["INVALID_ARGUMENT"]
    assert re.search(told, last_error()), last_error()
    assert net.count("steps") == 0
    for name, value in net.state().items():
        np.testing.assert_array_equal(value, before[name])


SGD = c.byref(OPTIMIZERS["sgd"][0])


def epoch(net, x, y, *, batch=2, order=None, poll=None):
    pointer, n = None, 0
    if order is not None:
        order = np.array(order, dtype=np.int64)
        pointer, n = order.ctypes.data_as(c.POINTER(c.c_int64)), len(order)
    counts = (c.c_int64(batch), pointer, c.c_int64(n))
    return net.call("train_epoch", view(x), view(y), SGD, *counts, poll, None, None)


def test_a_device_that_is_not_there_has_a_status_of_its_own():
    net = Network(4, [Layer(units=3)], device=b"cuda:999")
    assert net.status == STATUS["DEVICE"], last_error()
    assert "device 'cuda:999' isn't to be had" in last_error()


def test_an_older_caller_is_refused_and_a_newer_one_only_for_what_it_asks():
    class Longer(c.Structure):
        _fields_ = [("layer", Layer), ("more", c.c_int64)]

    for more, status in ((0, 0), (1, STATUS["INVALID_ARGUMENT"])):
        layers = (Longer * 2)()
        for one in layers:
            one.layer, one.more = Layer(units=3), more
            one.layer.struct_size = c.sizeof(Longer)
        config = capi.Config(inputs=4, n_layers=2)
        config.layers = c.cast(layers, c.POINTER(Layer))
        handle = c.c_void_p()
        assert LIBRARY.fastfa_network_create(c.byref(config), c.byref(handle)) == status, (
            last_error()
        )
        assert LIBRARY.fastfa_units(handle, c.c_int64(1)) == (0 if status else 3)
        LIBRARY.fastfa_network_destroy(handle)


MIRRORS = [  # settings of fastfa_feedback, and where it ends; Python's
    ({}, None, fa.WeightMirror()),
    ({"mirror_growth": 0.5, "mirror_decay": 0.1}, None, fa.WeightMirror(growth=0.5, decay=0.1)),
    (
        {"mirror_growth": 0.0, "mirror_decay": -1.0, "mirror_centred": 1, "mirror_noise": 1.0},
        None,
        fa.WeightMirror.average(),
    ),
    (
        {"mirror_lr": 0.3, "mirror_noise": 0.7, "mirror_every": 2},
        None,
        fa.WeightMirror.average(0.3, noise=0.7, every=2),
    ),
    # callers who were compiled before there were growth and decay
    ({"mirror_noise": 1.0}, "mirror_growth", fa.WeightMirror.average()),
    ({"mirror_lr": 0.3, "mirror_noise": 0.5}, "mirror_growth", fa.WeightMirror.average(0.3, noise=0.5)),
]  # fmt: skip


@pytest.mark.parametrize(("given", "ends", "mirror"), MIRRORS)
def test_the_weight_mirrors_settings_are_pythons(given, ends, mirror, rng):
    feedback = Feedback(plasticity=b"weight_mirror", **given)
    if ends:
        feedback.struct_size = getattr(Feedback, ends).offset
    layers = [Layer(units=12, activation=b"tanh"), Layer(units=4, activation=b"logistic")]
    ours = Network(7, layers, [feedback], seed=5)
    assert ours.status == 0, last_error()
    rule = fa.Feedback("uniform", plasticity=mirror)
    net = fa.Network(7, [fa.Dense(12, "tanh"), fa.Dense(4, "logistic")], rule, seed=5)
    x, y = examples(rng, "float32")
    for _ in range(4):
        net.step(x, y, fa.SGD(0.1))
        step = Optimizer(lr=0.1)
        assert ours.call("step", view(x), view(y), c.byref(step), None) == 0, last_error()
    assert_same(ours, net)


def test_divergence_has_a_layer_and_a_step(rng):
    net, _ = pair("fa")
    x, y = examples(rng, "float32")
    assert net.call("step", view(x), view(y), SGD, None) == 0
    net.array("weights", 1)[...] = 9e13
    assert net.call("step", view(x + 9), view(y), SGD, None) == STATUS["DIVERGED"]
    layer, step = c.c_int32(), c.c_int64()
    LIBRARY.fastfa_last_divergence(c.byref(layer), c.byref(step))
    assert (layer.value, step.value) == (1, 1)
    assert "layer 1 at step 1" in last_error()


def test_a_poll_ends_an_epoch(rng):
    net, _ = pair("fa")
    x, y = examples(rng, "float32")
    asked = []
    assert epoch(net, x, y, poll=capi.POLL(lambda _: asked.append(1) or 1)) == STATUS["INTERRUPTED"]
    assert asked
    assert net.count("steps") == 0


def test_feedback_of_the_callers(rng):
    b = rng.standard_normal((12, 9))
    calls = []

    def propagate(user, delta, n, n_source, out, n_l):
        given = np.ctypeslib.as_array(delta, (n, n_source))
        np.ctypeslib.as_array(out, (n, n_l))[...] = given @ b.T
        calls.append(net.call("reset_memory"))
        return 0 if len(calls) < 3 else 42

    net, same = pair("shallow", "float64")
    own = Feedback(matrix=b"custom", propagate=capi.PROPAGATE(propagate))
    both = (Feedback * 2)(own, Feedback(matrix=b"zero"))
    assert net.call("set_feedback", both, 2, 0.0) == 0, last_error()
    # δ of layer 1 is zero, so is what is sent from there; from the output it is not
    direct = Feedback(matrix=b"custom", route=b"direct", propagate=capi.PROPAGATE(propagate))
    b = rng.standard_normal((12, 4))
    both = (Feedback * 2)(direct, Feedback(matrix=b"zero"))
    assert net.call("set_feedback", both, 2, 0.0) == 0, last_error()
    same.set_feedback([fa.Feedback("array", array=b, route="direct"), "shallow"])
    x, y = examples(rng, "float64")
    assert net.call("step", view(x), view(y), SGD, None) == 0, last_error()
    same.step(x, y, OPTIMIZERS["sgd"][1])
    np.testing.assert_allclose(net.array("weights", 0), same.weights[0], rtol=1e-12)
    assert calls == [STATUS["FAILED"]]  # it may not call its own network
    assert net.call("step", view(x), view(y), SGD, None) == 0
    before = net.state()
    assert net.call("step", view(x), view(y), SGD, None) == STATUS["CALLBACK"]
    assert "propagate returned 42" in last_error()
    for name, value in net.state().items():
        np.testing.assert_array_equal(value, before[name])


def test_node_perturbation_has_no_feedback_to_show():
    net = Network(4, [Layer(units=3), Layer(units=2)], perturbation=0.1)
    assert net.status == 0, last_error()
    b = np.zeros((3, 2), "f4")
    assert net.call("feedback_array", c.c_int64(0), view(b)) == STATUS["INVALID_ARGUMENT"]
    assert "has no feedback" in last_error()
    assert net.call("set_feedback", c.byref(Feedback()), 1, 0.0) == 0, last_error()
    assert net.call("feedback_array", c.c_int64(0), view(b)) == 0
    assert b.any()
    assert net.call("set_feedback", None, 0, 0.1) == 0, last_error()


def test_errors_belong_to_their_thread():
    assert LIBRARY.fastfa_set_num_threads(0) == STATUS["INVALID_ARGUMENT"]
    mine = last_error()
    seen = []

    def other():
        seen.append(last_error())
        LIBRARY.fastfa_preset(b"none", c.byref(Feedback()))
        seen.append(last_error())

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen[0] == ""
    assert "name was 'none'" in seen[1]
    assert last_error() == mine
    assert "set_num_threads" in mine


def test_one_network_in_many_threads_makes_every_step(rng):
    net, _ = pair("fa")
    x, y = examples(rng, "float32")

    def learn():
        for _ in range(200):
            assert net.call("step", view(x), view(y), SGD, None) == 0

    threads = [threading.Thread(target=learn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert net.count("steps") == 800
