"""Assignments: every public attribute of every public class is honoured or refused with advice."""

from __future__ import annotations

import copy
import importlib
import inspect
import pkgutil

import fastfa as fa
import numpy as np
import pytest
from public_classes import MADE, OTHERS, SETTINGS, X, Y, network


def public_modules(package):
    """Those of fastfa, but for commands and for neighbours (sklearn, torch), whose rules are theirs."""
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        name = info.name.rpartition(".")[2]
        if name in ("cli", "interop", "sklearn") or name.startswith("_"):
            continue
        module = importlib.import_module(info.name)
        yield module
        if info.ispkg:
            yield from public_modules(module)


def public_classes():
    found = {}
    for module in public_modules(fa):
        for name, thing in vars(module).items():
            if inspect.isclass(thing) and thing.__module__ == module.__name__ and name[0] != "_":
                found[thing] = None
    for module in (fa, fa.data, fa.metrics):
        for name in getattr(module, "__all__", []):
            if inspect.isclass(getattr(module, name)):
                found[getattr(module, name)] = None
    return list(found)


def public(thing):
    return [name for name in dir(thing) if not name.startswith("_")]


def test_every_public_class_is_in_one_of_the_tables():
    """A new one must be added: to MADE, so that its attributes are tried, or to OTHERS with a reason."""
    for kind in public_classes():
        structural = issubclass(kind, BaseException) or getattr(kind, "_is_protocol", False)
        mixin = kind in fa.Network.__mro__  # Stepwise, OnDevice
        helper = kind.__module__.startswith(
            ("fastfa.checkpoint.", "fastfa.comparison.", "fastfa.data.", "fastfa.training.")
        )
        known = kind in MADE or kind in OTHERS or structural or mixin
        assert known or (helper and kind.__name__ not in fa.data.__all__), kind


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_every_public_attribute_is_honoured_or_refused_with_advice(kind):
    thing = MADE[kind]()
    names = public(thing)
    assert names
    for name in names:
        before = getattr(thing, name)
        if name in SETTINGS.get(kind, ()):
            setattr(thing, name, before)
            continue
        with pytest.raises(AttributeError) as caught:
            setattr(thing, name, None)
        if not issubclass(kind, tuple):  # Python's own words for those
            words = str(caught.value)
            assert name in words
            assert words.startswith(f"[{kind.__name__}]")
            assert ";" in words or ": " in words, f"no advice: {words}"
        with pytest.raises(AttributeError):
            delattr(thing, name)
        after = getattr(thing, name)
        if not callable(before) and name not in ("weights", "biases", "feedback_matrices", "state"):
            assert after is before or repr(after) == repr(before), name


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_an_unknown_attribute_is_refused_and_the_close_one_named(kind):
    thing = MADE[kind]()
    close = next(n for n in public(thing) if len(n) > 3 and n + "x" not in dir(thing))
    with pytest.raises(AttributeError) as caught:
        setattr(thing, close + "x", 3)
    if not issubclass(kind, tuple):
        assert f"did you mean {close!r}" in str(caught.value)


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_copies_are_whole_and_as_strict(kind):
    if kind is fa.DeviceArray:
        pytest.skip("refused: test_travel.py")
    again = copy.copy(MADE[kind]())
    repr(again)
    with pytest.raises(AttributeError):
        again.nothing_of_this_name = 3


def test_subclasses_may_have_attributes_of_their_own():
    class Net(fa.Network):
        def __init__(self):
            self.before = 1
            super().__init__(4, [fa.Dense(2)])
            self.mine = 2

    class Own(fa.Trainer):
        pass

    class Rate(fa.SGD):
        pass

    net = Net()
    net.mine = net.before = 5
    del net.before
    assert net.mine == 5
    with pytest.raises(AttributeError, match=r"\[Network\] loss can't be assigned"):
        net.loss = "cross_entropy"
    run = Own(net, fa.SGD(0.1), epochs=1)
    run.note = "x"
    run.epochs = 3
    assert (run.note, run.epochs) == ("x", 3)
    with pytest.raises(ValueError, match=r"\[Trainer\] epochs was 0"):
        run.epochs = 0
    rate = Rate(0.1)
    object.__setattr__(rate, "note", 1)
    with pytest.raises(AttributeError, match="lr can't be assigned"):
        rate.lr = 3


def test_what_a_loaded_network_has_is_what_it_was_made_with(tmp_path):
    """The assignments were saved, and a network of another loss came back."""
    net = network(seed=7)
    for name, value in {"loss": "cross_entropy", "seed": 8, "layers": net.layers[:1]}.items():
        with pytest.raises(AttributeError, match="make another Network"):
            setattr(net, name, value)
    fa.save(tmp_path / "net.st", net)
    again = fa.load(tmp_path / "net.st")
    assert (again.loss, again.seed, again.layers) == ("squared_error", 7, net.layers)


def test_steps_read_what_is_in_their_rates():
    schedule = fa.Steps({5: 0.5}, initial=1.0)
    schedule.rates[3] = 0.3
    assert [schedule.lr(epoch, fa.History()) for epoch in (2, 3, 5)] == [1.0, 0.3, 0.5]


# ---- arrays ------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["weights", "biases", "feedback_matrices"])
def test_assigning_to_an_entry_writes_into_the_network(part, rng):
    net, same = network(), network()
    before = net.forward(X)
    for i, array in enumerate(getattr(same, part)):
        new = rng.normal(size=array.shape)
        array[...] = new
        getattr(net, part)[i] = new
        getattr(net, part)[-1 - i].shape  # noqa: B018
    for mine, theirs in zip(getattr(net, part), getattr(same, part), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    if part == "feedback_matrices":
        deltas = zip(net.deltas(X, Y), same.deltas(X, Y), strict=True)
        assert all(np.array_equal(mine, theirs) for mine, theirs in deltas)
    else:
        assert not np.array_equal(net.forward(X), before)


def test_feedback_that_is_given_the_transpose_is_backprop():
    net = fa.Network(4, [fa.Dense(5, "tanh"), fa.Dense(2)], dtype="float64")
    net.feedback_matrices[0] = net.weights[1].T
    np.testing.assert_array_equal(net.deltas(X, Y)[0], net.deltas(X, Y, feedback="bp")[0])


def test_arithmetic_in_place_is_done_once_and_a_number_fills():
    net, same = network(), network()
    net.weights[0] *= 0.5
    same.weights[0][...] = same.weights[0] * np.float32(0.5)
    net.biases[-1] = 0.25
    np.testing.assert_array_equal(net.weights[0], same.weights[0])
    assert (net.biases[2] == 0.25).all()


def test_arrays_are_a_tuple_and_copies_of_them_are_apart():
    net = network()
    first, *rest = net.weights
    assert isinstance(net.weights, tuple)
    assert len(net.weights) == 3 == 1 + len(rest)
    assert len(net.weights + net.feedback_matrices) == 5
    copied = copy.deepcopy(net.weights)
    copied[0][...] = 0
    assert first.any()
    assert isinstance(net.shapes, tuple)
    assert isinstance(net.feedback_scales, tuple)
    assert isinstance(net.feedback_bytes, tuple)


@pytest.mark.parametrize(
    ("assign", "error", "words"),
    [
        (lambda n: n.weights.__setitem__(0, X), ValueError, r"weights\[0\] has shape \(12, 4\)"),
        (lambda n: n.weights.__setitem__(0, np.nan), ValueError, r"weights\[0\] has nan"),
        (lambda n: n.weights.__setitem__(0, None), TypeError, r"weights\[0\] was None"),
        (lambda n: n.weights.__setitem__(0, "a"), TypeError, r"weights\[0\] has dtype"),
        (lambda n: n.weights.__setitem__(0, X[:5] + 1j), (TypeError, ValueError), r"weights\[0\]"),
        (
            lambda n: n.weights.__setitem__(slice(2), [1, 2]),
            TypeError,
            "one array after another",
        ),
        (lambda n: n.weights.__setitem__(9, 0), IndexError, "index"),
        (lambda n: n.biases.__setitem__(0, 0), TypeError, "has no bias"),
        (lambda n: n.feedback_matrices.__setitem__(0, 0), ValueError, r"Feedback\('array'"),
    ],
)
def test_what_does_not_fit_an_entry_is_refused(assign, error, words):
    layers = [fa.Dense(5, "tanh", bias=False), fa.Dense(2)]
    net = fa.Network(4, layers, "bp")
    before = net.state_dict()
    with pytest.raises(error, match=words):
        assign(net)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
