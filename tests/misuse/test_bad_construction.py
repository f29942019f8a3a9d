"""Wrong arguments to constructors: an error names the argument, what it was, what it must be."""

from __future__ import annotations

import re
from collections.abc import Callable

import fastfa as fa
import numpy as np
import pytest

LAYERS = [fa.Dense(4, "tanh"), fa.Dense(3, "linear")]

# what is made · a pattern for each thing that the message must name, in any order
CONSTRUCTIONS: dict[str, tuple[Callable[[], object], list[str]]] = {
    # Dense
    "units 0": (lambda: fa.Dense(0, "tanh"), ["units", "0", "must"]),
    "units negative": (lambda: fa.Dense(-4, "tanh"), ["units", "-4", "must"]),
    "units a fraction": (lambda: fa.Dense(2.5, "tanh"), ["units", r"2\.5", "must"]),
    "units text": (lambda: fa.Dense("10", "tanh"), ["units", "10", "must"]),
    "units True": (lambda: fa.Dense(True, "tanh"), ["units", "True", "must"]),
    "activation unknown": (
        lambda: fa.Dense(4, "sinus"),
        ["activation", "sinus", "logistic", "leaky_relu"],
    ),
    "activation not text": (lambda: fa.Dense(4, 3), ["activation", "3", "logistic"]),
    "weight_scale negative": (
        lambda: fa.Dense(4, "tanh", weight_scale=-0.1),
        ["weight_scale", r"-0\.1", "must"],
    ),
    "weight_scale NaN": (
        lambda: fa.Dense(4, "tanh", weight_scale=np.nan),
        ["weight_scale", "nan", "must"],
    ),
    "weight_scale infinite": (
        lambda: fa.Dense(4, "tanh", weight_scale=np.inf),
        ["weight_scale", "inf", "must"],
    ),
    "weight_scale text": (
        lambda: fa.Dense(4, "tanh", weight_scale="big"),
        ["weight_scale", "big", "must"],
    ),
    "bias not boolean": (lambda: fa.Dense(4, "tanh", bias="no"), ["bias", "no", "must"]),
    "trainable not boolean": (lambda: fa.Dense(4, "tanh", trainable=3), ["trainable", "3", "must"]),
    # Network
    "input 0": (lambda: fa.Network(0, LAYERS), ["input", "0", "must"]),
    "input negative": (lambda: fa.Network(-5, LAYERS), ["input", "-5", "must"]),
    "input a fraction": (lambda: fa.Network(2.5, LAYERS), ["input", r"2\.5", "must"]),
    "input a shape with 0": (
        lambda: fa.Network((3, 0, 4), LAYERS),
        ["input", r"\(3, 0, 4\)|0", "must"],
    ),
    "input an empty shape": (lambda: fa.Network((), LAYERS), ["input", r"\(\)", "must"]),
    "input a long shape": (
        lambda: fa.Network((1, 2, 3, 4), LAYERS),
        ["input", r"\(1, 2, 3, 4\)|4", "must"],
    ),
    "no layers": (lambda: fa.Network(5, []), ["layers", "must"]),
    "layers not a sequence": (
        lambda: fa.Network(5, fa.Dense(3, "linear")),
        ["layers", "Dense", "must"],
    ),
    "layers of numbers": (lambda: fa.Network(5, [4, 3]), ["layers", "4|int", "Dense"]),
    "softmax inside": (
        lambda: fa.Network(5, [fa.Dense(4, "softmax"), fa.Dense(3, "linear")]),
        ["softmax", "layers?", "output|last"],
    ),
    "softmax with squared_error": (
        lambda: fa.Network(5, [fa.Dense(4, "tanh"), fa.Dense(3, "softmax")]),
        ["softmax", "squared_error", "cross_entropy"],
    ),
    "cross_entropy with tanh": (
        lambda: fa.Network(5, [fa.Dense(4, "tanh"), fa.Dense(3, "tanh")], loss="cross_entropy"),
        ["cross_entropy", "tanh", "logistic", "softmax"],
    ),
    "loss unknown": (
        lambda: fa.Network(5, LAYERS, loss="hinge"),
        ["loss", "hinge", "squared_error", "cross_entropy"],
    ),
    "seed negative": (lambda: fa.Network(5, LAYERS, seed=-1), ["seed", "-1", "must"]),
    "seed too large": (lambda: fa.Network(5, LAYERS, seed=2**64), ["seed", str(2**64), "must"]),
    "seed a fraction": (lambda: fa.Network(5, LAYERS, seed=1.5), ["seed", r"1\.5", "must"]),
    "seed None": (lambda: fa.Network(5, LAYERS, seed=None), ["seed", "None", "must"]),
    "dtype unknown": (
        lambda: fa.Network(5, LAYERS, dtype="float16"),
        ["dtype", "float16", "float32", "float64"],
    ),
    "dtype integer": (lambda: fa.Network(5, LAYERS, dtype=int), ["dtype", "int", "float32"]),
    "dtype nonsense": (
        lambda: fa.Network(5, LAYERS, dtype="double precision"),
        ["dtype", "double", "float32"],
    ),
    "device unknown": (lambda: fa.Network(5, LAYERS, device="tpu"), ["device", "tpu", "cpu"]),
    "weights that do not fit float32": (
        lambda: fa.Network(5, [fa.Dense(3, "linear", weight_scale=1e300)]),
        ["weight_scale", r"1e\+?300", "float32"],
    ),
    "feedback that does not fit float32": (
        lambda: fa.Network(5, LAYERS, fa.Feedback("uniform", scale=1e300)),
        ["scale", r"1e\+?300", "float32"],
    ),
    # Feedback
    "matrix unknown": (
        lambda: fa.Feedback("random"),
        ["matrix", "random", "uniform", "normal", "zero"],
    ),
    "matrix not text": (lambda: fa.Feedback(np.ones((2, 2))), ["matrix", "uniform"]),
    "route unknown": (
        lambda: fa.Feedback("uniform", route="down"),
        ["route", "down", "layerwise", "direct"],
    ),
    "scale unknown": (
        lambda: fa.Feedback("uniform", scale="equal"),
        ["scale", "equal", "equal_error"],
    ),
    "scale negative": (lambda: fa.Feedback("uniform", scale=-1), ["scale", "-1", "must"]),
    "scale NaN": (lambda: fa.Feedback("normal", scale=np.nan), ["scale", "nan", "must"]),
    "gain negative": (lambda: fa.Feedback("uniform", gain=-1.0), ["gain", "-1", "must"]),
    "gain with a scale": (lambda: fa.Feedback("uniform", scale=0.1, gain=1.0), ["gain", "scale"]),
    "plasticity unknown": (
        lambda: fa.Feedback("uniform", plasticity="hebb"),
        ["plasticity", "hebb", "fixed"],
    ),
    "direct transpose": (
        lambda: fa.Network(
            5, [fa.Dense(7, "tanh"), *LAYERS], fa.Feedback("transpose", route="direct")
        ),
        ["transpose", "direct"],
    ),
    "array missing": (lambda: fa.Feedback("array"), ["array", "None|missing", "must"]),
    "array for another matrix": (
        lambda: fa.Feedback("uniform", array=np.ones((2, 2))),
        ["array", "uniform"],
    ),
    "array one-dimensional": (
        lambda: fa.Feedback("array", array=np.ones(3)),
        ["array", r"\(3,\)|1", "must"],
    ),
    "array with NaN": (
        lambda: fa.Feedback("array", array=[[np.nan, 1.0]]),
        ["array", "(?i)nan|finite"],
    ),
    "array of text": (lambda: fa.Feedback("array", array=[["a"]]), ["array", "U1|str"]),
    "array complex": (
        lambda: fa.Feedback("array", array=np.ones((2, 2)) * 1j),
        ["array", "complex"],
    ),
    "array of a wrong shape": (
        lambda: fa.Network(
            5,
            [fa.Dense(20, "tanh"), fa.Dense(10, "linear")],
            fa.Feedback("array", array=np.ones((20, 30))),
        ),
        [r"feedback\[0\]", "array", r"\(20, 30\)", r"\(20, 10\)"],
    ),
    "feedback unknown": (
        lambda: fa.Network(5, LAYERS, "backprop"),
        ["feedback", "backprop", "bp", "fa", "dfa"],
    ),
    "feedback of unknown kind": (lambda: fa.Network(5, LAYERS, 7), ["feedback", "7|int"]),
    "feedback unknown in a list": (
        lambda: fa.Network(5, LAYERS, ["nope"]),
        [r"feedback", "nope", "bp"],
    ),
    "feedback too many": (
        lambda: fa.Network(5, LAYERS, ["fa", "bp", "fa"]),
        ["feedback", "3", "1"],
    ),
    # SGD
    "lr negative": (lambda: fa.SGD(-0.1), ["lr", r"-0\.1", "must"]),
    "lr NaN": (lambda: fa.SGD(np.nan), ["lr", "nan", "must"]),
    "lr infinite": (lambda: fa.SGD(np.inf), ["lr", "inf", "must"]),
    "lr text": (lambda: fa.SGD("fast"), ["lr", "fast", "must"]),
    "momentum 1": (lambda: fa.SGD(0.1, momentum=1.0), ["momentum", "1", "must"]),
    "momentum negative": (lambda: fa.SGD(0.1, momentum=-0.1), ["momentum", r"-0\.1", "must"]),
    "momentum NaN": (lambda: fa.SGD(0.1, momentum=np.nan), ["momentum", "nan", "must"]),
    "weight_decay negative": (
        lambda: fa.SGD(0.1, weight_decay=-1e-6),
        ["weight_decay", "-1e-06", "must"],
    ),
    "weight_decay infinite": (
        lambda: fa.SGD(0.1, weight_decay=np.inf),
        ["weight_decay", "inf", "must"],
    ),
    "reduction unknown": (
        lambda: fa.SGD(0.1, reduction="average"),
        ["reduction", "average", "mean", "sum"],
    ),
    # the rest
    "threads 0": (lambda: fa.set_num_threads(0), ["0", "must"]),
    "threads negative": (lambda: fa.set_num_threads(-2), ["-2", "must"]),
    "threads a fraction": (lambda: fa.set_num_threads(1.5), [r"1\.5", "must"]),
    "threads too many": (lambda: fa.set_num_threads(2**40), [str(2**40), "must"]),
    "threads True": (lambda: fa.set_num_threads(True), ["True", "must"]),
    "permutation with a large epoch": (
        lambda: fa.data.permutation(4, 0, 2**32),
        ["epoch", str(2**32), "must"],
    ),
    "permutation of a negative length": (
        lambda: fa.data.permutation(-1, 0, 0),
        ["n", "-1", "must"],
    ),
    "permutation with a negative seed": (
        lambda: fa.data.permutation(4, -1, 0),
        ["seed", "-1", "must"],
    ),
    "permutation with a negative epoch": (
        lambda: fa.data.permutation(4, 0, -1),
        ["epoch", "-1", "must"],
    ),
}


@pytest.mark.parametrize("name", CONSTRUCTIONS)
def test_a_bad_construction_is_explained(name):
    make, patterns = CONSTRUCTIONS[name]
    threads = fa.get_num_threads()
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    missing = [p for p in patterns if not re.search(p, str(caught.value))]
    assert not missing, f"nothing in {str(caught.value)!r} matches {missing}"
    assert fa.get_num_threads() == threads
