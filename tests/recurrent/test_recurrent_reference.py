"""The reference itself: its two forms agree, and its gradients are those of the loss."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import reference_recurrent as ref

SHAPES = [(1, 4, 2, 1, 5, 1.0), (3, 6, 1, 4, 7, 10.0), (2, 5, 3, 2, 4, 2.5)]


def case(m: int, n: int, k: int, N: int, T: int, tau: float):
    rng = np.random.default_rng(1)
    p = ref.drawn(rng, m, n, k)
    rule = ref.Rule(rng.normal(size=(n, k)), np.zeros((n, n)), tau)
    x, y = rng.normal(size=(N, T, m)), rng.normal(size=(N, T, k))
    return p, rule, x, y, rng.integers(0, 2, (N, T)).astype(float)


@pytest.mark.parametrize("shape", SHAPES)
def test_traces_and_the_scan_back_make_the_same_update(shape):
    p, rule, x, y, mask = case(*shape)
    end = ref.at_end(p, rule, x, y, mask)
    online = ref.online(p, rule, x, y, mask, rate=0.0)[1]
    for f in fields(end):
        np.testing.assert_allclose(
            getattr(online, f.name), getattr(end, f.name), rtol=1e-12, atol=1e-12
        )


def slopes_of(loss, p: ref.Weights, name: str) -> np.ndarray:
    """−dL of each number of one array, by central differences."""
    array, found = getattr(p, name), np.zeros_like(getattr(p, name))
    for at in np.ndindex(array.shape):
        ends = []
        for shift in (1e-6, -1e-6):
            moved = array.copy()
            moved[at] += shift
            ends.append(loss(replace(p, **{name: moved})))
        found[at] = -(ends[0] - ends[1]) / 2e-6
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_transposes_on_both_paths_make_the_gradient(shape):
    p, rule, x, y, mask = case(*shape)
    rule = replace(rule, b=p.w_out.T, b_rec=p.w[:, x.shape[2] :].T)
    change = ref.at_end(p, rule, x, y, mask)
    for f in fields(p):
        found = slopes_of(lambda q: ref.loss(q, rule, x, y, mask), p, f.name)
        np.testing.assert_allclose(getattr(change, f.name), found, rtol=1e-6, atol=1e-7)


def test_without_b_rec_it_is_the_gradient_that_stays_within_each_unit():
    """RFLO with B = W_outᵀ: the gradient if what units tell each other were given, not computed."""
    p, rule, x, y, mask = case(*SHAPES[1])
    rule = replace(rule, b=p.w_out.T)
    told = np.stack(ref.forward(p, rule, x, np.zeros((len(x), len(p.bias))))[0], axis=1)

    def loss(q: ref.Weights) -> float:
        h, total = np.zeros((len(x), len(p.bias))), 0.0
        for t in range(x.shape[1]):
            h = h + (np.tanh(told[:, t] @ q.w.T + q.bias) - h) / rule.tau
            e = y[:, t] - h @ q.w_out.T - q.bias_out
            total += 0.5 * float((mask[:, t, None] * e**2).sum())
        return total

    change = ref.at_end(p, rule, x, y, mask)
    for f in fields(p):
        np.testing.assert_allclose(
            getattr(change, f.name), slopes_of(loss, p, f.name), rtol=1e-6, atol=1e-7
        )
