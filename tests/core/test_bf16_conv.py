"""Convolutions with factors rounded to bf16, where the products are large enough."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from bf16_cases import rounded
from conv_kernel_cases import passed_back, windows
from parity import relative_error

# (channels, height, width), maps and kernel of two convolutions, stride, padding, examples. The kernels
# work on about 128 positions at a time: a part of a large image, or several small images.
CASES = {
    "bands": ((2, 28, 30), (33, 7), (40, 3), 1, "same", 2),
    "several bands in a sum": ((3, 19, 21), (35, 4), (32, 5), 1, "valid", 17),
    "small images": ((5, 6, 5), (64, 3), (65, 3), 1, "same", 21),
    "one position": ((7, 6, 5), (34, (6, 5)), (32, 1), 1, "valid", 40),
    "long patches": ((64, 12, 12), (33, 12), (32, 1), 1, "valid", 120),
    "one example": ((6, 17, 9), (47, 3), (33, 3), 1, "same", 1),
    "wide": ((9, 3, 300), (32, 3), (36, (3, 7)), 1, "same", 2),
    "copied patches": ((2, 16, 18), (37, 7), (41, 2), 1, "same", 3),
    "stride": ((4, 22, 19), (38, 5), (33, 3), 2, "same", 3),
    "stride beyond the kernel": ((8, 25, 27), (32, (4, 2)), (34, 1), 3, "valid", 4),
    "stride of one direction": ((5, 21, 22), (36, 3), (40, 4), (1, 2), "same", 2),
    "squares in float32": ((16, 12, 13), (48, 3), (50, 3), 1, "same", 5),
    "too few maps, then enough": ((8, 12, 12), (20, 3), (50, 5), 1, "valid", 6),
}


def near(x, *sizes: int) -> np.ndarray:
    """x as a factor of a product of these sizes."""
    return rounded(x) if min(sizes) >= 32 else np.asarray(x, np.float64)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rule", ["fa", "bp"])
def test_each_product_is_that_of_the_rounded_factors(case, rule, rng):
    image, first, second, stride, padding, n = CASES[case]
    layers = [
        fa.Conv2D(maps, kernel, stride=stride, padding=padding, activation=activation)
        for (maps, kernel), activation in zip((first, second), ("tanh", "linear"), strict=True)
    ]
    net = fa.Network(image, [*layers, fa.Dense(3)], rule, seed=1, matmul_precision="bf16")
    for b in net.biases:
        b[...] = 0.2 * rng.standard_normal(b.shape)
    x, y = (rng.standard_normal((n, *shape)).astype(np.float32) for shape in (image, (3,)))
    strides = stride if isinstance(stride, tuple) else (stride, stride)
    shapes = net.shapes[1:3]
    h1, h2, _ = (
        h.reshape(n, *shape) for h, shape in zip(net.activations(x), net.shapes[1:], strict=True)
    )
    delta1, delta2, _ = net.deltas(x, y)
    deltas = [
        d.reshape(n, *s).astype(np.float64) for d, s in zip((delta1, delta2), shapes, strict=True)
    ]
    old = [(np.array(w), np.array(b)) for w, b in zip(net.weights, net.biases, strict=True)]
    w2 = np.array(net.weights[1] if rule == "bp" else net.state_dict()["feedback.0"])
    net.step(x, y, fa.SGD(1.0))

    for i, (below, shape) in enumerate(zip((x, h1), shapes, strict=True)):
        w, b = old[i]
        maps, patch = w.shape[0], w[0].size
        sizes = (n * shape[1] * shape[2], patch, maps)
        seen, before, padded = windows(
            near(below, *sizes), w.shape[2:], strides, padding, shape[1:]
        )
        a = np.einsum("nyxckl,mckl->nmyx", seen, near(w, *sizes)) + b[:, None, None]
        assert relative_error((h1, h2)[i], np.tanh(a) if i == 0 else a) < 3e-6
        gradient = np.einsum("nmyx,nyxckl->mckl", near(deltas[i], *sizes), seen) / n
        # of a difference of weights, so float32's rounding of these is in it
        assert relative_error(net.weights[i] - w, gradient) < 1e-4
        assert relative_error(net.biases[i] - b, deltas[i].sum((0, 2, 3)) / n) < 1e-4
    sizes = (n * h1[0, 0].size, w2[:, 0].size, w2.shape[1])
    carried = passed_back(
        near(deltas[1], *sizes), near(w2, *sizes), strides, before, padded, h1.shape[2:]
    )
    assert relative_error(deltas[0], carried * (1 - h1.astype(np.float64) ** 2)) < 5e-6


# A training in all its products; the arrays that it ends with go to the file at {path!r}.
TRAINING = """
import fastfa as fa, numpy as np
rng = np.random.default_rng(0)
fa.set_num_threads({threads})
x = rng.standard_normal((21, 3, 14, 15)).astype(np.float32)
y = rng.standard_normal((21, 10)).astype(np.float32)
layers = [fa.Conv2D(40, 5), fa.Conv2D(35, 3, stride=2), fa.Dense(10)]
net = fa.Network((3, 14, 15), layers, "fa", seed=1, matmul_precision="bf16")
for _ in range(3):
    net.step(x, y, fa.SGD(0.1))
np.savez({path!r}, **{{str(i): w for i, w in enumerate(net.weights)}})
"""


def test_every_way_agrees_and_threads_make_no_difference(run_python, tmp_path):
    info = fa.build_info()
    levels, ways = info["isa_available"], info["bf16_available"]
    found = {}
    for level, way, threads in [
        *((levels[0], way, 2) for way in ways),
        *((level, "emulated", threads) for level in levels for threads in (1, 3)),
    ]:
        path = tmp_path / f"{level}-{way}-{threads}.npz"
        source = TRAINING.format(path=str(path), threads=threads)
        run_python(source, env={"FASTFA_ISA": level, "FASTFA_BF16": way})
        found[level, way, threads] = dict(np.load(path))
    first, *others = found.values()
    for other in others:
        for name, w in first.items():
            assert relative_error(other[name], w) < 2e-5
    for level in levels:
        for name, w in found[level, "emulated", 1].items():
            np.testing.assert_array_equal(w, found[level, "emulated", 3][name])


def test_what_was_in_scratch_before_makes_no_difference(rng):
    """A step that ends by huge values leaves them in scratch, where factors are padded with zeros."""
    net = fa.Network((4, 9, 9), [fa.Conv2D(33, 3), fa.Dense(2)], matmul_precision="bf16")
    x, y = rng.standard_normal((5, 4, 9, 9)).astype(np.float32), np.zeros((5, 2), np.float32)
    net.weights[0][7] = 1
    expected = net.activations(x)[0]
    with pytest.raises(fa.DivergenceError, match="a pre-activation"):
        net.step(np.full_like(x, 1e13), y, fa.SGD(0.1))
    np.testing.assert_array_equal(net.activations(x)[0], expected)


def test_a_training_with_all_that_goes_with_it(rng, tmp_path):
    """Pooling, dropout, momentum, an ensemble and a checkpoint: the same bits as alone."""
    layers = [
        fa.Conv2D(32, 3, activation="relu"),
        fa.MaxPool2D(2),
        fa.Conv2D(33, 3, activation="relu"),
        fa.Dense(5),
    ]
    x = rng.standard_normal((24, 4, 12, 12)).astype(np.float32)
    y = rng.standard_normal((24, 5)).astype(np.float32)

    def make(precision="bf16"):
        return fa.Network((4, 12, 12), layers, "fa", seed=3, matmul_precision=precision)

    alone, member, exact = make(), make(), make("float32")
    optimizers = [fa.SGD(0.05, momentum=0.9, weight_decay=1e-3) for _ in range(4)]
    for net, optimizer in zip((alone, exact), optimizers[:2], strict=True):
        for _ in range(2):
            net.step(x, y, optimizer)
    ensemble = fa.Ensemble([member])
    ensemble.train_epoch(x, y, optimizers[2], batch_size=24)
    fa.save(tmp_path / "net.fastfa", member)
    after = fa.load(tmp_path / "net.fastfa")
    after.step(x, y, optimizers[3])
    for a, b, c in zip(alone.weights, after.weights, exact.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        assert 1e-6 < relative_error(a, c) < 2e-2
