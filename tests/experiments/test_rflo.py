"""The recurrent experiment: what its rules share, that it runs, and verdicts that can fail."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="experiments need SciPy")
from fastfa.experiments import Results, get, rflo

RFLO = get("rflo")
SMALL = {
    "example": rflo._EXAMPLE | {"units": 5, "steps": 12, "trials": 6, "points": 3},
    "periods": {"2": 0.03, "80": 0.01},
    "longer": {"units": 4, "trials": 2},
    "add": rflo._ADD | {"units": 6, "sequences": 4, "batch_size": 2, "epochs": 2},
    "runs": 3,
}


def test_all_rules_of_a_seed_begin_with_the_same_weights():
    nets = {rule: rflo.network(SMALL["example"], rule, 3) for rule in rflo.RULES}
    for net in nets.values():
        for ours, others in zip(net.weights, nets["bptt"].weights, strict=True):
            np.testing.assert_array_equal(ours, others)
    np.testing.assert_array_equal(
        nets["rflo"].feedback_matrices[0], nets["random"].feedback_matrices[0]
    )


def test_every_condition_runs_and_is_drawn():
    pytest.importorskip("matplotlib")
    names = RFLO.conditions(SMALL)
    assert len(names) == 4 + 2 + 4 + 4
    results = Results(SMALL, {n: [RFLO.run(SMALL, n, seed) for seed in range(3)] for n in names})
    for name in names:
        assert np.isfinite(results.last(name, "loss")).all()
        assert len(set(results.last(name, "loss"))) == 3
    titles = [axes.get_title() for axes in RFLO.draw(results).axes]
    assert titles == ["Example", "Example", "Example", "Longer periods", "Add task", ""]


LOSSES = {"rflo": 1e-3, "bptt": 1e-3, "local": 1e-2, "random": 1e-3}
ADD = {"rflo": 0.025, "bptt": 1e-4, "local": 0.03, "random": 3e-4}


def words(factors):
    """Verdicts for five seeds of these losses, times the factor of a condition."""
    rng = np.random.default_rng(0)
    runs = {}
    for name in RFLO.conditions(SMALL):
        task, rule = name.split()
        loss = (ADD if task == "add" else LOSSES)[rule] * factors.get(name, 1.0)
        noise = np.exp(0.05 * rng.standard_normal(5))
        cosine = 0.8 * factors.get("cosine", 1.0)
        runs[name] = [
            {"loss": [1.0, loss * each], "cosine": [0.0, cosine * each]} for each in noise
        ]
    results = Results(SMALL, runs)
    return [claim.measure(results).word for claim in RFLO.claims]


def test_the_claims_are_found():
    assert words({}) == ["reproduced"] * len(RFLO.claims)


@pytest.mark.parametrize(
    ("at", "factors"),
    [
        (0, {"example rflo": 4}),
        (1, {"2τ rflo": 4, "80τ rflo": 4}),
        (2, {"cosine": 0.5}),
        (3, {"add rflo": 1.6}),
        (4, {"add bptt": 200}),
        (5, {"add random": 60}),
    ],
)
def test_each_claim_can_fail(at, factors):
    found = words(factors)
    assert found[at] == "differs"
    assert [word for i, word in enumerate(found) if i != at and i != 4] == ["reproduced"] * (
        len(found) - (2 if at != 4 else 1)
    )
