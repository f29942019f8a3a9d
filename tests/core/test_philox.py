"""The random streams: Random123's known answers, every draw against a second implementation."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference
from fastfa import _core
from hypothesis import given
from hypothesis import strategies as st

# Random123, kat_vectors, "philox4x32 10": counter, key, answer
KNOWN_ANSWERS = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]
words = st.integers(0, 2**32 - 1)
SEEDS = [0, 1, 12345, 2**32 - 1, 2**32, 2**63 + 5, 2**64 - 1]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_the_reference_gives_the_known_answers(counter, key, answer):
    assert reference.philox4x32(counter, key).tolist() == answer


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_the_core_gives_the_known_answers(counter, key, answer):
    assert list(_core.philox4x32(counter, key)) == answer


@given(st.lists(words, min_size=4, max_size=4), st.lists(words, min_size=2, max_size=2))
def test_core_and_reference_agree_on_any_block(counter, key):
    assert list(_core.philox4x32(counter, key)) == reference.philox4x32(counter, key).tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_are_the_uniform_draws_of_their_own_stream(seed):
    widths, scale = [7, 5, 3, 1, 2], 0.3
    layers = [fa.Dense(n, "tanh", weight_scale=scale) for n in widths[1:]]
    net = fa.Network(widths[0], layers, "bp", seed=seed, dtype="float64")
    for layer, w in enumerate(net.weights):
        expected = reference.uniform(w.shape, scale, seed, reference.WEIGHTS, layer)
        np.testing.assert_array_equal(w, expected)  # bit for bit
        assert not net.biases[layer].any()


def test_default_weight_scale_is_one_over_the_square_root_of_the_inputs():
    net = fa.Network(50, [fa.Dense(20, "tanh"), fa.Dense(4, "linear")], seed=3, dtype="float64")
    for layer, (w, n_in) in enumerate(zip(net.weights, [50, 20], strict=True)):
        expected = reference.uniform(w.shape, 1 / np.sqrt(n_in), 3, reference.WEIGHTS, layer)
        np.testing.assert_allclose(w, expected, rtol=1e-15)


@pytest.mark.parametrize("seed", SEEDS)
def test_uniform_feedback_is_the_draws_of_its_own_stream(seed):
    layers = [fa.Dense(n, "tanh") for n in (9, 5, 3)]
    for route, sources in (("layerwise", [5, 3]), ("direct", [3, 3])):
        feedback = fa.Feedback("uniform", scale=0.25, route=route)
        net = fa.Network(4, layers, feedback, seed=seed, dtype="float64")
        for layer, (b, n_source) in enumerate(zip(net.feedback_matrices, sources, strict=True)):
            shape = (layers[layer].units, n_source)
            expected = reference.uniform(shape, 0.25, seed, reference.FEEDBACK, layer)
            np.testing.assert_array_equal(b, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_normal_feedback_is_box_muller_on_its_own_stream(seed):
    layers = [fa.Dense(n, "tanh") for n in (33, 5, 3)]
    net = fa.Network(4, layers, fa.Feedback("normal", scale=0.7), seed=seed, dtype="float64")
    for layer, (b, shape) in enumerate(zip(net.feedback_matrices, [(33, 5), (5, 3)], strict=True)):
        assert b.shape == shape
        expected = reference.normal(shape, 0.7, seed, reference.FEEDBACK, layer)
        # sin and cos of 2πu lose relative, not absolute, accuracy near their zeros
        np.testing.assert_allclose(b, expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_float32_values_are_the_float64_values_rounded(kind):
    layers = [fa.Dense(31, "tanh"), fa.Dense(17, "tanh"), fa.Dense(3, "linear")]
    wide = fa.Network(13, layers, fa.Feedback(kind), seed=9, dtype="float64")
    narrow = fa.Network(13, layers, fa.Feedback(kind), seed=9, dtype="float32")
    for a, b in zip(
        wide.weights + wide.feedback_matrices,
        narrow.weights + narrow.feedback_matrices,
        strict=True,
    ):
        assert b.dtype == np.float32
        np.testing.assert_array_equal(a.astype(np.float32), b)


def test_a_draw_does_not_depend_on_what_else_is_drawn():
    small = fa.Network(6, [fa.Dense(5, "tanh"), fa.Dense(4, "linear")], "fa", seed=1)
    layers = [
        fa.Dense(5, "tanh"),
        fa.Dense(4, "tanh"),
        fa.Dense(300, "tanh"),
        fa.Dense(2, "linear"),
    ]
    large = fa.Network(6, layers, fa.Feedback("normal"), seed=1)
    for layer in range(2):
        np.testing.assert_array_equal(small.weights[layer], large.weights[layer])


def test_normal_draws_have_the_moments_of_a_normal_distribution():
    layers = [fa.Dense(1000, "tanh"), fa.Dense(200, "linear")]
    b = fa.Network(2, layers, fa.Feedback("normal", scale=1.0), dtype="float64").feedback_matrices[
        0
    ]
    z = np.asarray(b).ravel()  # 200,000 draws: the bounds are five standard errors
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 5 * np.sqrt(2 / z.size)
    assert abs((z**4).mean() - 3) < 5 * np.sqrt(96 / z.size)
    assert abs((z[::2] * z[1::2]).mean()) < 5 / np.sqrt(z.size / 2)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 257, 5000])
@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (7, 3), (2**64 - 1, 2**31)])
def test_permutation_matches_the_reference_exactly(n, seed, epoch):
    shuffled = fa.data.permutation(n, seed, epoch)
    assert shuffled.dtype == np.int64
    np.testing.assert_array_equal(shuffled, reference.permutation(n, seed, epoch))
    np.testing.assert_array_equal(np.sort(shuffled), np.arange(n))


def test_permutations_differ_between_seeds_and_epochs():
    drawn = {tuple(fa.data.permutation(50, seed, epoch)) for seed in range(5) for epoch in range(5)}
    assert len(drawn) == 25


def test_all_permutations_of_four_are_equally_likely():
    counts: dict[tuple[int, ...], int] = {}
    for epoch in range(4800):
        key = tuple(_core.permutation(4, 11, epoch).tolist())
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 24
    chi2 = sum((c - 200) ** 2 / 200 for c in counts.values())
    assert chi2 < 49.7  # 23 degrees of freedom, p = 0.001
