"""The C interface refuses: every status, bad descriptions and arguments, structs of other versions."""

from __future__ import annotations

import ctypes as c
import re
import threading

import capi
import numpy as np
import pytest
from capi import LIBRARY, STATUS, Feedback, Layer, Network, Optimizer, last_error, view
from capi_cases import SGD, epoch, examples, pair


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
        "train_sequences": (x, x, None, None, sgd, None, None, None),
        "forward_sequences": (x, n, x),
        "evaluate_sequences": (x, x, None, n, c.byref(result)),
        "reset": (),
        "set_state": (x,),
        "state": (x,),
    }
    rest = {
        "abi",
        "version",
        "last_error",
        "last_divergence",
        "last_divergence_time",
        "set_num_threads",
        "get_num_threads",
    }
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
        (
            {"matmul_precision": None},
            r"matmul_precision was 'NULL'; it must be one of float32, bf16",
        ),
        ({"matmul_precision": b"tf32"}, r"matmul_precision was 'tf32'; it must be 'float32'"),
        ({"matmul_precision": b"bf16", "dtype": 1}, r"matmul_precision was 'bf16'; it must be"),
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
            r"optimizer\] rule was 'x'; it must be one of 'sgd', 'adam', 'adamw', 'rmsprop'",
        ),
        (
            lambda net, x, y: net.call(
                "step", view(x), view(y), c.byref(Optimizer(rule=b"adamw", nesterov=1)), None
            ),
            r"nesterov was 1 for 'adamw'; it must be 0",
        ),
        (
            lambda net, x, y: net.call(
                "step", view(x), view(y), c.byref(Optimizer(nesterov=1)), None
            ),
            r"nesterov was true with momentum 0; momentum must be above 0",
        ),
        (
            lambda net, x, y: net.call(
                "step", view(x), view(y), c.byref(Optimizer(rule=b"rmsprop", rho=1.0)), None
            ),
            r"rho was 1; it must be in \[0, 1\)",
        ),
        (
            lambda net, x, y: net.call(
                "step", view(x), view(y), c.byref(Optimizer(clip_norm=-1.0)), None
            ),
            r"\[SGD\] clip_norm was -1; it must be above 0, or 0 for no limit",
        ),
        (
            lambda net, x, y: net.call(
                "step", view(x), view(y), c.byref(Optimizer(clip_norm=1.0, clip_value=2.0)), None
            ),
            r"there were clip_norm 1 and clip_value 2; it must be one of them",
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
