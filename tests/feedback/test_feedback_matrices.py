"""Each feedback matrix by itself: the draw, its statistics, its memory, and what it carries."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference
import reference_feedback
from fastfa import _core

# what a user writes for each kind that is drawn
DRAWN = {
    name: {"rank": 3} if name == "low_rank" else {}
    for name, of in _core.MATRICES.items()
    if of.scaled and not of.follows_weights
}
VARIANTS = [
    *DRAWN.items(),
    ("sparse", {"density": 0.1}),
    ("sparse", {"density": 1.0}),
    ("ternary", {"density": 0.15}),
    ("low_rank", {"rank": 1}),
]
STORED = [name for name, of in _core.MATRICES.items() if of.stored_dense]
ROUTES = ["layerwise", "direct", "target"]
SHAPES = [(1, 1), (1, 7), (9, 1), (8, 16), (33, 17), (65, 130), (257, 40)]  # (units, source)


def network(feedback, widths=(5, 40, 33, 4), *, dtype="float64", seed=3) -> fa.Network:
    layers = [fa.Dense(n, "tanh") for n in widths[1:-1]] + [fa.Dense(widths[-1], "linear")]
    return fa.Network(widths[0], layers, feedback, seed=seed, dtype=dtype)


def examples(rng, net, count=13):
    x = rng.standard_normal((count, net.input_size)).astype(net.dtype)
    return x, rng.uniform(-1, 1, (count, net.output_size)).astype(net.dtype)


def named(kind: str, options: dict, **more) -> fa.Feedback:
    return fa.Feedback(kind, **options, **more)


def test_every_kind_is_covered():
    assert {*DRAWN, "transpose", "pseudoinverse", "sign", "array", "zero"} == set(_core.MATRICES)
    assert len(DRAWN) >= 9


# ---- the draw ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("kind", "options"), VARIANTS)
def test_each_kind_is_the_draw_of_its_own_stream(kind, options, route, seed):
    for units, source in SHAPES:
        widths = [5, units, source, 6]
        rank = min(options.get("rank", 1), units, source, 6)
        given = {**options, "rank": rank} if "rank" in options else options
        for scale in (0.25, "equal_error", "equal_before_slope"):
            fb = named(kind, given, route=route, scale=scale)
            net = network(fb, widths, seed=seed)
            slopes = reference_feedback.expected_slopes(net)
            for layer, b in enumerate(net.feedback_matrices):
                expected = reference_feedback.matrix_of(fb, widths, seed, layer, slopes=slopes)
                assert b.shape == expected.shape
                size = np.abs(expected).max(initial=0)
                np.testing.assert_allclose(b, expected, rtol=0, atol=1e-12 * size)
                used = reference_feedback.scale_of(fb, widths, layer, slopes=slopes)
                assert net.feedback_scales[layer] == pytest.approx(used, rel=1e-13)


@pytest.mark.parametrize("magnitude", ["uniform", "fixed", "redrawn"])
@pytest.mark.parametrize("scale", [0.5, "equal_error"])
def test_sign_has_the_signs_of_the_weights_above(scale, magnitude, rng):
    net = network(fa.Feedback("sign", magnitude=magnitude, scale=scale))
    x, y = examples(rng, net)
    for step in range(3):
        expected = [fb.at(w, step) for fb, w in zip(reference_feedback.of(net), net.weights[1:],
                                                    strict=True)]  # fmt: skip
        for b, wanted, w in zip(net.feedback_matrices, expected, net.weights[1:], strict=True):
            np.testing.assert_allclose(b, wanted, rtol=1e-14)
            np.testing.assert_array_equal(np.sign(b), np.sign(w.T))
            assert not b.flags.writeable
        net.step(x, y, fa.SGD(0.1))


def test_sign_of_a_removed_weight_is_zero(rng):
    layers = [fa.Dense(20, "tanh"), fa.Dense(9, "linear", density=0.3)]
    for magnitude in ("uniform", "fixed", "redrawn"):
        net = fa.Network(4, layers, fa.Feedback("sign", magnitude=magnitude))
        removed = np.asarray(net.weights[1]).T == 0
        assert 0.5 < removed.mean() < 0.9
        np.testing.assert_array_equal(net.feedback_matrices[0] == 0, removed)


def test_magnitudes_are_kept_or_drawn_anew(rng):
    nets = {m: network(fa.Feedback("sign", magnitude=m, scale=1.0)) for m in ("fixed", "redrawn")}
    for magnitude, net in nets.items():
        x, y = examples(rng, net)
        first = np.abs(net.feedback_matrices[0])
        net.step(x, y, fa.SGD(1e-3))
        second = np.abs(net.feedback_matrices[0])
        assert np.array_equal(first, second) == (magnitude == "fixed")
        assert abs(second.mean() - 0.5) < 5 * np.sqrt(1 / 12 / second.size)
        if magnitude == "redrawn":
            assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 5 / np.sqrt(first.size)
            assert not np.allclose(*(np.abs(b[:4, :4]) for b in net.feedback_matrices))


@pytest.mark.parametrize("shape", [(7, 7), (9, 4), (4, 9), (1, 5), (5, 1), (1, 1), (60, 45)])
def test_the_pseudoinverse_fulfils_penroses_conditions(shape, rng):
    units, source = shape
    net = network("pbp", (5, units, source))
    special = rng.standard_normal((source, 1)) @ rng.standard_normal((1, units))  # rank 1
    for w in (np.array(net.weights[1]), special, np.zeros((source, units))):
        net.weights[1][...] = w
        b = np.array(net.feedback_matrices[0])
        tolerance = {"rtol": 0, "atol": 1e-9 * max(1, np.abs(b).max())}
        np.testing.assert_allclose(b, np.linalg.pinv(w, rcond=1e-12), **tolerance)
        np.testing.assert_allclose(w @ b @ w, w, **tolerance)
        np.testing.assert_allclose(b @ w @ b, b, **tolerance)
        np.testing.assert_allclose(w @ b, (w @ b).T, **tolerance)
        np.testing.assert_allclose(b @ w, (b @ w).T, **tolerance)
        x, y = examples(rng, net)
        own, out = net.deltas(x, y)
        expected = (out @ b.T) * (1 - net.activations(x)[0] ** 2)
        np.testing.assert_allclose(own, expected, **tolerance)


def test_a_loaded_state_has_its_own_pseudoinverse_at_once(rng):
    """However long until the next refresh: the weights were replaced, not learned."""
    nets = [network(fa.Feedback("pseudoinverse", refresh=100), seed=seed) for seed in (3, 4)]
    x, y = examples(rng, nets[0])
    for net in nets:
        net.step(x, y, fa.SGD(0.1))
    state, fresh = nets[1].state_dict(), network("pbp")
    for net in (nets[0], fresh):
        net.load_state_dict(state)
    for left, right in zip(nets[0].deltas(x, y), fresh.deltas(x, y), strict=True):
        np.testing.assert_array_equal(left, right)


def test_float32_matrices_are_the_float64_ones_rounded():
    for kind, options in VARIANTS:
        wide, narrow = (network(named(kind, options), dtype=d) for d in ("float64", "float32"))
        for a, b in zip(wide.feedback_matrices, narrow.feedback_matrices, strict=True):
            assert b.dtype == np.float32
            np.testing.assert_allclose(b, a, rtol=2e-7, atol=2e-7 * np.abs(a).max())


@pytest.mark.parametrize(("kind", "options"), VARIANTS)
def test_toarray_is_the_matrix_of_a_network(kind, options):
    for units, source in SHAPES[3:]:
        for seed, layer in ((0, 0), (2**63 + 5, 2)):
            fb = named(kind, options, scale=0.4)
            b = fb.toarray(units, source, seed=seed, layer=layer)
            widths = [3, *[units] * layer, units, source, 5]
            net = network(fb, widths, seed=seed)
            assert b.dtype == np.float64
            np.testing.assert_array_equal(b, net.feedback_matrices[layer])
        fb = named(kind, options)
        top = network(fb, [3, units, source], seed=5).feedback_matrices[0]
        np.testing.assert_array_equal(fb.toarray(units, source, seed=5), top)


def test_toarray_of_the_others(rng):
    own = rng.standard_normal((7, 4))
    np.testing.assert_array_equal(fa.Feedback("array", array=own).toarray(7, 4), own)
    np.testing.assert_array_equal(fa.Feedback("zero").toarray(7, 4), np.zeros((7, 4)))
    for kind in ("transpose", "sign", "pseudoinverse"):
        with pytest.raises(ValueError, match=f"{kind}"):
            fa.Feedback(kind).toarray(7, 4)


# ---- statistics --------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "options"), VARIANTS)
def test_mean_and_variance(kind, options):
    """Bounds are six standard errors; a low-rank product of r columns has r (n + m) free numbers."""
    units, source, v = 300, 200, 1 / (3 * 300)  # equal_error: gain²/n_out, gain² = n_out/(3 n_top)
    b = named(kind, options).toarray(units, source, seed=8)
    free = options["rank"] * 200 if kind == "low_rank" else b.size
    assert abs(b.mean()) < 6 * np.sqrt(v / min(free, b.size))
    exact = kind in ("orthogonal", "binary", "hadamard")
    bound = 1e-10 if exact else 6 * np.sqrt(8 / min(free * options.get("density", 0.5), b.size))
    assert abs(np.mean(b**2) / v - 1) < bound
    if "density" in options or kind in ("sparse", "ternary"):
        density = options.get("density", {"sparse": 0.5, "ternary": 2 / 3}.get(kind))
        sd = np.sqrt(density * (1 - density) / b.size)
        assert abs(np.mean(b != 0) - density) <= 5 * sd


def test_what_each_kind_is():
    units, source = 48, 30
    made = {k: named(k, o, scale=0.5).toarray(units, source, seed=1) for k, o in DRAWN.items()}
    gram = made["orthogonal"].T @ made["orthogonal"]
    np.testing.assert_allclose(gram, 0.25 * units * np.eye(source), atol=1e-12)
    wide = named("orthogonal", {}, scale=0.5).toarray(source, units)
    np.testing.assert_allclose(wide @ wide.T, 0.25 * units * np.eye(source), atol=1e-12)
    assert np.linalg.matrix_rank(made["low_rank"]) == 3
    assert set(np.unique(made["binary"])) == {-0.5, 0.5}
    assert set(np.unique(made["ternary"])) == {-0.5, 0.0, 0.5}
    assert set(np.unique(made["hadamard"])) == {-0.5, 0.5}
    for kind in ("uniform", "sparse", "procedural"):
        assert 0.45 < np.abs(made[kind]).max() < 0.5
    keep = made["sparse"] != 0
    np.testing.assert_array_equal(made["sparse"][keep], made["uniform"][keep])
    keep = made["ternary"] != 0
    np.testing.assert_array_equal(made["ternary"][keep], made["binary"][keep])


@pytest.mark.parametrize(("units", "source"), [(64, 64), (64, 10), (10, 64), (50, 33)])
def test_hadamard_rows_and_columns_are_those_of_the_walsh_hadamard_matrix(units, source):
    """Sylvester's construction; full-length rows and columns are at right angles to each other."""
    h = np.ones((1, 1))
    while len(h) < 64:
        h = np.block([[h, h], [h, -h]])
    b = fa.Feedback("hadamard", scale=1.0).toarray(units, source, seed=4)
    r = reference.permutation(64, 4, 0, reference.FEEDBACK)[:units]
    c = reference.permutation(64, 4, 0, reference_feedback.STRUCTURE)[:source]
    signs = b[0] / h[r[0], c]
    np.testing.assert_array_equal(b, h[np.ix_(r, c)] * signs)
    if source == 64:
        np.testing.assert_array_equal(b @ b.T, 64 * np.eye(units))
        assert 10 < (signs > 0).sum() < 54
    if units == 64:
        np.testing.assert_array_equal(b.T @ b, 64 * np.eye(source))


def test_columns_rows_and_layers_are_unrelated():
    """No two rows, columns, layers or seeds of a draw are alike, as a wrong counter would make them."""
    for kind, options in DRAWN.items():
        fb = named(kind, {**options, **({"rank": 60} if options.get("rank") else {})}, scale=1.0)
        a = fb.toarray(96, 70, seed=1)
        for other in (fb.toarray(96, 70, seed=2), fb.toarray(96, 70, seed=1, layer=1)):
            assert abs(np.corrcoef(a.ravel(), other.ravel())[0, 1]) < 6 / np.sqrt(a.size), kind
        if kind != "hadamard":
            for m in (a, a.T):
                alike = np.corrcoef(m) - np.eye(len(m))
                assert np.abs(alike).max() < 6 / np.sqrt(m.shape[1]), kind


# ---- memory ------------------------------------------------------------------------------------


def test_bytes():
    dense = network("fa", (5, 1024, 768, 10), dtype="float32").feedback_bytes
    assert 4 * 1024 * 768 <= dense[0] <= 1.05 * 4 * 1024 * 768
    share = {
        "orthogonal": (0.99, 1.05),
        "sparse": (0.99, 1.05),
        "binary": (1 / 33, 1 / 30),
        "ternary": (2 / 33, 2 / 30),
        "hadamard": (0, 0.02),
        "low_rank": (0.002, 0.02),
        "procedural": (0, 0),
        "zero": (0, 0),
        "transpose": (0, 0),
        "sign": (0, 0),
    }
    for kind, (low, high) in share.items():
        fb = named(kind, DRAWN.get(kind, {}))
        used = network(fb, (5, 1024, 768, 10), dtype="float32").feedback_bytes
        assert low <= used[0] / dense[0] <= high, kind
    sparse = network(fa.Feedback("sparse", density=0.1), (5, 1024, 768, 10), dtype="float32")
    assert 0.1 * dense[0] <= sparse.feedback_bytes[0] <= 0.25 * dense[0]
    assert network("drtp", (5, 8, 9, 3)).feedback_bytes[0] > 0


def test_what_is_stored_can_be_written_and_what_is_computed_cannot():
    for kind, options in [*VARIANTS, ("sign", {}), ("pseudoinverse", {}), ("zero", {})]:
        dense = kind in STORED or (kind == "sparse" and options.get("density", 0.5) > 0.25)
        for b in network(named(kind, options)).feedback_matrices:
            assert b.flags.writeable == dense, (kind, options)
