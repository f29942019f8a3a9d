"""Products of factors rounded to bf16, where asked for and large enough; everything else is float32."""

from __future__ import annotations

import copy
import pickle

import fastfa as fa
import numpy as np
import pytest
from bf16_cases import rounded
from parity import relative_error

WAYS = fa.build_info()["bf16_available"]
LEVELS = fa.build_info()["isa_available"]
# Examples, inputs, units: around 32, the tiles of every level, and the stretches of 128 rows and 512
# columns of which larger products are made.
SIZES = [
    (32, 32, 32),
    (33, 47, 35),
    (100, 37, 129),
    (65, 70, 33),
    (127, 64, 48),
    (128, 513, 65),
    (40, 1029, 50),
]


def network(n_in: int, units: int, precision: str = "bf16", **more) -> fa.Network:
    layers = [fa.Dense(units, "tanh"), fa.Dense(units)]
    return fa.Network(n_in, layers, matmul_precision=precision, **more)


def draw(rng, n: int, n_in: int, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of which a third of the columns is zero in all examples, and targets."""
    x, y = (rng.standard_normal((n, k)).astype(np.float32) for k in (n_in, units))
    x[:, rng.random(n_in) < 1 / 3] = 0
    return x, y


RULES = ["fa", "bp", "dfa", "drtp", "kp", "usf", "frsf", "brsf"]
RULES += [fa.Feedback(m, scale=0.1) for m in ("normal", "binary", "ternary", "procedural")]


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("size", SIZES)
def test_each_product_is_that_of_the_rounded_factors(size, rule, rng):
    n, n_in, units = size
    x, y = draw(rng, n, n_in, units)
    net = network(n_in, units, feedback=rule)
    w0, w1 = (np.array(w) for w in net.weights)
    h, out = net.activations(x)
    assert relative_error(h, np.tanh(rounded(x) @ rounded(w0).T)) < 2e-6
    assert relative_error(h, np.tanh(x.astype(np.float64) @ w0.T.astype(np.float64))) > 2e-4
    assert relative_error(out, rounded(h) @ rounded(w1).T) < 2e-6
    below, above = net.deltas(x, y)
    b = w1.T if rule == "bp" else np.array(net.feedback_matrices[0])
    source = y if rule == "drtp" else above
    expected = rounded(source) @ rounded(b).T * (1 - h.astype(np.float64) ** 2)
    assert relative_error(below, expected) < 3e-6
    net.step(x, y, fa.SGD(1.0))
    for w, before, delta, from_ in zip(net.weights, (w0, w1), (below, above), (x, h), strict=True):
        # of a difference of weights, so float32's rounding of these is in it
        assert relative_error(w - before, rounded(delta).T @ rounded(from_) / n) < 1e-4


@pytest.mark.parametrize(
    "optimizer",
    [
        fa.SGD(0.1, momentum=0.9, weight_decay=1e-3),
        fa.Adam(0.01, epsilon=0.1),
        fa.SGD(0.1, clip_norm=0.1),
    ],
)
@pytest.mark.parametrize("more", [{}, {"density": 0.3}])
def test_every_step_is_close_to_that_of_float32(optimizer, more, rng):
    x, y = draw(rng, 70, 90, 40)
    nets = {}
    for precision in ("float32", "bf16"):
        layers = [fa.Dense(50, "tanh", **more), fa.Dense(40, **more)]
        nets[precision] = fa.Network(90, layers, "fa", seed=1, matmul_precision=precision)
    start = copy.deepcopy(nets["bf16"])
    for net in nets.values():
        for _ in range(3):
            net.step(x, y, optimizer)
    for a, b, w in zip(*(n.weights for n in (*nets.values(), start)), strict=True):
        assert 1e-5 < relative_error(b - w, a - w) < 2e-2
        assert ((w == 0) <= (b == 0)).all()  # removed weights stay removed


def test_a_factor_is_rounded_to_nearest_even(rng):
    """W = 1 on the diagonal gives back the rounded inputs, whatever they are."""
    special = [1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, 2.0**-126, 1.5e-39, -1e-45, 1e13, 0.1]
    x = np.resize(np.float32(special), (32, 32))
    x[8:] = rng.standard_normal((24, 32)) * 10.0 ** rng.integers(-30, 12, (24, 32))
    net = fa.Network(32, [fa.Dense(32, bias=False)], matmul_precision="bf16")
    for w in (np.eye(32), -np.eye(32)):
        net.weights[0][...] = w
        np.testing.assert_array_equal(net.forward(x), (rounded(x) @ w).astype(np.float32))


def test_small_products_and_others_are_float32(rng):
    for n, n_in, units in ((31, 40, 50), (40, 31, 50), (1, 40, 50)):
        x, _ = draw(rng, n, n_in, units)
        pair = [network(n_in, units, p).activations(x)[0] for p in ("float32", "bf16")]
        np.testing.assert_array_equal(*pair)


# A training in all its products; the arrays that it ends with go to the file at {path!r}.
TRAINING = """
import fastfa as fa, numpy as np
rng = np.random.default_rng(0)
x = rng.standard_normal((150, 200)).astype(np.float32)
x[:, rng.random(200) < 0.3] = 0
y = rng.standard_normal((150, 40)).astype(np.float32)
arrays = {{}}
for rule in ("fa", "bp"):
    layers = [fa.Dense(90, "tanh"), fa.Dense(75, "tanh"), fa.Dense(40)]
    net = fa.Network(200, layers, rule, seed=1, matmul_precision="bf16")
    for _ in range(2):
        net.step(x, y, fa.SGD(0.1))
    arrays |= {{f"{{rule}} {{i}}": w for i, w in enumerate(net.weights)}}
np.savez({path!r}, way=fa.build_info()["bf16"], **arrays)
"""


def test_every_way_agrees_to_the_rounding_of_sums(run_python, tmp_path):
    found = {}
    for level, way in [*((LEVELS[0], way) for way in WAYS), *((v, "emulated") for v in LEVELS[1:])]:
        path = tmp_path / f"{level}-{way}.npz"
        source = TRAINING.format(path=str(path))
        run_python(source, env={"FASTFA_ISA": level, "FASTFA_BF16": way})
        found[level, way] = dict(np.load(path))
        assert str(found[level, way].pop("way")) == way
    first, *others = found.values()
    for other in others:
        for name, w in first.items():
            # an activation whose sum is rounded otherwise may be rounded to another neighbour
            assert relative_error(other[name], w) < 2e-5, name


def test_a_way_that_is_not_there_is_refused(run_python):
    source = """
import fastfa as fa
try:
    fa.Network(40, [fa.Dense(40)], matmul_precision="bf16")
except RuntimeError as error:
    assert "FASTFA_BF16 was 'fpga'; this build and processor have: " in str(error), error
    assert "emulated" in str(error)
else:
    raise SystemExit("not refused")
"""
    run_python(source, env={"FASTFA_BF16": "fpga"})


def test_threads_make_no_difference(rng):
    x, y = draw(rng, 150, 300, 80)
    before, found = fa.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            fa.set_num_threads(threads)
            net = network(300, 80, feedback="bp", seed=2)
            net.step(x, y, fa.SGD(0.1))
            found.append([np.array(w) for w in net.weights])
    finally:
        fa.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_parts_of_a_step_and_ensembles_round_too(rng):
    x, y = draw(rng, 40, 50, 36)
    alone, parts, member, exact = (
        network(50, 36, precision, seed=4) for precision in ("bf16", "bf16", "bf16", "float32")
    )
    for net in (alone, exact):
        net.step(x, y, fa.SGD(0.1))
    parts.apply_error(y - parts.forward_step(x), fa.SGD(0.1))
    fa.Ensemble([member]).train_epoch(x, y, fa.SGD(0.1), batch_size=40)
    for a, b, c, d in zip(*(n.weights for n in (alone, parts, member, exact)), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
        assert (a != d).any()


def test_a_network_keeps_its_precision_and_goes_on_in_the_same_bits(tmp_path, rng):
    x, y = draw(rng, 64, 50, 40)
    net = network(50, 40, seed=3)
    net.step(x, y, fa.Adam(0.01))
    fa.save(tmp_path / "net.fastfa", net)
    copies = [fa.load(tmp_path / "net.fastfa"), copy.deepcopy(net), pickle.loads(pickle.dumps(net))]
    net.step(x, y, fa.Adam(0.01))
    for other in copies:
        assert other.matmul_precision == "bf16"
        other.step(x, y, fa.Adam(0.01))
        for a, b in zip(net.weights, other.weights, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_training_comes_as_far():
    digits = fa.data.load("mnist-mini")
    found = {}
    for precision in ("float32", "bf16"):
        layers = [fa.Dense(100, "tanh"), fa.Dense(50, "tanh"), fa.Dense(10, "softmax")]
        net = fa.Network(784, layers, loss="cross_entropy", matmul_precision=precision)
        trainer = fa.Trainer(net, fa.Adam(1e-3), epochs=3, batch_size=50)
        history = trainer.fit(digits.train, test=digits.test)
        found[precision] = list(history)[-1]["test_error"]
    assert found["bf16"] < 0.25
    assert abs(found["bf16"] - found["float32"]) < 0.02


def test_values_out_of_range_are_found(rng):
    x, y = draw(rng, 40, 60, 50)
    net = network(60, 50)
    start = [np.array(w) for w in net.weights]
    net.weights[0][7, :] = 1
    with pytest.raises(fa.DivergenceError, match="a pre-activation"):
        net.step(np.full_like(x, 1e13), y, fa.SGD(0.1))
    net.weights[0][7, :] = np.nan
    with pytest.raises(fa.DivergenceError, match="a pre-activation"):
        net.step(x, y, fa.SGD(0.1))
    net.weights[0][...] = start[0]
    net.feedback_matrices[0][...] = 1e14
    with pytest.raises(fa.DivergenceError, match="a delta"):
        net.step(x, y, fa.SGD(0.1))
    for w, before in zip(net.weights, start, strict=True):
        np.testing.assert_array_equal(w, before)


def test_refusals():
    with pytest.raises(
        ValueError, match=r"\[Network\] matmul_precision was 'bf16'; it must be 'float32'"
    ):
        network(40, 40, dtype="float64")
