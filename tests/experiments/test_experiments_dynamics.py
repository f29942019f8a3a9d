"""The dynamics and theorems among the experiments: their verdicts, and measures that can fail."""

from __future__ import annotations

import copy
from functools import cache

import fastfa as fa
import numpy as np
import pytest

pytest.importorskip("scipy", reason="experiments need SciPy")
experiments = pytest.importorskip("fastfa.experiments")
from fastfa.experiments import Results, get  # noqa: E402
from fastfa.experiments._dynamics import LinearDynamics, random_dynamics  # noqa: E402
from fastfa.experiments.coupled import spread  # noqa: E402

NAMES = ("theory", "flow-field", "decoupled", "coupled", "switch")
# Smaller than the quick presets, and enough for every claim.
FEWER = {
    "theory": {"runs": 3},
    "flow-field": {},
    "decoupled": {"runs": 4},
    "coupled": {"runs": 10},
    "switch": {},  # with fewer updates it is still recovering
}


@pytest.fixture(autouse=True)
def one_thread(restore_threads):
    fa.set_num_threads(1)


@cache
def found(name):
    experiment = get(name)
    settings = {**experiment.presets["quick"], **FEWER[name]}
    return settings, {
        condition: [experiment.run(settings, condition, seed) for seed in range(settings["runs"])]
        for condition in experiment.conditions(settings)
    }


def words(name, change=lambda runs: None):
    """The verdict of every claim after `change` to a copy of the runs."""
    settings, runs = found(name)
    runs = copy.deepcopy(runs)
    change(runs)
    results = Results(settings, runs)
    return {claim.text: claim.measure(results).word for claim in get(name).claims}


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_is_reproduced(name):
    assert set(words(name).values()) == {"reproduced"}


def scaled(condition, key, factor):
    def change(runs):
        for row in runs[condition]:
            row[key] = np.asarray(row[key]) * factor

    return change


def replaced(condition, key, value):
    def change(runs):
        for row in runs[condition]:
            row[key] = value(np.array(row[key], np.float64))

    return change


def swapped_networks(runs):
    runs["30-20-10"], runs["100-50-20"] = runs["100-50-20"], runs["30-20-10"]


def level(values):
    return np.full_like(values, values[0])


BREAKS = [
    ("theory", "Theorem 1: from", replaced("theorem 1", "error", level)),
    ("theory", "BW + WᵀBᵀ", replaced("theorem 1", "drift", lambda v: v + 1e-4)),
    ("theory", "V = |BE|²", replaced("theorem 1", "rise", lambda v: v + 1e-6)),
    ("theory", "Lemma 5", replaced("theorem 2", "h", lambda v: v + 0.1)),
    ("theory", "... and W ∝", replaced("theorem 2", "w", lambda v: v + 0.1)),
    ("theory", "Theorem 2", replaced("theorem 2", "pbp", lambda v: v + 0.1)),
    ("theory", "Note 15", replaced("note 15", "order", lambda v: 2 * v)),
    ("theory", "... in the limit", replaced("note 15", "error", level)),
    ("theory", "Note 16", replaced("note 16", "mismatch", lambda v: v + 1e-3)),
    ("theory", "... which is not symmetric", scaled("note 16", "asymmetry", 0)),
    ("theory", "... while backprop's", replaced("note 16", "backprop", lambda v: v + 1e-3)),
    ("flow-field", "From near 0", scaled("start", "end", -1)),
    ("flow-field", "The region", scaled("field", "ends", -1)),
    ("flow-field", "... and avoided", scaled("field", "ends", -1)),
    ("flow-field", "... and is the one", scaled("field", "ends", -1)),
    ("flow-field", "The paths", replaced("start", "drift", lambda v: v + 0.01)),
    ("decoupled", "While A learns", scaled("once", "error", 0.8)),
    ("decoupled", "... and tr(AᵀBE)", scaled("once", "abe", -1)),
    ("decoupled", "... and tr(BW)", replaced("once", "bw", lambda v: v + 1)),
    ("decoupled", "When W learns", scaled("once", "bw", -1)),
    ("decoupled", "By turns", replaced("many", "error", level)),
    ("decoupled", "tr(AᵀBE) stays", scaled("many", "abe", -1)),
    ("decoupled", "Learning together", scaled("together", "bw", -1)),
    ("decoupled", "... in the order", replaced("together", "abe", lambda v: v[::-1])),
    ("decoupled", "When tr(AᵀBE) falls", replaced("together", "error", level)),
    ("coupled", "W aligns", scaled("100-50-20", "bw", -1)),
    ("coupled", "Relative to its mean, tr(AᵀBE) varies", swapped_networks),
    ("coupled", "... and so does tr(BW)", swapped_networks),
    ("coupled", "... and so does the error", swapped_networks),
    ("coupled", "A is aligned", scaled("100-50-20", "abe", -1)),
    ("switch", "After the switch", scaled("bp, then fa", "peak", 0.2)),
    ("switch", "Feedback alignment recovers", scaled("bp, then fa", "end", 5)),
    ("switch", "... and finds", scaled("bp, then fa", "end", 5)),
    ("switch", "Half of the spike", scaled("bp, then fa", "recovery", 100)),
    ("switch", "Before the switch", scaled("bp, then fa", "before", 1.5)),
    ("switch", "... where the error", scaled("bp goes on", "peak", 2)),
]


@pytest.mark.parametrize(("name", "start", "change"), BREAKS)
def test_a_broken_result_differs(name, start, change):
    (word,) = (word for text, word in words(name, change).items() if text.startswith(start))
    assert word == "differs"


def test_every_claim_is_broken_once():
    for name in NAMES:
        starts = [start for other, start, _ in BREAKS if other == name]
        for claim in get(name).claims:
            assert sum(claim.text.startswith(start) for start in starts) == 1, claim.text


# ---- the dynamics --------------------------------------------------------------------------------


def test_updates_and_flow_are_the_papers_equations(rng):
    dynamics = random_dynamics(3, (7, 5, 3), 0.4, 0.5)
    A, W, B, T = dynamics.A.copy(), dynamics.W.copy(), dynamics.B, dynamics.T
    E = T - W @ A
    flow = np.concatenate([(B @ E).ravel(), (E @ A.T).ravel()])
    np.testing.assert_allclose(dynamics.flow(), flow, atol=1e-13)
    trace_abe, trace_bw, error = dynamics.measures()
    assert trace_abe == pytest.approx(np.trace(A.T @ B @ E))
    assert trace_bw == pytest.approx(np.trace(B @ W))
    assert error == pytest.approx(np.sum(E**2) / np.sum(T**2))
    dynamics.learn(1, 0.01, "A")
    np.testing.assert_allclose(dynamics.A, A + 0.01 * B @ E, atol=1e-13)
    np.testing.assert_array_equal(dynamics.W, W)
    A, E = dynamics.A.copy(), T - W @ dynamics.A
    dynamics.learn(1, 0.01, "W")
    np.testing.assert_allclose(dynamics.W, W + 0.01 * E @ A.T, atol=1e-13)
    np.testing.assert_array_equal(dynamics.A, A)


def test_small_updates_follow_the_integrator():
    from scipy.integrate import solve_ivp

    dynamics = random_dynamics(0, (6, 5, 3), 0.1, 0.5)
    start = np.concatenate([dynamics.A.ravel(), dynamics.W.ravel()])
    end = solve_ivp(lambda _, s: dynamics.flow(s), (0, 2), start, rtol=1e-10, atol=1e-12).y[:, -1]
    dynamics.flow(start)
    dynamics.learn(20_000, 1e-4)
    stepped = np.concatenate([dynamics.A.ravel(), dynamics.W.ravel()])
    np.testing.assert_allclose(stepped, end, atol=1e-3)


@pytest.mark.parametrize(("a", "stable"), [(1.5, True), (0.5, True), (-1.5, True), (-0.6, False)])
def test_the_hyperbola_is_unstable_where_the_figure_says(a, stable):
    dynamics = LinearDynamics(np.ones((1, 1)), np.ones((1, 1)))
    dynamics.A[...], dynamics.W[...] = a + 1e-3, 1 / a
    dynamics.learn(20_000, 0.01)
    assert (abs(dynamics.A.item() - a) < 0.05) == stable
    assert dynamics.A.item() * dynamics.W.item() == pytest.approx(1, abs=1e-6)


def test_spread_is_of_size_and_shape_not_of_scale(rng):
    curves = np.linspace(1, 2, 9) * (1 + 0.1 * rng.standard_normal((6, 1)))
    np.testing.assert_allclose(spread(curves), spread(7 * curves))
    assert np.all(spread(np.ones((4, 5))) == 0)
    assert np.isnan(spread(curves[:1])).all()
