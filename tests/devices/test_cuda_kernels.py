"""Device kernels, one by one, on the emulated device: networks on it equal the NumPy reference.

The emulated device runs the sources that nvcc compiles, with a block's threads as fibers, in three
orders; see docs/cuda.md. Each kernel has a case that launches it, of ragged sizes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import fastfa as fa
import numpy as np
import pytest
import reference
from conv_kernel_cases import check_kernels
from devices import ORDERS, emulated, kernels_run
from local_cases import Patches, local_case
from parity import TOLERANCE, check, relative_error
from parity_cases import Case, build, draw_data, plain_case

pytestmark = emulated
SOURCES = Path(__file__).resolve().parents[2] / "cpp" / "cuda"
LOCAL = (Patches(3, (2, 3), stride=(2, 1), padding="same"), Patches(5, 2))

# For each kernel what launches it: a case that parity.py trains and compares, or a function below.
CASES: dict[str, Case | str] = {
    "gather": plain_case((37, 3), batch=5),
    "dense_forward": plain_case((37, 65, 5), batch=33),
    "output": plain_case((9, 41), output=("cross_entropy", "softmax"), batch=7),
    "propagate": plain_case((5, 33, 35), rules=("fa",), batch=31),
    "propagate_transposed": plain_case((5, 33, 35), rules=("bp",), batch=31),
    "propagate_sign": plain_case((5, 34, 37, 3), rules=("usf", "frsf"), batch=6),
    "propagate_bits": plain_case((5, 67, 35, 3), rules=("binary", "ternary"), batch=9),
    "propagate_pairs": plain_case(
        (5, 67, 35, 3), rules=("uniform bf16", "direct array bf16"), batch=9
    ),
    "propagate_procedural": plain_case((5, 67, 35, 3), rules=("procedural",), batch=18),
    "propagate_sparse": plain_case((5, 67, 35, 3), rules=("sparse 0.1", "ternary 0.2"), batch=35),
    "propagate_hadamard": plain_case((5, 67, 35, 3), rules=("hadamard",), batch=4),
    "times_slope": plain_case((5, 33, 7), rules=("custom",), batch=5),
    "activate_with_slope": plain_case((5, 33, 7), hidden=("gelu",), batch=5),
    "apply_gradient": plain_case(
        (5, 33, 7), adam=True, weight_decay=0.1, batch=5, limits=(("clip_value", 0.01),)
    ),
    "transpose": local_case((7, 6), LOCAL, 4, rules=("bp",), batch=34),
    "draw": plain_case((5, 33, 18, 3), rules=("brsf",), batch=5),
    "dropout": "dropped",
    "row_dots": "measured",
    "tally": plain_case((6, 5, 3), batch=37, short=2),
    "dense_update": plain_case(
        (67, 35, 5), momentum=0.9, weight_decay=0.1, batch=5, density=(0.5,)
    ),
    "local_forward": local_case((2, 7, 6), LOCAL, 4, batch=33),
    "local_back": local_case((2, 7, 6), LOCAL, 4, rules=("bp", "fa"), batch=5),
    "local_update": local_case((2, 7, 6), LOCAL, 4, momentum=0.5, weight_decay=0.1, batch=35),
    "next_batch": plain_case((9, 33, 4), batch=3, short=1),
    "tiny_run": plain_case((9, 33, 17, 4), rules=("fa", "bp"), weight_decay=0.1, batch=1),
    "finish_forward": plain_case((37, 65, 5), batch=33, matmul_library="cublas"),
    "finish_update": plain_case(
        (67, 35, 5),
        momentum=0.9,
        weight_decay=0.1,
        batch=5,
        density=(0.5,),
        matmul_library="cublas",
    ),
    "add_part": plain_case((3, 2), batch=4099, matmul_library="cublas"),
    "finish_update_bias": plain_case((5, 67, 33), adam=True, batch=35, matmul_library="cublas"),
    "conv_forward": "convolved",
    "conv_back": "convolved",
    "conv_gradient": "convolved",
    "conv_learn": "convolved",
    "pool_forward": "pooled",
    "pool_back": "pooled",
    "local_update_bias": local_case((2, 7, 6), LOCAL, 4, adam=True, batch=3),
}


def dropped(device: str, dtype: str) -> None:
    """The CPU's masks, in the pass up and down; the reference has no dropout."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((30, 9)), rng.standard_normal((30, 3))
    layers = [fa.Dropout(0.2), fa.Dense(35, "tanh"), fa.Dropout(0.5), fa.Dense(3)]
    nets = [fa.Network(9, layers, dtype=dtype, device=name) for name in ("cpu", device)]
    for net in nets:
        net.train_epoch(x, y, fa.SGD(0.05), batch_size=7)
    for w, expected in zip(nets[1].weights, nets[0].weights, strict=True):
        assert relative_error(w, np.float64(expected)) < TOLERANCE[dtype]


def measured(device: str, dtype: str) -> None:
    """All instruments, against the CPU's own."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((37, 9)), rng.standard_normal((37, 3))
    layers = [fa.Dense(35, "tanh"), fa.Dense(33, "logistic"), fa.Dense(3)]
    nets = [fa.Network(9, layers, dtype=dtype, device=name) for name in ("cpu", device)]
    found = [fa.metrics.alignment(net, x, y) for net in nets]
    for expected, actual in zip(*found, strict=True):
        for name in ("angle_bp", "angle_pbp", "weight_angle", "trace_bw", "descent", "norm_ratio"):
            np.testing.assert_allclose(
                getattr(actual, name), getattr(expected, name), rtol=TOLERANCE[dtype] * 10
            )


def convolved(device: str, dtype: str) -> None:
    """Rows, columns and parts that fill no tile; phases of a stride."""
    check_kernels((3, 9, 17), (35, 3), (34, (2, 3)), (1, 2), "same", 2, dtype=dtype, device=device)


def pooled(device: str, dtype: str) -> None:
    """Patches that overlap, touch, or leave pixels out, of images with many equal values."""
    x = np.random.default_rng(0).integers(0, 3, (5, 110)).astype(dtype)
    y = np.zeros((5, 2), dtype)
    for kind in (fa.AvgPool2D, fa.MaxPool2D):
        for pool in (
            kind(2),
            kind(3, 2),
            kind((1, 3), (2, 1)),
            kind((2, 3), (3, 5)),
            kind((11, 10)),
        ):
            layers = [fa.Conv2D(3, 1, activation="tanh"), pool, fa.Dense(2)]
            nets = [
                fa.Network((11, 10), layers, "bp", dtype=dtype, device=name)
                for name in ("cpu", device)
            ]
            outputs = [net.forward(x) for net in nets]
            assert relative_error(outputs[1], np.float64(outputs[0])) < TOLERANCE[dtype]
            deltas = [net.deltas(x, y)[0] for net in nets]
            assert relative_error(deltas[1], np.float64(deltas[0])) < TOLERANCE[dtype]
            assert ((deltas[0] == 0) == (deltas[1] == 0)).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kernel", CASES)
def test_each_kernel(kernel, dtype):
    before = kernels_run()
    for device in ORDERS:
        case = CASES[kernel]
        if isinstance(case, str):
            globals()[case](device, dtype)
        else:
            check(replace(case, device=device), dtype)
    assert (kernels_run() - before)[kernel] >= len(ORDERS), "this case doesn't launch its kernel"


def test_every_kernel_has_a_case():
    """All that are defined are launched, under their own names, and each by its case above."""
    found = {
        name
        for path in SOURCES.glob("*.cuh")
        for name in re.findall(r"__global__\s+void\s+(?:__launch_bounds__\([^()]*\)\s+)?(\w+)\(",
                               path.read_text())
    }  # fmt: skip
    count = sum(path.read_text().count("__global__") for path in SOURCES.rglob("*.cu*"))
    assert len(found) == count, "a __global__ function that this test doesn't recognise"
    assert found == set(CASES)
    launches = {
        (name, kernel)
        for path in SOURCES.glob("*.cuh")
        for name, kernel in re.findall(
            r"launch\(\s*\"(\w+)\",.*?\bcuda::(\w+)", path.read_text(), re.S
        )
    }
    assert launches == {(name, name) for name in found}


def check_two_steps(case: Case, n: int, dtype: str, optimizer: fa.SGD):
    """The case's network and the reference after two steps on n examples, weights alike; and x."""
    rng = np.random.default_rng(3)
    net = build(case, dtype, rng)
    ref = reference.of(net)
    x, y = draw_data(case, n, dtype, rng)
    for _ in range(2):
        net.step(x, y, optimizer)
        ref.step(x, y, optimizer)
    for w, expected in zip(net.weights, ref.weights, strict=True):
        assert relative_error(w, expected) < TOLERANCE[dtype]
    return net, ref, x


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_products_large_enough_for_large_tiles(dtype):
    """Forward, B stored and transposed, update: more than 64 tiles of 128 × 128, none of them whole."""
    n_in, units, n_out, n = (3, 1100, 3, 1030) if dtype == "float32" else (3, 600, 3, 530)
    case = plain_case((n_in, units, n_out), rules=("bp",), hidden=("tanh",), device=ORDERS[2])
    for rule in ("bp", "fa"):
        rng = np.random.default_rng(3)
        net = build(replace(case, rules=(rule,)), dtype, rng)
        ref = reference.of(net)
        x, y = draw_data(case, n, dtype, rng)
        for delta, expected in zip(net.deltas(x, y), ref.deltas(x, y), strict=True):
            assert relative_error(delta, expected) < TOLERANCE[dtype]
    case = plain_case((units, n, 2), rules=("bp",), momentum=0.9, device=ORDERS[2])
    check_two_steps(case, 3, dtype, fa.SGD(1e-3, momentum=0.9))


# Images (channels, height, width), and layers of one or a few positions, which need more than a block's
# weights, or its shared memory's inputs or maps.
SHAPES = [
    ((1, 18, 17), Patches(1, 17)),
    ((1, 17, 17), Patches(2, (16, 17))),
    ((3, 3, 2), Patches(254, 2)),
    ((3, 2, 2), Patches(300, 2)),
    ((2, 6, 5), Patches(37, 5)),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", SHAPES)
def test_local_layers_with_many_inputs_or_maps(shape, dtype):
    image, patches = shape
    case = local_case(image, (patches,), 3, rules=("fa",), batch=35, device=ORDERS[2])
    net, ref, x = check_two_steps(case, 35, dtype, fa.SGD(1e-2, momentum=0.9))
    assert relative_error(net.activations(x)[0], ref.activations(x)[0]) < TOLERANCE[dtype]


@pytest.mark.parametrize(
    "rule", ["procedural", "binary", "ternary", "hadamard", "sparse 0.1", "brsf"]
)
def test_b_has_the_bits_of_the_cpus(rule):
    """Drawn or spread on the device, element by element the same number."""
    nets = [
        build(plain_case((4, 41, 37, 3), rules=(rule,), device=device), "float32",
              np.random.default_rng(1))
        for device in ("cpu", *ORDERS)
    ]  # fmt: skip
    for net in nets[1:]:
        for b, expected in zip(net.feedback_matrices, nets[0].feedback_matrices, strict=True):
            np.testing.assert_array_equal(b, expected)


def test_a_hadamard_matrix_too_large_for_shared_memory():
    case = plain_case((2, 2100, 5, 3), rules=("hadamard",), device=ORDERS[1])
    rng = np.random.default_rng(3)
    net = build(case, "float64", rng)
    x, y = draw_data(case, 19, "float64", rng)
    for delta, expected in zip(net.deltas(x, y), reference.of(net).deltas(x, y), strict=True):
        assert relative_error(delta, expected) < TOLERANCE["float64"]
