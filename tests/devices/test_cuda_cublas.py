"""Dense products by cuBLAS: the emulated device has a stand-in with cuBLAS' own functions.

With every activation, loss and optimizer: test_cuda_training.py. With the real one: test_gpu.py.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import replace

import fastfa as fa
import numpy as np
import pytest
from device_arrays import Stream, emulator
from devices import ORDERS, emulated, kernels_run
from local_cases import Patches, local_case
from parity import check, relative_error
from parity_cases import ALL_RULES, build, draw_data, plain_case

pytestmark = emulated
DEVICE = ORDERS[0]
WELL_POSED = [rule for rule in ALL_RULES if rule not in ("pbp", "pseudoinverse 3")]
BATCHES = itertools.cycle([2, 9, 33])
PRODUCTS = ("dense_forward", "propagate", "propagate_transposed", "dense_update")


def with_cublas(case, order=DEVICE):
    return replace(case, device=order, matmul_library="cublas")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", WELL_POSED)
def test_every_rule(rule, dtype):
    before = kernels_run()
    for order, batch in zip(ORDERS, BATCHES, strict=False):
        case = plain_case((6, 35, 17, 5), rules=(rule,), batch=batch, short=batch // 2)
        check(with_cublas(case, order), dtype)
    ran = kernels_run() - before
    assert ran["(cublas)"] > 0
    assert not any(ran[name] for name in PRODUCTS)


@pytest.mark.parametrize("change", [{"bias": (False,)}, {"trainable": (False, True)},
                                    {"density": (0.4,)}, {"sparse": True}])  # fmt: skip
def test_what_else_a_network_may_have(change):
    check(with_cublas(plain_case((9, 37, 5, 4), batch=5, momentum=0.5, **change)), "float64")


def test_local_layers_stay_our_own():
    patches = (Patches(2, 3, padding="same"), Patches(3, (2, 1), stride=2))
    case = local_case((5, 4), patches, 3, rules=("bp",), batch=3)
    check(with_cublas(case), "float64")


@pytest.mark.parametrize("optimizer", [{}, {"momentum": 0.9, "weight_decay": 0.1}, {"adam": True}])
@pytest.mark.parametrize("library", ["cublas", "fastest"])
def test_recorded_steps_are_the_same_bits(library, optimizer, monkeypatch):
    case = replace(
        plain_case((6, 35, 5), batch=5, **optimizer), matmul_library=library, device=DEVICE
    )
    rng = np.random.default_rng(5)
    x, y = draw_data(case, 59, "float32", rng)
    weights = []
    for graphs in ("1", "0"):
        monkeypatch.setenv("FASTFA_CUDA_GRAPHS", graphs)
        net = build(case, "float32", np.random.default_rng(3))
        before = kernels_run()
        for _ in range(2):
            rule = fa.Adam(1e-3) if optimizer.get("adam") else fa.SGD(0.01)
            net.train_epoch(x, y, rule, batch_size=5)
        assert ((kernels_run() - before)["(replay)"] > 0) == (graphs == "1")
        weights.append([np.array(w) for w in net.weights])
    for recorded, one_by_one in zip(*weights, strict=True):
        np.testing.assert_array_equal(recorded, one_by_one)


def test_a_recording_does_not_outlive_the_room_for_the_gradient(rng):
    """With other feedback more layers learn: the largest gradient is then another one."""
    layers = [fa.Dense(40), fa.Dense(8), fa.Dense(4)]
    net = fa.Network(64, layers, "shallow", device=DEVICE, matmul_library="cublas")
    x, y = rng.normal(size=(40, 64)), rng.normal(size=(40, 4))
    plain = fa.SGD(0.01)
    before = kernels_run()
    net.train_epoch(x, y, plain, batch_size=4)
    net.train_epoch(x, y, plain, batch_size=4)
    assert (kernels_run() - before)["(record)"] == 1
    net.set_feedback("fa")
    net.step(x[:4], y[:4], plain)
    net.set_feedback("shallow")
    net.train_epoch(x, y, plain, batch_size=4)
    assert (kernels_run() - before)["(record)"] == 2


@pytest.mark.parametrize(("ticks", "chosen"), [(-(10**9), True), (10**9, False)])
def test_the_faster_one_is_taken(ticks, chosen, rng):
    """Measured once for each shape, by a clock that is told; what is tried out leaves nothing behind."""
    x, y = rng.standard_normal((12, 9)), rng.standard_normal((12, 3))
    layers = [fa.Dense(35, "tanh"), fa.Dense(17, "tanh"), fa.Dense(3)]
    emulator().fastfa_emulated_product_takes(ticks)
    try:
        nets = [
            fa.Network(9, layers, dtype="float64", device=DEVICE, matmul_library=library)
            for library in ("fastfa", "fastest")
        ]
        for optimizer in (fa.SGD(0.1, momentum=0.9), fa.Adam(0.01, weight_decay=0.1)):
            for net in nets:
                net.step(x, y, optimizer)
        for w, expected in zip(nets[1].weights, nets[0].weights, strict=True):
            assert relative_error(w, expected) < 1e-12
        before = kernels_run()
        nets[1].step(x, y, fa.Adam(0.01, weight_decay=0.1))
        ran = kernels_run() - before
        assert (ran["(cublas)"], ran["dense_forward"]) == ((8, 0) if chosen else (0, 3))
    finally:
        emulator().fastfa_emulated_product_takes(1)


def test_tf32_is_asked_for(rng):
    """Of products that are large enough, as of our own."""
    x, y = rng.standard_normal((40, 37)).astype(np.float32), rng.standard_normal((40, 33))
    layers = [fa.Dense(33, "tanh"), fa.Dense(33)]
    deltas = [
        fa.Network(37, layers, "bp", device=DEVICE, matmul_precision="tf32", matmul_library=by)
        .deltas(x, y)[0]
        for by in ("fastfa", "cublas")
    ]  # fmt: skip
    exact = fa.Network(37, layers, "bp").deltas(x, y)[0]
    assert relative_error(deltas[1], np.float64(deltas[0])) < 2e-6
    assert relative_error(deltas[1], np.float64(exact)) > 2e-5


def test_it_follows_the_network_to_another_stream(rng):
    x, y = rng.standard_normal((6, 5)), rng.standard_normal((6, 2))
    nets = [
        fa.Network(5, [fa.Dense(7, "tanh"), fa.Dense(2)], device=DEVICE, matmul_library=by)
        for by in ("cublas", "cublas")
    ]
    stream = Stream()
    for change in (True, False):
        if change:
            nets[1].use_stream(stream)
        for net in nets:
            net.step(x, y, fa.SGD(0.1))
        nets[1].use_stream(None)
    for w, expected in zip(nets[1].weights, nets[0].weights, strict=True):
        np.testing.assert_array_equal(w, expected)


def test_divergence_leaves_the_weights_of_a_whole_step(rng):
    x, y = rng.standard_normal((40, 8)), rng.standard_normal((40, 3))
    found = []
    for library in ("fastfa", "cublas"):
        net = fa.Network(8, [fa.Dense(20, "relu"), fa.Dense(3)], dtype="float64", device=DEVICE,
                         matmul_library=library)  # fmt: skip
        with pytest.raises(fa.DivergenceError) as error:
            net.train_epoch(x, y, fa.SGD(1e6), batch_size=4, order=np.tile(np.arange(40), 10))
        found.append((error.value.layer, error.value.step, [np.array(w) for w in net.weights]))
    assert found[0][:2] == found[1][:2]
    for w, expected in zip(found[1][2], found[0][2], strict=True):
        np.testing.assert_allclose(w, expected, rtol=1e-6)


def test_a_pre_activation_out_of_range_is_found_though_relu_hides_it():
    net = fa.Network(2, [fa.Dense(20, "relu"), fa.Dense(3)], device=DEVICE, matmul_library="cublas")
    net.weights[0][17] = -1e19
    with pytest.raises(fa.DivergenceError, match="layer 0 at step 0: a pre-activation"):
        net.step(np.ones((4, 2)), np.ones((4, 3)), fa.SGD(0.1))
    net.weights[0][17] = 0
    net.step(np.ones((4, 2)), np.ones((4, 3)), fa.SGD(0.1))


def test_it_is_kept_by_checkpoints(tmp_path):
    net = fa.Network(9, [fa.Dense(3)], device=DEVICE, matmul_library="fastest")
    fa.save(tmp_path / "net.fastfa", net)
    assert fa.load(tmp_path / "net.fastfa").matmul_library == "fastest"


def test_it_is_refused_on_the_cpu():
    with pytest.raises(ValueError, match=r"matmul_library was cuBLAS; it must be 'fastfa'"):
        fa.Network(5, [fa.Dense(3)], matmul_library="cublas")


def test_names_that_are_none():
    with pytest.raises(
        ValueError, match=r"matmul_library was 'mkl'; it must be one of fastfa, cub"
    ):
        fa.Network(5, [fa.Dense(3)], matmul_library="mkl")


@pytest.mark.parametrize(
    ("path", "why"), [("/no/such.so", "can't be loaded"), ("libm.so.6", "has no cublasCreate_v2")]
)
def test_what_is_no_cublas(path, why, rng):
    """An error that says so, and a network that still works."""
    net = fa.Network(5, [fa.Dense(3)], device=DEVICE)
    with pytest.raises(fa.DeviceError, match=f"matmul_library isn't to be had: .*{why}"):
        net._net.use_cublas(path, True)
    net.step(rng.standard_normal((6, 5)), rng.standard_normal((6, 3)), fa.SGD(0.1))


@pytest.mark.parametrize("installed", [False, True])
def test_a_machine_without_it(installed, tmp_path):
    """cuda.pathfinder isn't there, or doesn't find it."""
    (tmp_path / "cuda").mkdir()
    if installed:
        (tmp_path / "cuda" / "pathfinder.py").write_text(
            "class DynamicLibNotFoundError(RuntimeError): pass\n"
            "def load_nvidia_dynamic_lib(name):\n    raise DynamicLibNotFoundError(name)\n"
        )
    (tmp_path / "cuda" / "__init__.py").write_text("")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from fastfa import DeviceError\nfrom fastfa.network import _cublas\n"
        "try:\n    _cublas.path('cuda:1')\n"
        "except DeviceError as error:\n    print(error)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    why = "doesn't find it" if installed else "isn't installed"
    assert found.stdout.startswith("[Network] matmul_library was cuBLAS; cuda.pathfinder")
    assert why in found.stdout
    assert "pip install 'fastfa[cublas]'" in found.stdout
