"""The free oracles: what must hold between the rules, whatever the numbers are."""

from __future__ import annotations

import itertools

import fastfa as fa
import numpy as np
import pytest

RULES = {
    "bp": "bp",
    "fa": "fa",
    "dfa": "dfa",
    "shallow": "shallow",
    "normal": fa.Feedback("normal", scale=0.3),
    "direct normal": fa.Feedback("normal", scale=0.3, route="direct"),
    "uniform": fa.Feedback("uniform", scale=0.4),
    "drtp": "drtp",
    "orthogonal": fa.Feedback("orthogonal"),
    "sparse": "sparse_fa",
    "direct sparse 0.2": fa.Feedback("sparse", density=0.2, route="direct"),
    "low_rank": fa.Feedback("low_rank", rank=2),
    "binary": fa.Feedback("binary"),
    "target binary": fa.Feedback("binary", route="target"),
    "ternary": fa.Feedback("ternary"),
    "hadamard": fa.Feedback("hadamard"),
    "direct hadamard": fa.Feedback("hadamard", route="direct"),
    "procedural": fa.Feedback("procedural"),
}
# B follows the weights, so that it equals an array at one moment only
TIED = {"usf": "usf", "frsf": "frsf", "brsf": "brsf", "pbp": "pbp"}
DENSE = (
    "fa",
    "dfa",
    "shallow",
    "normal",
    "direct normal",
    "uniform",
    "drtp",
    "orthogonal",
    "sparse",
)
OUTPUTS = [
    ("squared_error", "tanh"),
    ("squared_error", "linear"),
    ("cross_entropy", "logistic"),
    ("cross_entropy", "softmax"),
]
SGD = fa.SGD(0.1, momentum=0.5, weight_decay=1e-3)


def network(
    feedback, *, dtype="float64", widths=(12, 20, 17, 9, 4), loss="squared_error", output="tanh"
):
    layers = [fa.Dense(n, "tanh") for n in widths[1:-1]] + [fa.Dense(widths[-1], output)]
    return fa.Network(widths[0], layers, feedback, loss=loss, seed=4, dtype=dtype)


def examples(rng, count=30, n_in=12, n_out=4, dtype="float64"):
    x = rng.standard_normal((count, n_in)).astype(dtype)
    return x, np.eye(n_out, dtype=dtype)[rng.integers(0, n_out, count)]


def as_arrays(net: fa.Network) -> list[fa.Feedback]:
    """The same feedback, each matrix handed over as the user's own array."""
    return [
        fa.Feedback("array", array=np.array(b), route=fb.route)
        for fb, b in zip(net.feedback, net.feedback_matrices, strict=True)
    ]


def assert_identical(a: fa.Network, b: fa.Network) -> None:
    for left, right in zip([*a.weights, *a.biases], [*b.weights, *b.biases], strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("batch", [1, 30])
@pytest.mark.parametrize(("loss", "output"), OUTPUTS)
def test_an_array_holding_the_transpose_is_backprop(loss, output, batch, rng):
    bp = network("bp", loss=loss, output=output)
    arrays = [fa.Feedback("array", array=np.array(w.T)) for w in bp.weights[1:]]
    own = network(arrays, loss=loss, output=output)
    x, y = examples(rng, batch)
    for left, right in zip(bp.deltas(x, y), own.deltas(x, y), strict=True):
        assert np.linalg.norm(left - right) <= 1e-12 * np.linalg.norm(left)
    bp.step(x, y, SGD)
    own.step(x, y, SGD)
    for left, right in zip(bp.weights, own.weights, strict=True):
        assert np.linalg.norm(left - right) <= 1e-12 * np.linalg.norm(left)
    for left, right in zip(bp.biases, own.biases, strict=True):
        assert np.linalg.norm(left - right) <= 1e-12 * np.linalg.norm(left)


def test_an_array_holding_the_first_transpose_is_not_backprop_for_long(rng):
    """The comparison above can fail: B stays where it is while W moves on."""
    bp = network("bp")
    own = network([fa.Feedback("array", array=np.array(w.T)) for w in bp.weights[1:]])
    x, y = examples(rng)
    for _ in range(3):
        bp.step(x, y, SGD)
        own.step(x, y, SGD)
    assert np.linalg.norm(bp.weights[0] - own.weights[0]) > 1e-6 * np.linalg.norm(bp.weights[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("rule", DENSE)
def test_every_dense_kind_trains_exactly_like_an_array_holding_its_matrix(rule, batch, dtype, rng):
    net = network(RULES[rule], dtype=dtype)
    own = network(as_arrays(net), dtype=dtype)
    x, y = examples(rng, dtype=dtype)
    # An array of zeros sends zeros, and its layer decays; where nothing is sent a layer stays.
    sgd = fa.SGD(0.1, momentum=0.5) if rule == "shallow" else SGD
    for _ in range(2):
        assert net.train_epoch(x, y, sgd, batch_size=batch) == own.train_epoch(
            x, y, sgd, batch_size=batch
        )
    assert_identical(net, own)
    for left, right in zip(net.deltas(x, y), own.deltas(x, y), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("rule", [name for name in RULES if name not in ("bp", *DENSE)])
def test_every_other_kind_trains_like_an_array_holding_its_matrix(rule, batch, dtype, rng):
    """Structured products add in another order, so the last bits differ."""
    net = network(RULES[rule], dtype=dtype)
    own = network(as_arrays(net), dtype=dtype)
    x, y = examples(rng, dtype=dtype)
    for each in (net, own):
        each.train_epoch(x, y, SGD, batch_size=batch)
    bound = {"float64": 1e-12, "float32": 1e-5}[dtype]
    for left, right in zip(
        [*net.weights, *net.biases, *net.deltas(x, y)],
        [*own.weights, *own.biases, *own.deltas(x, y)],
        strict=True,
    ):
        assert np.linalg.norm(left - right) <= bound * np.linalg.norm(right)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", TIED)
def test_a_tied_matrix_is_at_every_step_an_array_that_is_copied_anew(rule, dtype, rng):
    net = network(TIED[rule], dtype=dtype)
    own = network("shallow", dtype=dtype)
    x, y = examples(rng, dtype=dtype)
    for start in range(0, 30, 6):
        own.set_feedback(as_arrays(net))
        for each in (net, own):
            each.step(x[start : start + 6], y[start : start + 6], SGD)
    bound = {"float64": 1e-10, "float32": 1e-4}[dtype]
    for left, right in zip([*net.weights, *net.biases], [*own.weights, *own.biases], strict=True):
        assert np.linalg.norm(left - right) <= bound * np.linalg.norm(right)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("loss", "output"), OUTPUTS)
@pytest.mark.parametrize("batch", [1, 7, 30])
def test_output_deltas_and_output_updates_are_bit_identical_across_rules(
    batch, loss, output, dtype, rng
):
    x, y = examples(rng, batch, dtype=dtype)
    rules = RULES | TIED
    nets = [network(rule, loss=loss, output=output, dtype=dtype) for rule in rules.values()]
    deltas = [net.deltas(x, y) for net in nets]
    for net in nets:
        net.step(x, y, SGD)
    for net, delta in zip(nets[1:], deltas[1:], strict=True):
        np.testing.assert_array_equal(delta[-1], deltas[0][-1])
        np.testing.assert_array_equal(net.weights[-1], nets[0].weights[-1])
        np.testing.assert_array_equal(net.biases[-1], nets[0].biases[-1])
    for (_, left), (_, right) in itertools.combinations(zip(rules, nets, strict=True), 2):
        assert not np.array_equal(
            left.weights[0], right.weights[0]
        )  # and the rules are different rules


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_deltas_on_request_are_those_of_a_network_that_has_that_rule(dtype, rng):
    x, y = examples(rng, dtype=dtype)
    net = network("fa", dtype=dtype)
    for rule in (RULES | TIED).values():
        for left, right in zip(
            net.deltas(x, y, feedback=rule), network(rule, dtype=dtype).deltas(x, y), strict=True
        ):
            np.testing.assert_array_equal(left, right)


def test_direct_and_layerwise_are_one_where_there_is_one_hidden_layer(rng):
    fa_net, dfa_net = network("fa", widths=(12, 20, 4)), network("dfa", widths=(12, 20, 4))
    x, y = examples(rng)
    for net in (fa_net, dfa_net):
        net.train_epoch(x, y, SGD, batch_size=5)
    for left, right in zip(fa_net.weights, dfa_net.weights, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-15)


def test_shallow_learning_moves_nothing_but_the_output_layer(rng):
    net = network("shallow")
    before = net.state_dict()
    x, y = examples(rng)
    net.train_epoch(x, y, fa.SGD(0.1), batch_size=5)
    after = net.state_dict()
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved == {"weights.3", "biases.3"}


@pytest.mark.parametrize("rule", ["dfa", "drtp"])
def test_a_silent_layer_silences_only_what_has_it_for_a_source(rule, rng):
    """The routes direct and target pass a layer that gets nothing; layerwise feedback ends there."""
    x, y = examples(rng)
    mixed = network([rule, "shallow", rule])
    own, alone = mixed.deltas(x, y), network(rule).deltas(x, y)
    assert not own[1].any()
    for i in (0, 2, 3):
        np.testing.assert_array_equal(own[i], alone[i])
    before = np.array(mixed.weights[0])
    mixed.step(x, y, fa.SGD(0.1))
    assert (mixed.weights[0] != before).all()
    assert not network(["fa", "shallow", rule]).deltas(x, y)[0].any()


@pytest.mark.parametrize("batch", [1, 6])
def test_a_frozen_layer_stays_bit_for_bit_and_passes_the_error_on(batch, rng):
    layers = [fa.Dense(7, "tanh"), fa.Dense(6, "tanh", trainable=False), fa.Dense(4, "linear")]
    net = fa.Network(12, layers, "fa", dtype="float64")
    before = net.state_dict()
    x, y = examples(rng)
    net.train_epoch(x, y, SGD, batch_size=batch)
    after = net.state_dict()
    for name in before:
        frozen = name in ("weights.1", "biases.1") or name.startswith("feedback")
        assert np.array_equal(before[name], after[name]) == frozen, name


@pytest.mark.parametrize(
    "rule", ["fa", "dfa", "drtp", "binary", "hadamard", "procedural", "orthogonal"]
)
def test_random_feedback_starts_at_right_angles_to_backprop(rule, rng):
    """In 800 dimensions the angle between unrelated vectors is 90 +- 2 degrees."""
    net = network(rule if rule in fa.PRESETS else fa.Feedback(rule), widths=(50, 2000, 800, 10))
    x, y = examples(rng, 100, 50, 10)
    for own, bp in list(zip(net.deltas(x, y), net.deltas(x, y, feedback="bp"), strict=True))[:-1]:
        cosine = np.sum(own * bp, axis=1) / (
            np.linalg.norm(own, axis=1) * np.linalg.norm(bp, axis=1)
        )
        assert abs(np.degrees(np.arccos(cosine)).mean() - 90) < 5


def test_the_batch_is_the_mean_or_the_sum_of_its_examples(rng):
    """From the same weights, a batch's change is the mean (sum) of its examples' changes."""
    x, y = examples(rng, 6)
    start = network("fa")

    def change(rows, reduction):
        net = network("fa")
        net.step(x[rows], y[rows], fa.SGD(0.1, reduction=reduction))
        return [
            np.array(a) - b
            for a, b in zip(
                [*net.weights, *net.biases], [*start.weights, *start.biases], strict=True
            )
        ]

    singles = [change([i], "mean") for i in range(6)]
    for k, (mean, total) in enumerate(
        zip(change(range(6), "mean"), change(range(6), "sum"), strict=True)
    ):
        alone = np.sum([single[k] for single in singles], axis=0)
        np.testing.assert_allclose(total, alone, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(mean, alone / 6, rtol=1e-9, atol=1e-14)
