"""B kept in bf16: its numbers, its memory, what it carries, and what can't be kept so."""

from __future__ import annotations

import copy
import ctypes as c
import pickle

import capi
import fastfa as fa
import numpy as np
import pytest
from bf16_cases import rounded
from capi_cases import assert_same, examples
from fastfa.cli import main
from parity import relative_error

KINDS = ("uniform", "normal", "orthogonal", "array")


def rule(kind: str, shape: tuple[int, int], rng, **more) -> fa.Feedback:
    array = {"array": rng.standard_normal(shape)} if kind == "array" else {}
    return fa.Feedback(kind, storage="bf16", **array, **more)


def network(feedback, *widths: int, **more) -> fa.Network:
    layers = [fa.Dense(n, "tanh") for n in widths[1:]]
    return fa.Network(widths[0], layers, feedback, seed=3, **more)


def draw(rng, n: int, n_in: int, n_out: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = (rng.standard_normal((n, k)).astype(np.float32) for k in (n_in, n_out))
    return x, np.clip(y, -0.9, 0.9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 2), (17, 5), (33, 31), (129, 64)])
def test_it_is_a_float32_networks_b_rounded(shape, kind, dtype, rng):
    own = rule(kind, shape, rng)
    net = network(own, 4, *shape, dtype=dtype)
    whole = network(own._changed(storage=None), 4, *shape).feedback_matrices[0]
    (b,) = net.feedback_matrices
    assert b.dtype == net.dtype
    assert not b.flags.writeable
    np.testing.assert_array_equal(b, rounded(whole))
    assert net.feedback_bytes == (4 * -(-shape[1] // 2) * -(-shape[0] // 16) * 16,)
    set_ = network("bp", 4, *shape, dtype=dtype)
    set_.set_feedback([own])
    np.testing.assert_array_equal(set_.feedback_matrices[0], b)


def test_it_takes_half_of_float32s_memory():
    sizes = [
        network(fa.Feedback("uniform", storage=s), 4, 160, 90).feedback_bytes
        for s in (None, "bf16")
    ]
    assert sizes == [(160 * 90 * 4,), (160 * 90 * 2,)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounding_is_to_nearest_even_and_subnormals_are_zero(dtype):
    ties = [1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, 2 - 2**-9]
    values = np.array([[*ties, 2.0**-126, 1.5e-39, 1e-45, 0.0, 1e14, 0.1]])
    values = np.concatenate([values, -values])
    own = fa.Feedback("array", array=values, storage="bf16")
    (b,) = network(own, 4, *values.shape, dtype=dtype).feedback_matrices
    np.testing.assert_array_equal(b, rounded(values))
    np.testing.assert_array_equal(own.toarray(*values.shape), rounded(values))


# Below and above the sizes from which products are in bf16, odd ones, and more rows than a part of a
# product has.
SIZES = [(33, 47, 35), (127, 64, 48), (40, 50, 1029), (20, 35, 34), (1, 65, 33)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_in_bf16_products_have_the_same_bits_as_with_a_b_that_is_rounded_there(size, kind, rng):
    n, units, above = size
    x, y = draw(rng, n, 9, 3)
    own = rule(kind, (units, above), rng)
    made = network([own, "fa"], 9, units, above, 3, matmul_precision="bf16")
    b = made.feedback_matrices[0]
    small = min(size) < 32
    whole = network(
        [own._changed(storage=None) if not small else fa.Feedback("array", array=b), "fa"],
        *(9, units, above, 3),
        matmul_precision="bf16",
    )
    for net in (made, whole):
        net.train_epoch(x, y, fa.SGD(0.1), batch_size=n)
    for w, same in zip(made.weights, whole.weights, strict=True):
        if n > 1:
            np.testing.assert_array_equal(w, same)
        else:  # two sums for an element
            assert relative_error(w, same.astype(float)) < 1e-6


@pytest.mark.parametrize("batch", [1, 2, 33])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_threads_make_no_difference(batch, precision, rng, restore_threads):
    x, y = draw(rng, 66, 40, 35)
    found = []
    for threads in (1, 3):
        fa.set_num_threads(threads)
        own = fa.Feedback("normal", storage="bf16")
        net = network(own, 40, 301, 257, 35, matmul_precision=precision)
        net.train_epoch(x, y, fa.SGD(0.05), batch_size=batch)
        found.append(net.weights)
    for w, same in zip(*found, strict=True):
        np.testing.assert_array_equal(w, same)


def test_copies_files_and_ensembles_go_on_in_the_same_bits(tmp_path, rng):
    x, y = draw(rng, 40, 9, 4)
    shapes = {"normal": (8, 7), "orthogonal": (7, 6), "array": (6, 4)}
    rules = [rule(kind, shape, rng) for kind, shape in shapes.items()]
    net = network(rules, 9, 8, 7, 6, 4)
    net.train_epoch(x, y, fa.SGD(0.1, momentum=0.5), batch_size=8)
    fa.save(tmp_path / "net.safetensors", net)
    others = [
        *(copy.deepcopy(net), pickle.loads(pickle.dumps(net))),
        fa.load(tmp_path / "net.safetensors"),
    ]
    ensemble = fa.Ensemble([copy.deepcopy(net), copy.deepcopy(net)])
    ensemble.train_epoch(x, y, fa.SGD(0.1, momentum=0.5), batch_size=8)
    for other in (net, *others):
        other.train_epoch(x, y, fa.SGD(0.1, momentum=0.5), batch_size=8)
    for other in (*others, *ensemble.networks):
        assert [repr(r) for r in other.feedback] == [repr(r) for r in net.feedback]
        for w, same in zip(other.weights, net.weights, strict=True):
            np.testing.assert_array_equal(w, same)


@pytest.mark.parametrize("kind", KINDS)
def test_calibration_keeps_it_so(kind, tmp_path, rng):
    net = network([rule(kind, (33, 31), rng), rule(kind, (31, 5), rng)], 6, 33, 31, 5)
    x, y = draw(rng, 40, 6, 5)
    net.calibrate_feedback(x, y, gain=0.3, growth=2)
    sizes = [float(np.sqrt(np.mean(np.square(d, dtype=float)))) for d in net.deltas(x, y)]
    np.testing.assert_allclose(np.array(sizes) / sizes[-1], [0.6, 0.3, 1], rtol=2e-3)
    assert [r.storage for r in net.feedback] == ["bf16", "bf16"]
    fa.save(tmp_path / "net.safetensors", net)
    for other in (fa.load(tmp_path / "net.safetensors"), network(net.feedback, 6, 33, 31, 5)):
        for b, same in zip(other.feedback_matrices, net.feedback_matrices, strict=True):
            np.testing.assert_array_equal(b, rounded(b))
            np.testing.assert_array_equal(b, same)


@pytest.mark.parametrize("more", [{}, {"update": "window", "window": 2}])
def test_errors_go_back_in_time_by_it(more, rng):
    x, y = rng.normal(size=(4, 6, 3)), rng.normal(size=(4, 6, 2))
    own = fa.Feedback("normal", storage="bf16")
    layer = fa.Recurrent(9, tau=2.5, recurrent_feedback=own)
    made = fa.Network(3, [layer, fa.Dense(2)], own, dtype="float64")
    b_rec, b = made.recurrent_feedback_matrix, made.feedback_matrices[0]
    np.testing.assert_array_equal(b_rec, rounded(b_rec))
    whole = fa.Recurrent(9, tau=2.5, recurrent_feedback=fa.Feedback("array", array=b_rec))
    same = fa.Network(3, [whole, fa.Dense(2)], fa.Feedback("array", array=b), dtype="float64")
    for net in (made, same):
        net.train_sequences(x, y, fa.SGD(0.1), batch_size=1, **more)
    for w, expected in zip(made.weights, same.weights, strict=True):
        np.testing.assert_allclose(w, expected, rtol=1e-12)


def test_angles_are_those_of_the_rounded_b(rng):
    own = fa.Feedback("normal", storage="bf16")
    x, y = draw(rng, 30, 9, 4)
    made = network(own, 9, 8, 7, 4, dtype="float64")
    whole = [fa.Feedback("array", array=b) for b in made.feedback_matrices]
    found = [
        fa.metrics.alignment(n, x, y) for n in (made, network(whole, 9, 8, 7, 4, dtype="float64"))
    ]
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(
            [a.angle_bp, a.weight_angle, a.norm_ratio], [b.angle_bp, b.weight_angle, b.norm_ratio]
        )


def test_c_has_it_too(rng):
    feedback = capi.Feedback(in_bf16=1)
    layers = [capi.Layer(units=12, activation=b"tanh"), capi.Layer(units=4, activation=b"tanh")]
    ours = capi.Network(7, layers, [feedback], seed=3)
    assert ours.status == 0, capi.last_error()
    net = network(fa.Feedback("uniform", storage="bf16"), 7, 12, 4)
    x, y = examples(rng, "float32")
    net.step(x, y, fa.SGD(0.1))
    step = capi.Optimizer(lr=0.1)
    assert ours.call("step", capi.view(x), capi.view(y), c.byref(step), None) == 0
    assert_same(ours, net)
    feedback.plasticity = b"kolen_pollack"
    assert capi.Network(7, layers, [feedback]).status != 0
    assert "feedback[0] is 'uniform' with storage 'bf16' and plasticity" in capi.last_error()
    feedback = capi.Feedback(in_bf16=1, matrix=b"binary")
    assert capi.Network(7, layers, [feedback]).status != 0
    assert "only 'uniform', 'normal', 'orthogonal' and 'array' can be kept so" in capi.last_error()
    feedback.struct_size = capi.Feedback.in_bf16.offset  # a caller who was compiled before
    assert capi.Network(7, layers, [feedback]).status == 0


def test_below_local_layers_a_b_of_their_pattern_is_whole():
    layers = [fa.LocallyConnected2D(2, 3), fa.LocallyConnected2D(3, 2), fa.Dense(3)]
    with pytest.raises(
        ValueError, match=r"feedback\[0\] is 'uniform' with storage 'bf16' and a local"
    ):
        fa.Network((6, 6), layers, fa.Feedback("uniform", storage="bf16"))
    fa.Network((6, 6), layers, [fa.Feedback("normal", storage="bf16"), "fa"])


def test_values_beyond_float32_are_refused():
    own = fa.Feedback("array", array=[[1e20]], storage="bf16")
    with pytest.raises(
        ValueError, match=r"array has a value of 1e\+20; each must be within ±1e\+14"
    ):
        network(own, 2, 1, 1, dtype="float64")


def test_it_is_said(tmp_path):
    own = fa.Feedback("normal", storage="bf16")
    assert repr(own) == "Feedback('normal', storage='bf16')"
    settings = {"feedback-storage": "bf16", "hidden": 8, "epochs": 1, "out": tmp_path / "run"}
    words = [str(word) for name, value in settings.items() for word in (f"--{name}", value)]
    save = tmp_path / "net.safetensors"
    assert main(["train", "mnist-mini", "--quiet", *words, "--save", str(save)]) == 0
    assert fa.load(save).net.feedback[0].storage == "bf16"
