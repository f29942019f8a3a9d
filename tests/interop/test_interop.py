"""Arrays of other frameworks, without them; and what is said where they are missing."""

from __future__ import annotations

import copy

import fastfa as fa
import numpy as np
import pytest


class Lender:
    """An array that can be had by DLPack only."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **kwargs):
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Elsewhere(Lender):
    def __dlpack__(self, **kwargs):
        raise BufferError("it is on another device")


def net(dtype="float32") -> fa.Network:
    return fa.Network(6, [fa.Dense(5, "tanh"), fa.Dense(3)], dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_by_dlpack_are_read_in_place(dtype, rng):
    x = rng.standard_normal((7, 6)).astype(dtype)
    y = rng.standard_normal((7, 3)).astype(dtype)
    own, lent = net(dtype), net(dtype)
    assert np.shares_memory(lent._x("forward", Lender(x)), x)
    np.testing.assert_array_equal(own.forward(x), lent.forward(Lender(x)))
    assert own.step(x, y, fa.SGD(0.1)) == lent.step(Lender(x), Lender(y), fa.SGD(0.1))
    np.testing.assert_array_equal(own.weights[0], lent.weights[0])
    fits = [
        fa.Trainer(n, fa.SGD(0.1), epochs=2, progress=False).fit(pair)["train_loss"]
        for n, pair in ((own, (x, y)), (lent, (Lender(x), Lender(y))))
    ]
    assert fits[0] == fits[1]


def test_what_cannot_be_read_in_place_is_refused(rng):
    x = rng.standard_normal((7, 6))
    with pytest.raises(TypeError, match=r"\[forward\] X was a .*Elsewhere.* another device"):
        net().forward(Elsewhere(x))


@pytest.mark.parametrize(
    ("module", "missing", "extra"),
    [
        ("fastfa.sklearn", "sklearn", "sklearn"),
        ("fastfa.interop.torch", "torch", "torch"),
        ("fastfa.interop.jax", "jax", "jax"),
        ("fastfa.interop.onnx", "onnx", "onnx"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(module, missing, extra, run_python):
    out = run_python(
        f"import sys; sys.modules[{missing!r}] = None\n"
        "import importlib\n"
        f"try: importlib.import_module({module!r})\n"
        "except ImportError as error: print(error)"
    )
    assert "is not installed" in out
    assert f"fastfa[{extra}]" in out


def test_import_loads_no_neighbour(run_python):
    out = run_python(
        "import sys, fastfa, fastfa.interop, fastfa.data, fastfa.metrics\n"
        "fastfa.Trainer; fastfa.interop\n"
        "print(sorted({'sklearn', 'torch', 'jax', 'onnx', 'pandas'} & sys.modules.keys()))"
    )
    assert out.strip() == "[]"
    with pytest.raises(AttributeError, match="tensorflow"):
        fa.interop.tensorflow  # noqa: B018


@pytest.mark.parametrize(
    "feedback",
    [
        *fa.PRESETS.values(),
        fa.Feedback("array", array=[[1.0, 2.0]]),
        fa.Feedback("low_rank", rank=2, scale=0.3, route="direct"),
        fa.Feedback("ternary", gain=0.2, density=0.5),
    ],
    ids=repr,
)
def test_feedback_survives_the_way_to_a_worker_process(feedback):
    rebuild, arguments = feedback.__reduce__()
    other = rebuild(*arguments)
    assert repr(other) == repr(feedback)
    for name in type(feedback).__slots__:
        np.testing.assert_array_equal(getattr(other, name), getattr(feedback, name))
    assert copy.deepcopy(feedback) is feedback
