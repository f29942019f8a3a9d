"""Wrong use of convolutions and pooling: errors name the argument, what it was, what it must be."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from test_bad_local import PAIRS, WRONG, explained

CONV, DENSE = fa.Conv2D(2, 3), fa.Dense(2)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in WRONG.items() for v in values])
def test_a_wrong_value_is_explained(name, value):
    explained(lambda: fa.Conv2D(**{"maps": 3, "kernel_size": 2} | {name: value}), "Conv2D", name)


@pytest.mark.parametrize("kind", [fa.AvgPool2D, fa.MaxPool2D])
@pytest.mark.parametrize("value", PAIRS)
def test_a_wrong_size_or_stride_is_explained(kind, value):
    explained(lambda: kind(value), kind.__name__, "size")
    if value is not None:
        explained(lambda: kind(2, value), kind.__name__, "stride")


@pytest.mark.parametrize(
    ("shape", "layers", "words"),
    [
        (9, [CONV, DENSE], r"layers\[0\] is Conv2D above something of shape \(9,\)"),
        ((9, 9), [DENSE, CONV], r"layers\[1\] is Conv2D above something of shape \(2,\)"),
        ((2, 9), [CONV, DENSE], r"kernel_size was \(3, 3\); the image is \(2, 9\)"),
        ((5, 5), [CONV, fa.MaxPool2D(4), DENSE], r"MaxPool2D.size was \(4, 4\) above layers\[0\]"),
        ((5, 5), [CONV, fa.MaxPool2D(2), fa.AvgPool2D(2), DENSE], r"AvgPool2D.size was \(2, 2\)"),
        ((9, 9), [DENSE, fa.AvgPool2D(1), DENSE], r"AvgPool2D above layers\[0\], which has shape"),
        (81, [fa.AvgPool2D(1), DENSE], r"AvgPool2D above the input, which has shape \(81,\)"),
        ((9, 9), [CONV, fa.MaxPool2D(2)], r"layers\[1\] is MaxPool2D above the output"),
        ((9, 9), [fa.MaxPool2D(2)], "layers"),
        ((9, 9), [CONV, fa.Dropout(0.5), fa.MaxPool2D(2), DENSE], r"layers\[2\] .*above a Dropout"),
        ((9, 9), [fa.Dropout(0.5), fa.MaxPool2D(2), DENSE], r"layers\[1\] .*above a Dropout"),
    ],
)
def test_a_layer_that_can_not_stand_there(shape, layers, words):
    explained(lambda: fa.Network(shape, layers), words)


@pytest.mark.parametrize("shape", [(28, 28, 1), (28, 28, 3), (32, 32, 4), (48, 64, 3)])
@pytest.mark.parametrize("first", [CONV, fa.AvgPool2D(1)])
def test_channels_that_come_last_are_named(shape, first):
    right = (shape[2], *shape[:2])
    explained(lambda: fa.Network(shape, [first, DENSE]), "input was", "C, H, W", str(right)[1:-1])


@pytest.mark.parametrize(
    "shape", [(3, 28, 28), (28, 3, 3), (40, 100, 1), (16, 12, 4), (4, 4, 4), (7, 7, 3)]
)
def test_other_shapes_are_taken_as_they_are(shape):
    assert fa.Network(shape, [fa.Conv2D(2, 1), DENSE]).shapes[1] == (2, *shape[1:])
    deep = [fa.Dropout(0.1), fa.LocallyConnected2D(16, 1), fa.Conv2D(2, 1), DENSE]
    assert fa.Network((1, 16, 3), deep).shapes[2] == (2, 16, 3)


@pytest.mark.parametrize("rule", ["pbp", "wm", fa.Feedback("pseudoinverse")])
def test_rules_that_are_for_dense_layers_are_refused_by_name(rule):
    layers = [fa.Conv2D(2, 2), fa.MaxPool2D(2), fa.Conv2D(2, 2), DENSE]
    explained(
        lambda: fa.Network((9, 9), layers, [rule, "fa"]),
        r"feedback\[0\]",
        "convolutional layer above",
    )
    net = fa.Network((9, 9), layers)
    with pytest.raises(ValueError, match="convolutional"):
        net.set_feedback([rule, "fa"])
    assert net.feedback[0].matrix == "uniform"


def test_feedback_is_counted_by_layers_with_weights():
    layers = [fa.Conv2D(2, 2), fa.MaxPool2D(2), fa.Conv2D(2, 2), fa.AvgPool2D(3), DENSE]
    explained(lambda: fa.Network((9, 9), layers, ["fa"] * 4), "4 entries", "2 hidden layers")
    wrong = fa.Feedback("array", array=np.zeros((128, 18)))  # of the units before pooling
    explained(lambda: fa.Network((9, 9), layers, [wrong, "fa"]), r"feedback\[0\]", r"\(32, 18\)")


@pytest.mark.parametrize(
    ("shape", "layer", "count"),
    [
        ((2**15, 2**15), fa.Conv2D(1, 1, stride=2**14), 2**30),
        ((2**10, 2**10), fa.Conv2D(2**10, 1), 2**30),
        ((1, 1), fa.Conv2D(2**15, 2**8, padding="same"), 2**31),
    ],
)
def test_more_than_kernels_can_number(shape, layer, count):
    explained(
        lambda: fa.Network(shape, [layer, DENSE]),
        rf"layers\[0\] has {count} inputs, units or weights",
        "fewer than 2\\^30",
    )
