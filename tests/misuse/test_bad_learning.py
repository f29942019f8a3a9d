"""Wrong arguments of what learns: mirrors, node perturbation, Adam, densities; and of what is asked.

Every error names the argument, what it was, what it must be.
"""

from __future__ import annotations

import contextlib
import re

import fastfa as fa
import numpy as np
import pytest

NUMBERS = (np.nan, np.inf, "big", None)  # wrong wherever a finite number is needed
COUNTS = (0, -1, 1.5, "2", True, None)  # wrong wherever a positive integer is needed
WRONG = {
    (fa.WeightMirror, "growth"): (0.0, -0.1, 1.5, True, np.nan, np.inf, "slow"),
    (fa.WeightMirror, "decay"): (-0.1, 1.5, True, np.nan, np.inf, "slow"),
    (fa.WeightMirror, "centred"): (0, 1, None, "yes"),
    (fa.WeightMirror, "noise"): (0.0, -1.0, *NUMBERS),
    (fa.WeightMirror, "every"): COUNTS,
    (fa.NodePerturbation, "sigma"): (0, 0.0, -0.1, True, *NUMBERS),
    (fa.Adam, "lr"): (-0.1, *NUMBERS),
    (fa.Adam, "beta1"): (-0.1, 1.0, 1, *NUMBERS),
    (fa.Adam, "beta2"): (-0.1, 1.0, 2, *NUMBERS),
    (fa.Adam, "epsilon"): (0, 0.0, -1e-8, *NUMBERS),
    (fa.Adam, "weight_decay"): (-1e-6, *NUMBERS),
    (fa.AdamW, "lr"): (-0.1, *NUMBERS),
    (fa.AdamW, "weight_decay"): (-1e-6, *NUMBERS),
    (fa.RMSprop, "lr"): (-0.1, *NUMBERS),
    (fa.RMSprop, "rho"): (-0.1, 1.0, 1, *NUMBERS),
    (fa.RMSprop, "epsilon"): (0, 0.0, -1e-8, *NUMBERS),
    (fa.RMSprop, "weight_decay"): (-1e-6, *NUMBERS),
    (fa.SGD, "nesterov"): (0, 1, None, "yes"),
    (fa.Dense, "density"): (0, 0.0, -0.5, 1.01, True, *NUMBERS),
}
NEEDED = {
    **{kind: {"lr": 0.1} for kind in fa.optim.OPTIMIZERS},
    fa.Dense: {"units": 4, "activation": "tanh"},
}
CASES = [(kind, name, value) for (kind, name), values in WRONG.items() for value in values]


def assert_explained(make, words) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    missing = [word for word in words if not re.search(word, str(caught.value))]
    assert not missing, f"nothing in {str(caught.value)!r} matches {missing}"


@pytest.mark.parametrize(("kind", "name", "value"), CASES)
def test_a_wrong_value_is_explained(kind, name, value):
    arguments = NEEDED.get(kind, {}) | {name: value}
    words = [kind.__name__, name, re.escape(str(value)), "must"]
    assert_explained(lambda: kind(**arguments), words)


def test_values_at_the_edges_are_accepted():
    """A refusal above is for the stated reason."""
    fa.WeightMirror(growth=1, decay=1, noise=1e-3, every=10**6)
    assert fa.WeightMirror(growth=None, decay=None).growth is None
    assert fa.WeightMirror.average(0.5).decay == 0.5
    fa.Adam(0.0, beta1=0.0, beta2=0.0, epsilon=1.0, weight_decay=0.0)
    assert fa.NodePerturbation(3).sigma == 3.0
    fa.Dense(4, "tanh", density=1), fa.Dense(4, "tanh", density=1e-9)


ASKED = {
    "citation of a rule": (
        lambda: fa.citation(fa.Feedback("uniform")),
        ["net", "Feedback", "Network"],
    ),
    "citation of None": (lambda: fa.citation(None), ["net", "None", "Network"]),
    "a toarray of 0 units": (
        lambda: fa.Feedback("uniform").toarray(0, 3),
        ["units", "0", "must"],
    ),
    "a toarray of half a unit": (
        lambda: fa.Feedback("uniform").toarray(2.5, 3),
        ["units", r"2\.5", "must"],
    ),
    "a toarray of a negative source": (
        lambda: fa.Feedback("binary").toarray(3, -3),
        ["source", "-3", "must"],
    ),
    "a toarray of a negative seed": (
        lambda: fa.Feedback("uniform").toarray(3, 3, seed=-1),
        ["seed", "-1", "must"],
    ),
    "a toarray of a large seed": (
        lambda: fa.Feedback("uniform").toarray(3, 3, seed=2**64),
        ["seed", str(2**64), "must"],
    ),
    "a toarray of a negative layer": (
        lambda: fa.Feedback("uniform").toarray(3, 3, layer=-1),
        ["layer", "-1", "must"],
    ),
    "a toarray of an array of another shape": (
        lambda: fa.Feedback("array", array=np.ones((4, 3))).toarray(3, 4),
        ["array", r"\(4, 3\)", r"\(3, 4\)"],
    ),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_wrong_question_is_explained(name):
    assert_explained(*ASKED[name])


RATES = {
    "far too large": fa.Adam(1e20),
    "not at all": fa.Adam(np.finfo(np.float64).max),
    "with a decay that overshoots": fa.Adam(1.0, weight_decay=1e30),
    "AdamW": fa.AdamW(1e20),
    "AdamW with a decay that overshoots": fa.AdamW(1.0, weight_decay=1.01),
    "RMSprop": fa.RMSprop(1e20),
    "RMSprop with a decay that overshoots": fa.RMSprop(1.0, weight_decay=1e30),
    "Nesterov": fa.SGD(1e20, momentum=0.9, nesterov=True),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RATES)
def test_a_rate_that_cannot_be_finite_is_refused_or_found_out(name, dtype):
    net = fa.Network(3, [fa.Dense(4, "tanh"), fa.Dense(2)], "kp", dtype=dtype)
    x, y = np.ones((5, 3)), np.ones((5, 2))
    with contextlib.suppress(ValueError, fa.DivergenceError):
        for _ in range(3):
            net.step(x, y, RATES[name])
    for array in [*net.weights, *net.biases, *net.feedback_matrices]:
        assert np.isfinite(array).all()
