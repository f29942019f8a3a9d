"""JAX: shared arrays, networks as pure functions, and our feedback in its gradients."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

import tracemalloc
from itertools import pairwise

import fastfa as fa
import numpy as np
import pytest
from interop_cases import AGREE, difference, inputs, networks

jax = pytest.importorskip("jax", reason="needs JAX")
import jax.numpy as jnp
from fastfa.interop.jax import dense, load_parameters, to_function


@pytest.fixture(autouse=True)
def double():
    """JAX with float64, for these tests alone."""
    with jax.enable_x64(True):
        yield


def test_arrays_go_in_without_a_copy(rng):
    net = fa.Network(1000, [fa.Dense(10)], dtype="float32")
    x = jnp.asarray(rng.standard_normal((4000, 1000)), dtype="float32")  # 16 MB
    net.forward(x[:1])
    tracemalloc.start()
    out = net.forward(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1e6
    np.testing.assert_array_equal(out, net.forward(np.array(x)))
    y = jnp.zeros((4000, 10), dtype="float32")
    loss = net.step(x, y, fa.SGD(0.01))
    assert loss == pytest.approx(float((out**2).sum() / 8000), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_go_out(dtype):
    net = fa.Network(30, [fa.Dense(48)], dtype=dtype)
    out = net.forward(np.ones((64, 30)))
    there = jax.dlpack.from_dlpack(out)
    np.testing.assert_array_equal(there, out)
    # JAX shares what is aligned to its taste, and copies the rest
    aligned = np.zeros(64 * 48 + 64, dtype=dtype)
    start = -aligned.ctypes.data % 64 // aligned.itemsize
    aligned = aligned[start : start + 64 * 48].reshape(64, 48)
    assert jax.dlpack.from_dlpack(aligned).unsafe_buffer_pointer() == aligned.ctypes.data


@pytest.mark.parametrize(("make", "seed", "dtype"), networks(6))
def test_a_function_computes_what_the_network_does(make, seed, dtype):
    net = make(seed, dtype)
    apply, params = to_function(net)
    assert all(p["W"].dtype == dtype for p in params)
    compiled = jax.jit(apply)
    x = inputs(net, 9)
    assert difference(compiled(params, x), net.forward(x)) < AGREE[dtype]
    assert difference(compiled(params, x[:1].reshape(1, -1)), net.forward(x[:1])) < AGREE[dtype]


WIDTHS = (12, 9, 14, 7, 5)
RULES = {
    **{
        name: fa.PRESETS[name]
        for name in ("fa", "bp", "pbp", "shallow", "usf", "frsf", "sparse_fa")
    },
    "frsf scaled": fa.Feedback("sign", magnitude="fixed", scale=0.3),
    "own magnitudes": [
        fa.Feedback("sign", magnitude="array", array=np.random.default_rng(n).random((n, source)))
        for n, source in pairwise(WIDTHS[1:])
    ],
    "uniform scaled": fa.Feedback("uniform", scale=0.2),
    "normal": fa.Feedback("normal", gain=0.7),
    "low_rank": fa.Feedback("low_rank", rank=2),
    "hadamard": fa.Feedback("hadamard"),
    "procedural": fa.Feedback("procedural"),
}


def network(rule, **options) -> fa.Network:
    names = ("tanh", "logistic", "leaky_relu", "linear")
    layers = [fa.Dense(n, a) for n, a in zip(WIDTHS[1:], names, strict=True)]
    return fa.Network(WIDTHS[0], layers, rule, seed=3, dtype="float64", **options)


def loss(apply):
    return lambda params, x, y: ((y - apply(params, x)) ** 2).sum() / 2


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_gradients_are_fastfas_feedback(rule, rng):
    net = network(rule)
    apply, params = to_function(net, feedback=True)
    descent = jax.jit(jax.grad(loss(apply)))
    for _ in range(3):
        x, y = rng.standard_normal((17, WIDTHS[0])), rng.standard_normal((17, WIDTHS[-1]))
        gradient = descent(params, x, y)
        inputs_below = [x, *net.activations(x)[:-1]]
        for g, delta, h in zip(gradient, net.deltas(x, y), inputs_below, strict=True):
            assert difference(-g["W"], delta.T @ h) < 1e-12
            assert difference(-g["b"], delta.sum(axis=0)) < 1e-12
        params = jax.tree.map(lambda p, g: p - 0.01 * g, params, gradient)
        net.step(x, y, fa.SGD(0.01, reduction="sum"))
    for p, w in zip(params, net.weights, strict=True):
        assert difference(p["W"], w) < 1e-12


def test_backprops_feedback_is_jaxs_own_gradient(rng):
    net = network("bp")
    x, y = rng.standard_normal((17, WIDTHS[0])), rng.standard_normal((17, WIDTHS[-1]))
    (plain, params), (fed, _) = to_function(net), to_function(net, feedback=True)
    own, ours = (jax.grad(loss(f))(params, x, y) for f in (plain, fed))
    for a, b in zip(jax.tree.leaves(own), jax.tree.leaves(ours), strict=True):
        assert difference(b, a) < 1e-14


def test_the_dense_layer_by_itself(rng):
    x, W, b = rng.standard_normal((4, 6)), rng.standard_normal((3, 6)), rng.standard_normal(3)
    B = fa.Feedback("uniform").toarray(6, 3, seed=1)
    out, back = jax.vjp(dense, *map(jnp.asarray, (x, W, b, B)))
    np.testing.assert_allclose(out, x @ W.T + b)
    grad = rng.standard_normal((4, 3))
    to_x, to_W, to_b, to_B = back(jnp.asarray(grad))
    np.testing.assert_allclose(to_x, grad @ B.T)
    np.testing.assert_allclose(to_W, grad.T @ x)
    np.testing.assert_allclose(to_b, grad.sum(axis=0))
    assert not to_B.any()
    mapped = jax.vmap(dense, (0, None, None, None))(jnp.asarray(x)[:, None], W, b, B)
    np.testing.assert_allclose(mapped[:, 0], out)


def test_parameters_go_back(rng):
    net = fa.Network(
        (6, 6), [fa.LocallyConnected2D(2, 3), fa.Dense(4, "tanh", bias=False), fa.Dense(3)]
    )
    _, params = to_function(net)
    changed = jax.tree.map(lambda p: p + 1, params)
    before = net.state_dict()
    load_parameters(net, changed)
    for p, w, b in zip(changed, net.weights, net.biases, strict=True):
        np.testing.assert_array_equal(p["W"], w)
        assert (b is None) == ("b" not in p)
    np.testing.assert_array_equal(net.feedback_matrices[1], before["feedback.1"])
    state = net.state_dict()
    wrong = [
        changed[:2],
        [*changed[:2], {"W": changed[2]["W"]}],
        [*changed[:2], {**changed[2], "c": 1}],
        [*changed[:2], {**changed[2], "W": changed[2]["W"].T}],
    ]
    for parameters in wrong:
        with pytest.raises(ValueError, match="load_parameters"):
            load_parameters(net, parameters)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, state[name])


class Halves:
    def propagate(self, delta):
        return 0.5 * delta[:, :1] * np.ones(7)


@pytest.mark.parametrize(
    "rule", ["dfa", "kp", "brsf", fa.Feedback("pseudoinverse", refresh=2), fa.NodePerturbation(0.1)]
)
def test_feedback_that_jax_cannot_run(rule):
    with pytest.raises(ValueError, match=r"\[to_function\] feedback was True"):
        to_function(network(rule), feedback=True)


def test_other_refusals():
    with pytest.raises(ValueError, match=r"\[to_function\] feedback was True"):
        to_function(network(["fa", "fa", Halves()]), feedback=True)
    net = fa.Network(
        (6, 6), [fa.LocallyConnected2D(2, 3), fa.LocallyConnected2D(2, 3), fa.Dense(2)]
    )
    with pytest.raises(ValueError, match="must be a Dense"):
        to_function(net, feedback=True)
    with pytest.raises(TypeError, match="net was"):
        to_function("net")
    with pytest.raises(TypeError, match="net was"):
        load_parameters("net", [])
    with jax.enable_x64(False), pytest.raises(ValueError, match="jax_enable_x64"):
        to_function(network("fa"))


def test_a_masked_example_is_refused():
    apply, parameters = to_function(fa.Network(2, [fa.Dense(1)]))
    masked = np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]], mask=[[0, 0], [0, 1]])
    for x in (masked, [masked[1]]):
        with pytest.raises(ValueError, match=r"\[apply\] x.* has masked values \(1, "):
            apply(parameters, x)
    assert apply(parameters, masked[:1]).shape == (1, 1)  # no value of it is masked
