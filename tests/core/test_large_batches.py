"""One batch of very many examples: sums over them are right to 1e-6 in float32.

A single chain of float32 additions loses what comes late: of 3·10⁶ examples a bias' gradient was 1.8 %
off. The gradient of a layer is read off one step with η = 1 and reduction "sum" from parameters at zero,
or from Adam's first moment, and compared with NumPy's in float64 on the same numbers.
"""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from devices import ORDERS, emulated

NEAR = 1e-6
SUM = fa.SGD(1.0, reduction="sum")
# Above, at and between the numbers of examples at which sums change their form.
ABOVE = (257, 4096, 4097, 8192, 70_001)


def relative(found, expected) -> float:
    """The largest error of an element, relative to the element."""
    expected = np.asarray(expected, np.float64)
    return float(np.max(np.abs(np.asarray(found, np.float64) - expected) / np.abs(expected)))


def linear(n_in: int, n_out: int, **options) -> fa.Network:
    layer = fa.Dense(n_out, "linear", weight_scale=0.0)
    return fa.Network(n_in, [layer], "fa", **{"dtype": "float32"} | options)


def positive(rng, n: int, columns: int, dtype="float32") -> np.ndarray:
    """Of one sign, so that the sums have no small result, and unlike, so that they round."""
    return rng.uniform(0.5, 1.5, (n, columns)).astype(dtype)


def check_step(x, y, **options) -> None:
    """From zero, W and b become the gradients themselves: yᵀx and Σy, for the output is zero."""
    net = linear(x.shape[1], y.shape[1], **options)
    net.step(x, y, SUM)
    assert relative(net.weights[0], y.astype(np.float64).T @ x.astype(np.float64)) < NEAR
    assert relative(net.biases[0], y.sum(axis=0, dtype=np.float64)) < NEAR


def test_gradients_of_millions_of_examples(rng):
    check_step(positive(rng, 3_000_000, 1), positive(rng, 3_000_000, 1))


@pytest.mark.parametrize("n", ABOVE)
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (17, 33), (513, 70)])
def test_gradients_at_every_form_of_the_sums(shape, n, rng):
    n_in, n_out = shape
    n = n if n * n_in * n_out < 3e8 else 4097
    check_step(positive(rng, n, n_in), positive(rng, n, n_out))


@pytest.mark.parametrize("value", [0.1, 0.7, 1 / 3])
def test_equal_values_which_all_round_one_way(value):
    n = 1_000_000
    check_step(np.ones((n, 2), "float32"), np.full((n, 3), value, "float32"))


def test_a_small_step_of_a_large_weight_is_not_lost(rng):
    """Its parts would each be below half a unit in the last place of W."""
    n = 100_000
    net = linear(2, 1)
    net.weights[0][...], net.biases[0][...] = 1.0, 1.0
    x = positive(rng, n, 2)
    y = (net.forward(x) + np.float32(1e-3)).astype("float32")
    e = y.astype(np.float64) - x.sum(axis=1, keepdims=True, dtype=np.float64) - 1
    net.step(x, y, fa.SGD(0.01))
    expected = 1 + 0.01 * (e.T @ x.astype(np.float64)) / n
    np.testing.assert_allclose(net.weights[0], expected, rtol=1.2e-7)


@pytest.mark.parametrize("n", [300, 5000])
@pytest.mark.parametrize("optimizer", [
    fa.SGD(0.1, momentum=0.9, weight_decay=0.1), fa.SGD(0.1, weight_decay=0.1), fa.Adam(0.01),
], ids=repr)  # fmt: skip
def test_every_optimizer_takes_one_step_with_the_whole_gradient(optimizer, n, rng):
    """Two steps of a network of ragged sizes, against the same in float64."""
    nets = [
        fa.Network(37, [fa.Dense(29, "tanh", density=d), fa.Dense(19, "linear")], "kp", dtype=dtype)
        for dtype in ("float32", "float64") for d in (1.0, 0.5)
    ]  # fmt: skip
    x, y = positive(rng, n, 37, "float64"), positive(rng, n, 19, "float64")
    for net in nets:
        for name, array in net._arrays().items():
            array[...] = nets[2 + (net in nets[1::2])].state_dict()[name]
        for _ in range(2):
            net.step(x, y, optimizer)
    for single, double in zip(nets[:2], nets[2:], strict=True):
        for name, array in single.state_dict().items():
            expected = double.state_dict()[name]
            assert np.abs(array - expected).max() < 2e-6 * np.abs(expected).max(), name


def test_kolen_pollack_and_the_weight_mirror(rng):
    n = 200_000
    x, y = positive(rng, n, 1), positive(rng, n, 1)
    layers = [fa.Dense(1, "linear", weight_scale=0.0), fa.Dense(1, "linear", weight_scale=0.0)]
    net = fa.Network(1, layers, "kp", dtype="float32")
    net.biases[0][...] = 1.0  # h is 1, and so the gradient of B is Σy
    net.feedback_matrices[0][...] = 0.0
    net.step(x, y, SUM)
    assert relative(net.feedback_matrices[0], [[y.sum(dtype=np.float64)]]) < NEAR

    mirror = fa.WeightMirror.average(1.0)
    found = []
    for dtype in ("float32", "float64"):
        rule = fa.Feedback("uniform", plasticity=mirror)
        net = fa.Network(1, layers, rule, dtype=dtype, seed=3)
        net.weights[1][...] = 1.0
        net.step(x, y, fa.SGD(0.0))
        found.append(np.array(net.feedback_matrices[0]))
    assert relative(*found) < NEAR


def test_node_perturbation(rng):
    """Both dtypes draw the same noise; what differs is how losses and gradients are summed."""
    n, found = 200_000, []
    x, y = positive(rng, n, 1, "float64"), positive(rng, n, 1, "float64")
    for dtype in ("float32", "float64"):
        net = fa.Network(1, [fa.Dense(1, weight_scale=0.0)], fa.NodePerturbation(1.0), dtype=dtype)
        net.step(x, y, SUM)
        found.append(net.biases[0][0])
    assert found[0] == pytest.approx(found[1], rel=NEAR)


LOCAL = {
    "by rows": ((20, 21), fa.LocallyConnected2D(2, (2, 3), activation="linear", weight_scale=0.0)),
    "by patches": ((5, 4), fa.LocallyConnected2D(3, 3, padding="same", activation="linear",
                                                 weight_scale=0.0)),
    "a unit": ((1, 1), fa.LocallyConnected2D(1, 1, activation="linear", weight_scale=0.0)),
}  # fmt: skip


@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("n", [257, 30_001])
@pytest.mark.parametrize("case", LOCAL)
def test_locally_connected_layers(case, n, equal, rng):
    image, layer = LOCAL[case]
    net = fa.Network(image, [layer], "fa", dtype="float32")
    double = fa.Network(image, [layer], "fa", dtype="float64")
    n = n if np.prod(image) < 100 else min(n, 5001)
    x = positive(rng, n, int(np.prod(image)))
    y = positive(rng, n, net.output_size)
    if equal:
        x[...], y[...] = 0.7, 0.1
    for each in (net, double):
        each.step(x, y, SUM)
    assert relative(net.biases[0].reshape(-1), y.sum(axis=0, dtype=np.float64)) < NEAR
    there = np.asarray(double.weights[0]) != 0
    assert relative(net.weights[0][there], double.weights[0][there]) < NEAR


def test_losses(rng):
    n = 3_000_000
    y = positive(rng, n, 1)
    loss = linear(1, 1).evaluate(np.zeros((n, 1), "float32"), y).loss
    assert loss == pytest.approx(0.5 * np.mean(y.astype(np.float64) ** 2), rel=1e-9)


def many_classes(n: int, **options) -> fa.Network:
    """One output is 0.3 above the others: what is summed has no short binary digits."""
    layer = fa.Dense(n, "softmax", weight_scale=0.0)
    net = fa.Network(1, [layer], loss="cross_entropy", **options)
    net.biases[0][7] = np.float32(0.3)
    return net


def probability_of_others(n: int) -> float:
    return 1 / (n - 1 + np.exp(np.float64(np.float32(0.3))))


def test_softmax_of_very_many_classes():
    n = 300_000
    net, expected = many_classes(n), probability_of_others(n)
    assert relative(net.forward([[1.0]])[0, :7], np.full(7, expected)) < NEAR
    target = np.zeros((1, n))
    target[0, 3] = 1
    assert net.evaluate([[1.0]], target).loss == pytest.approx(-np.log(expected), rel=NEAR)


def test_the_angle_of_gradients(rng):
    """By the instruments, where every example says the same."""
    n = 300_000
    layers = [fa.Dense(2, "linear"), fa.Dense(2, "linear")]
    nets = [fa.Network(1, layers, "fa", dtype=dtype, seed=2) for dtype in ("float32", "float64")]
    x, y = np.full((n, 1), 0.7, "float32"), np.full((n, 2), [0.1, 0.9], "float32")
    for name, array in nets[0]._arrays().items():
        nets[1]._arrays()[name][...] = array
    one, other = (fa.metrics.alignment(net, x, y)[0] for net in nets)
    assert one.gradient_angle == pytest.approx(other.gradient_angle, rel=3e-6)
    assert one.angle_bp_layer == pytest.approx(other.angle_bp_layer, rel=3e-6)


def test_the_same_bits_at_any_number_of_threads(rng):
    x, y = positive(rng, 9000, 600), positive(rng, 9000, 70)
    before, found = fa.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 5):
            fa.set_num_threads(threads)
            net = linear(600, 70)
            net.step(x, y, fa.SGD(0.1, momentum=0.9))
            found.append(net.state_dict())
    finally:
        fa.set_num_threads(before)
    for other in found[1:]:
        for name, array in found[0].items():
            np.testing.assert_array_equal(array, other[name])


@emulated
@pytest.mark.parametrize("library", ["fastfa", "cublas"])
@pytest.mark.parametrize("order", ORDERS)
def test_dense_layers_on_a_device(order, library, rng):
    for n in (257, 1500, 9001):
        check_step(positive(rng, n, 2), positive(rng, n, 3), device=order, matmul_library=library)
    if library == "cublas":  # how it adds up a part is its own affair
        return
    n = 20_000  # equal values, in one chain 1e-5 off and more
    check_step(np.ones((n, 1), "float32"), np.full((n, 1), 0.1, "float32"), device=order)


@emulated
def test_local_layers_and_softmax_on_a_device():
    n, device = 20_000, ORDERS[2]
    layer = fa.LocallyConnected2D(1, 1, activation="linear", weight_scale=0.0)
    net = fa.Network((1, 1), [layer], "fa", device=device)
    net.step(np.ones((n, 1)), np.full((n, 1), 0.1), SUM)
    assert relative(net.biases[0], [n * np.float64(np.float32(0.1))]) < NEAR
    assert relative(net.weights[0], [n * np.float64(np.float32(0.1))]) < NEAR
    classes = 40_000
    out = many_classes(classes, device=device).forward([[1.0]])
    assert relative(out[0, :7], np.full(7, probability_of_others(classes))) < NEAR
