"""Wrong rules: an error names the argument, what it was, what it must be; nothing is changed.

Tables as in test_bad_construction.py; test_bad_learning.py has the other new arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import fastfa as fa
import numpy as np
import pytest
from fastfa import _core

LAYERS = [fa.Dense(7, "tanh"), fa.Dense(4, "tanh"), fa.Dense(3, "linear")]
DRAWN = ("uniform", "normal", "orthogonal", "sparse", "low_rank", "binary", "ternary", "hadamard",
         "procedural")  # fmt: skip


def net_of(feedback, **options) -> fa.Network:
    return fa.Network(5, LAYERS, feedback, **options)


class Carrier:
    def propagate(self, delta):
        return delta @ np.ones((delta.shape[1], 4))


# what is made · a pattern for each thing that the message must name, in any order
CONSTRUCTIONS: dict[str, tuple[Callable[[], object], list[str]]] = {
    # matrix and route
    "matrix custom": (lambda: fa.Feedback("custom"), ["matrix", "custom", "uniform", "hadamard"]),
    "matrix None": (lambda: fa.Feedback(None), ["matrix", "None", "propagate|uniform"]),
    "matrix a class": (lambda: fa.Feedback(Carrier), ["matrix", "Carrier", "propagate|uniform"]),
    "matrix without propagate": (lambda: fa.Feedback(object()), ["matrix", "object", "propagate"]),
    "propagate not callable": (
        lambda: fa.Feedback(type("Odd", (), {"propagate": 3})()),
        ["matrix", "propagate"],
    ),
    "route of a name that is none": (
        lambda: fa.Feedback("uniform", route="targets"),
        ["route", "targets", "layerwise", "direct", "target"],
    ),
    **{
        f"{kind} target": (
            lambda kind=kind: fa.Feedback(kind, route="target"),
            [kind, "route", "target"],
        )
        for kind in ("transpose", "sign", "pseudoinverse")
    },
    **{
        f"{kind} direct below the last hidden layer": (
            lambda kind=kind: net_of(fa.Feedback(kind, route="direct")),
            [r"feedback\[0\]|layer", kind, "direct"],
        )
        for kind in ("transpose", "sign", "pseudoinverse")
    },
    "an unknown preset": (lambda: net_of("ff"), ["feedback", "ff", "drtp", "frsf", "pbp"]),
    # scale and gain
    **{
        f"{kind} has no scale": (
            lambda kind=kind: fa.Feedback(kind, scale=0.1),
            ["scale", r"0\.1", kind],
        )
        for kind in ("transpose", "pseudoinverse", "zero")
    },
    "an array has no scale": (
        lambda: fa.Feedback("array", array=np.ones((4, 3)), scale=0.1),
        ["scale", r"0\.1", "array"],
    ),
    "a custom object has no scale": (lambda: fa.Feedback(Carrier(), scale=0.1), ["scale", r"0\.1"]),
    **{
        f"{kind}: scale negative": (
            lambda kind=kind: fa.Feedback(
                kind, scale=-0.5, **{"rank": 1} if "rank" in kind else {}
            ),
            ["scale", r"-0\.5", "must"],
        )
        for kind in (*DRAWN, "sign")
    },
    "scale of binary does not fit float32": (
        lambda: net_of(fa.Feedback("binary", scale=1e300)),
        ["scale", r"1e\+?300", "float32"],
    ),
    "gain of sign with a scale": (
        lambda: fa.Feedback("sign", scale=0.5, gain=1.0),
        ["gain", "scale"],
    ),
    # density
    **{
        f"density {bad} of {kind}": (
            lambda kind=kind, bad=bad: fa.Feedback(kind, density=bad),
            ["density", re.escape(str(bad)), "must"],
        )
        for kind in ("sparse", "ternary")
        for bad in (0, 0.0, -0.5, 1.01, np.nan, np.inf, "half", True)
    },
    **{
        f"density of {kind}": (
            lambda kind=kind: fa.Feedback(kind, density=0.5),
            ["density", r"0\.5", kind, "sparse", "ternary"],
        )
        for kind in ("uniform", "binary", "hadamard", "procedural", "sign", "zero", "transpose")
    },
    # rank
    "rank missing": (lambda: fa.Feedback("low_rank"), ["rank", "None|missing", "low_rank", "must"]),
    **{
        f"rank {bad}": (
            lambda bad=bad: fa.Feedback("low_rank", rank=bad),
            ["rank", re.escape(str(bad)), "must"],
        )
        for bad in (0, -1, 1.5, "2", True, 2**31)
    },
    "rank of uniform": (
        lambda: fa.Feedback("uniform", rank=2),
        ["rank", "2", "uniform", "low_rank"],
    ),
    "rank above n_source": (
        lambda: net_of(["fa", fa.Feedback("low_rank", rank=4)]),
        [r"feedback\[1\]", "rank", "4", "3"],
    ),
    "rank above n_l": (
        lambda: net_of([fa.Feedback("low_rank", rank=5), "fa"]),
        [r"feedback\[0\]", "rank", "5", "4"],
    ),
    "rank above the direct source": (
        lambda: net_of([fa.Feedback("low_rank", rank=4, route="direct"), "fa"]),
        [r"feedback\[0\]", "rank", "4", "3"],
    ),
    "rank too large for toarray": (
        lambda: fa.Feedback("low_rank", rank=6).toarray(5, 9),
        ["rank", "6", "5"],
    ),
    # magnitude and refresh
    "magnitude unknown": (
        lambda: fa.Feedback("sign", magnitude="random"),
        ["magnitude", "random", "uniform", "fixed", "redrawn"],
    ),
    "magnitude of uniform": (
        lambda: fa.Feedback("uniform", magnitude="fixed"),
        ["magnitude", "fixed", "uniform", "sign"],
    ),
    **{
        f"refresh {bad}": (
            lambda bad=bad: fa.Feedback("pseudoinverse", refresh=bad),
            ["refresh", re.escape(str(bad)), "must"],
        )
        for bad in (0, -2, 2.5, "3", True, None)
    },
    "refresh of transpose": (
        lambda: fa.Feedback("transpose", refresh=2),
        ["refresh", "2", "transpose", "pseudoinverse"],
    ),
    # plasticity
    **{
        f"{plasticity} of {kind}": (
            lambda kind=kind, plasticity=plasticity: fa.Feedback(
                kind, plasticity=plasticity, **{"rank": 1} if kind == "low_rank" else {}
            ),
            ["plasticity", plasticity, kind],
        )
        for kind in (
            "binary",
            "ternary",
            "sparse",
            "low_rank",
            "hadamard",
            "procedural",
            "zero",
            "transpose",
            "sign",
            "pseudoinverse",
        )
        for plasticity in ("kolen_pollack", "weight_mirror")
    },
    "a custom object does not learn": (
        lambda: fa.Feedback(Carrier(), plasticity="kolen_pollack"),
        ["plasticity", "kolen_pollack"],
    ),
    "plasticity of an unknown name": (
        lambda: fa.Feedback("uniform", plasticity="hebbian"),
        ["plasticity", "hebbian", "fixed", "kolen_pollack", "weight_mirror"],
    ),
    "plasticity None": (lambda: fa.Feedback("uniform", plasticity=None), ["plasticity", "None"]),
    "plasticity the class": (
        lambda: fa.Feedback("uniform", plasticity=fa.WeightMirror),
        ["plasticity", "WeightMirror"],
    ),
    "kolen_pollack of the target": (
        lambda: fa.Feedback("uniform", route="target", plasticity="kolen_pollack"),
        ["plasticity", "kolen_pollack", "target"],
    ),
    "weight_mirror of the target": (
        lambda: fa.Feedback("uniform", route="target", plasticity="weight_mirror"),
        ["plasticity", "weight_mirror", "target"],
    ),
    "weight_mirror direct below the last hidden layer": (
        lambda: net_of(fa.Feedback("uniform", route="direct", plasticity="weight_mirror")),
        [r"feedback\[0\]|layer", "weight_mirror", "direct"],
    ),
}


def assert_names(message: str, patterns: list[str]) -> None:
    missing = [p for p in patterns if not re.search(p, message)]
    assert not missing, f"nothing in {message!r} matches {missing}"


@pytest.mark.parametrize("name", CONSTRUCTIONS)
def test_a_bad_rule_is_explained(name):
    make, patterns = CONSTRUCTIONS[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    assert_names(str(caught.value), patterns)


# ---- given to a network that is good -----------------------------------------------------------

X, Y = np.full((6, 5), 0.5), np.full((6, 3), 0.5)
WRONG_RULES = {
    "a preset that is none": ("drpt", ["feedback", "drpt", "drtp"]),
    "rank too large": (fa.Feedback("low_rank", rank=4), [r"feedback\[1\]", "rank", "4", "3"]),
    "direct pseudoinverse": (
        fa.Feedback("pseudoinverse", route="direct"),
        [r"feedback\[0\]", "pseudoinverse", "direct"],
    ),
    "direct sign": (fa.Feedback("sign", route="direct"), [r"feedback\[0\]", "sign", "direct"]),
    "direct weight mirror": (
        fa.Feedback("normal", route="direct", plasticity="weight_mirror"),
        [r"feedback\[0\]", "weight_mirror", "direct"],
    ),
    "plastic array of a wrong shape": (
        ["fa", fa.Feedback("array", array=np.ones((3, 4)), plasticity="kolen_pollack")],
        [r"feedback\[1\]", r"\(3, 4\)", r"\(4, 3\)"],
    ),
    "target array of a wrong shape": (
        [fa.Feedback("array", array=np.ones((7, 4)), route="target"), "fa"],
        [r"feedback\[0\]", r"\(7, 4\)", r"\(7, 3\)"],
    ),
    "too many": (["fa"] * 3, ["feedback", "3", "2"]),
    "a perturbation in a list": ([fa.NodePerturbation(0.1)] * 2, ["feedback", "NodePerturbation"]),
    "None in a list": ([None, "fa"], [r"feedback\[0\]", "None"]),
}


@pytest.mark.parametrize("call", ["set_feedback", "deltas"])
@pytest.mark.parametrize("rule", ["fa", "kp", "perturbed"])
@pytest.mark.parametrize("name", WRONG_RULES)
def test_a_bad_rule_leaves_the_network_as_it_was(name, rule, call):
    wrong, patterns = WRONG_RULES[name]
    given = fa.NodePerturbation(0.1) if rule == "perturbed" else rule
    optimizer = fa.Adam(0.01)
    net, twin = (net_of(given, dtype="float64") for _ in range(2))
    for each in (net, twin):
        each.step(X, Y, optimizer)
    before, feedback = net.state_dict(), net.feedback
    with pytest.raises((ValueError, TypeError)) as caught:
        net.set_feedback(wrong) if call == "set_feedback" else net.deltas(X, Y, feedback=wrong)
    assert_names(str(caught.value), patterns)
    after = net.state_dict()
    assert before.keys() == after.keys()
    assert all(before[key].tobytes() == after[key].tobytes() for key in before)
    assert net.feedback == feedback
    for each in (net, twin):
        each.step(X, Y, optimizer)
    for left, right in zip(net.weights, twin.weights, strict=True):
        np.testing.assert_array_equal(left, right)


def test_what_the_tables_vary_is_accepted_where_it_is_right():
    """A refusal is for the stated reason."""
    for kind in ("transpose", "sign", "pseudoinverse"):
        top = fa.Feedback(kind, route="direct")
        net, same = net_of(["fa", top]), net_of(["fa", fa.Feedback(kind)])
        for left, right in zip(net.deltas(X, Y), same.deltas(X, Y), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-6)
    net_of(["fa", fa.Feedback("uniform", route="direct", plasticity="weight_mirror")])
    net_of([fa.Feedback("low_rank", rank=4), fa.Feedback("low_rank", rank=3)])
    net_of([fa.Feedback("low_rank", rank=3, route="target"), "fa"])
    net_of(["fa", Carrier()]).step(X, Y, fa.SGD(0.1))
    for kind in DRAWN:
        fa.Feedback(kind, scale=0.0, **{"rank": 1} if kind == "low_rank" else {})
    fa.Feedback("sparse", density=1), fa.Feedback("ternary", density=1e-9)
    fa.Feedback("sign", magnitude="fixed", gain=2.0), fa.Feedback("pseudoinverse", refresh=10**6)
    assert _core.ROUTES == ("layerwise", "direct", "target")
    assert _core.MAGNITUDES == ("uniform", "fixed", "redrawn", "array")
    assert _core.PLASTICITIES == ("fixed", "kolen_pollack", "weight_mirror")
