"""fastfa.metrics.alignment: every field against its definition in plain NumPy, for every rule.

The definitions are those of LayerAlignment's docstring. Deltas come from the network (test_parity.py
answers for them); all that is made of them is computed here.
"""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference
from alignment_cases import FIELDS, PROBES, RULES, SHAPES, network, probe

# ---- the definitions ---------------------------------------------------------------------------


def angle(u, v) -> float:
    """Signed, in degrees; NaN if either is zero. By halves, so that it is exact near 0 and 180."""
    u, v = np.ravel(u).astype(float), np.ravel(v).astype(float)
    if not u.any() or not v.any():
        return np.nan
    u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))))


def over_examples(u, v) -> tuple[float, float]:
    """Mean and standard deviation of the angles between rows; NaN if no pair of rows has one."""
    angles = np.array([angle(a, b) for a, b in zip(u, v, strict=True)])
    angles = angles[~np.isnan(angles)]
    return (angles.mean(), angles.std()) if len(angles) else (np.nan, np.nan)


def expected(net, x, y, pseudobackprop: bool) -> list[dict]:
    """Every field but ``layer``, for each hidden layer."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    own, bp = ([np.asarray(d, float) for d in net.deltas(x, y, feedback=f)] for f in (None, "bp"))
    pbp = net.deltas(x, y, feedback="pbp") if pseudobackprop else [d * np.nan for d in bp]
    h = [x, *(np.asarray(a, float) for a in net.activations(x))]
    weights = [reference.of(net).matrix(i) for i in range(len(net.layers))]
    rows = []
    for i, (fb, b) in enumerate(zip(net.feedback, net.feedback_matrices, strict=True)):
        b = np.asarray(b, float)
        back = weights[i + 1].T  # Wᵀ, or W_(l+1)ᵀ ⋯ W_Lᵀ
        if fb.route != "layerwise":
            for w in weights[i + 2 :]:
                back = back @ w.T
        error = own[i + 1] if fb.route == "layerwise" else own[-1]
        p, q = (y if fb.route == "target" else error) @ b.T, error @ back.T
        pq = np.sum(p * q, axis=1)
        row = {}
        row["angle_bp"], row["angle_bp_sd"] = over_examples(own[i], bp[i])
        row["angle_bp_layer"] = angle(own[i], bp[i])
        row["angle_pbp"], row["angle_pbp_sd"] = np.nan, np.nan
        if pseudobackprop:
            row["angle_pbp"], row["angle_pbp_sd"] = over_examples(own[i], pbp[i])
        row["weight_angle"] = angle(b, back)
        row["neuron_angles"] = np.array([angle(u, v) for u, v in zip(b, back, strict=True)])
        row["trace_bw"] = np.sum(b * back)
        row["descent"], row["descent_positive"] = pq.mean(), np.mean(pq > 0)
        row["trace_abe"] = np.mean(np.sum(h[i + 1] * p, axis=1))
        lengths = [np.linalg.norm(d[i], axis=1).sum() for d in (own, bp)]
        row["norm_ratio"] = lengths[0] / lengths[1] if lengths[1] else np.nan
        row["gradient_angle"] = angle(own[i].T @ h[i], bp[i].T @ h[i])
        rows.append(row)
    return rows


def assert_as_defined(measured, wanted, *, rel=1e-9, degrees=1e-5) -> None:
    """arccos near 0° magnifies rounding: 1e-16 becomes 1e-6 degrees."""
    assert len(measured) == len(wanted)
    for i, (entry, row) in enumerate(zip(measured, wanted, strict=True)):
        assert entry.layer == i
        for name, value in row.items():
            given = getattr(entry, name)
            near = degrees if "angle" in name else 1e-300
            if name in ("descent", "trace_bw", "trace_abe"):
                near = rel * max(1e-3, abs(value))
            np.testing.assert_allclose(given, value, rtol=rel, atol=near, err_msg=f"{i} {name}")


# ---- against them ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rule", RULES)
def test_every_field_by_its_definition(rule, shape, rng):
    """Units whose σ(0) is not 0 too: nothing may come of what pads the core's rows."""
    widths = SHAPES[shape]
    for hidden in ("logistic", "tanh"):
        net = network(rule, widths, rng, hidden=hidden)
        for count in PROBES:
            x, y = probe(widths, count, rng)
            wanted = expected(net, x, y, True)
            assert_as_defined(fa.metrics.alignment(net, x, y, pseudobackprop=True), wanted)
            net.train_epoch(x, y, fa.SGD(0.05, weight_decay=0.01), batch_size=10)


@pytest.mark.parametrize("hidden", ["tanh", "logistic"])
@pytest.mark.parametrize("rule", ["fa", "dfa", "drtp", "binary", "shallow", "kp", "direct kp"])
def test_every_field_in_float32(rule, hidden, rng):
    widths = SHAPES["wide"]
    net = network(rule, widths, rng, dtype="float32", hidden=hidden)
    x, y = (a.astype("float32") for a in probe(widths, 130, rng))
    net.train_epoch(x, y, fa.SGD(0.05), batch_size=10)
    measured = fa.metrics.alignment(net, x, y, pseudobackprop=True)
    wanted = expected(net, x, y, True)
    for row, entry in zip(wanted, measured, strict=True):
        # sums of both signs, and a threshold: their error is relative to what is added
        assert entry.descent == pytest.approx(row.pop("descent"), rel=1e-2, abs=1e-6)
        assert entry.trace_abe == pytest.approx(row.pop("trace_abe"), rel=1e-2, abs=1e-4)
        assert abs(entry.descent_positive - row.pop("descent_positive")) < 0.02
    assert_as_defined(measured, wanted, rel=2e-3, degrees=0.05)


@pytest.mark.parametrize("hidden", ["tanh", "logistic"])
@pytest.mark.parametrize(
    "rule", [r for r in RULES if r not in ("pbp", "wm", "custom", "direct custom", "mixed")]
)
def test_every_field_with_locally_connected_layers(rule, hidden, rng):
    """W and B are the layers' matrices, with zeros where nothing connects."""
    layers = [
        fa.LocallyConnected2D(3, (2, 3), stride=(2, 1), padding="same", activation=hidden),
        fa.LocallyConnected2D(5, 2, activation=hidden),
        fa.Dense(4, hidden),
        fa.Dense(3, "linear"),
    ]
    net = fa.Network((2, 5, 4), layers, RULES[rule], seed=2, dtype="float64")
    for count in PROBES:
        x, y = probe((40, 3), count, rng)
        wanted = expected(net, x, y, False)
        assert_as_defined(fa.metrics.alignment(net, x, y, pseudobackprop=False), wanted)
        net.train_epoch(x, y, fa.SGD(0.05, weight_decay=0.01), batch_size=10)
    # there is no pseudobackprop through a locally connected layer
    for asked in (None, True):
        rows = fa.metrics.alignment(net, x, y, pseudobackprop=asked)
        assert [bool(np.isnan(row.angle_pbp)) for row in rows] == [True, *[rule == "shallow"] * 2]


def test_names_and_dictionary():
    net = fa.Network(3, [fa.Dense(4, "tanh"), fa.Dense(2)])
    (entry,) = fa.metrics.alignment(net, np.ones((2, 3)), np.ones((2, 2)))
    assert list(entry.as_dict()) == FIELDS
    assert entry.neuron_angles.shape == (4,)
    assert (
        fa.metrics.alignment(fa.Network(3, [fa.Dense(2)]), np.ones((2, 3)), np.ones((2, 2))) == []
    )


def test_pseudobackprop_is_measured_where_it_is_quick(rng):
    """None: where no W above has more than 256 rows and columns; True always; False never."""
    for widths, quick in (((4, 300, 256, 3), True), ((4, 300, 257, 3), False)):
        net = network("fa", widths, rng, dtype="float32")
        x, y = probe(widths, 5, rng)
        for asked, given in ((None, quick), (False, False)):
            rows = fa.metrics.alignment(net, x, y, pseudobackprop=asked)
            assert np.isnan(rows[0].angle_pbp) != given
            assert np.isnan(rows[0].angle_pbp_sd) != given
    rows = fa.metrics.alignment(net, x, y, pseudobackprop=True)
    assert not any(np.isnan(row.angle_pbp) for row in rows)


def test_a_large_matrix_hides_only_what_lies_below_it(rng):
    """The upper layer's W⁺ is quick, so its angle is there; the lower's needs the slow one too."""
    widths = (4, 300, 257, 3)
    net = network("fa", widths, rng, dtype="float32")
    lower, upper = fa.metrics.alignment(net, *probe(widths, 5, rng))
    assert np.isnan(lower.angle_pbp)
    assert np.isfinite([upper.angle_pbp, upper.angle_pbp_sd]).all()


def test_node_perturbation_has_deltas_and_no_matrix(rng):
    widths = SHAPES["small"]
    net = network(fa.NodePerturbation(0.1), widths, rng)
    x, y = probe(widths, 40, rng)
    own, bp, h = net.deltas(x, y), net.deltas(x, y, feedback="bp"), [x, *net.activations(x)]
    rows = fa.metrics.alignment(net, x, y)
    assert len(rows) == 3
    for i, row in enumerate(rows):
        assert row.angle_bp == pytest.approx(over_examples(own[i], bp[i])[0], abs=1e-6)
        assert row.angle_bp_layer == pytest.approx(angle(own[i], bp[i]), abs=1e-6)
        gradients = [d[i].T @ h[i] for d in (own, bp)]
        assert row.gradient_angle == pytest.approx(angle(*gradients), abs=1e-6)
        for name in ("weight_angle", "trace_bw", "descent", "descent_positive", "trace_abe"):
            assert np.isnan(getattr(row, name)), name
        assert row.neuron_angles.shape == (widths[i + 1],)
        assert np.isnan(row.neuron_angles).all()


def test_known_angles(rng):
    """bp with itself, pbp with itself, and minus the transpose."""
    widths = SHAPES["small"]
    x, y = probe(widths, 30, rng)
    for row in fa.metrics.alignment(network("bp", widths, rng), x, y):
        for name in ("angle_bp", "angle_bp_layer", "weight_angle", "gradient_angle"):
            assert getattr(row, name) == pytest.approx(0, abs=1e-5)
        assert row.descent > 0
        assert row.descent_positive == row.norm_ratio == 1
        assert np.abs(row.neuron_angles).max() < 1e-5
    for row in fa.metrics.alignment(network("pbp", widths, rng), x, y):
        assert row.angle_pbp == pytest.approx(0, abs=1e-5)
        assert 0 < row.angle_bp < 90
    bp = network("bp", widths, rng)
    against = [fa.Feedback("array", array=-np.array(w.T)) for w in bp.weights[1:]]
    top = fa.metrics.alignment(network(against, widths, rng), x, y)[-1]
    for name in ("angle_bp", "angle_bp_layer", "weight_angle", "gradient_angle"):
        assert getattr(top, name) == pytest.approx(180, abs=1e-5)
    assert top.descent_positive == 0
    assert top.trace_bw == pytest.approx(-np.sum(np.square(bp.weights[-1])))


def test_examples_without_a_delta_are_left_out(rng):
    """relu units that are off send nothing: no angle, but they count in the means of p·q."""
    widths = (6, 5, 4, 3)
    net = network("fa", widths, rng, hidden="relu")
    net.biases[0][...] = -0.5
    x, y = probe(widths, 60, rng)
    off = ~np.any(net.deltas(x, y)[0], axis=1)
    assert 3 < off.sum() < 57
    assert_as_defined(fa.metrics.alignment(net, x, y, pseudobackprop=True),
                      expected(net, x, y, True))  # fmt: skip
    net.biases[0][...] = -1e3
    rows = fa.metrics.alignment(net, x, y, pseudobackprop=True)
    for name in ("angle_bp", "angle_bp_sd", "angle_bp_layer", "angle_pbp", "gradient_angle"):
        assert np.isnan(getattr(rows[0], name)), name
    assert np.isnan(rows[0].norm_ratio)
    assert np.isfinite(rows[0].weight_angle)


def test_trace_abe_of_a_linear_network(rng):
    """With linear units and mean(x xᵀ) = I it is tr(AᵀBE): A the first weights, E = T - W A."""
    n_in, n_hidden, n_out, count = 6, 9, 4, 50
    layers = [fa.Dense(n_hidden, "linear", bias=False), fa.Dense(n_out, "linear", bias=False)]
    net = fa.Network(n_in, layers, "fa", dtype="float64")
    x = np.sqrt(count) * np.linalg.qr(rng.standard_normal((count, n_in)))[0]
    t = rng.standard_normal((n_out, n_in))
    a, w, b = *map(np.array, net.weights), np.array(net.feedback_matrices[0])
    (row,) = fa.metrics.alignment(net, x, x @ t.T)
    assert row.trace_abe == pytest.approx(np.trace(a.T @ b @ (t - w @ a)), rel=1e-9)
    assert row.trace_bw == pytest.approx(np.trace(b @ w), rel=1e-12)
