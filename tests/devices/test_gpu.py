"""On a GPU: every rule and layer as on the CPU, a training, streams side by side, and errors.

Skipped where there is none; bench/gpu.sh runs them where there is one.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import fastfa as fa
import numpy as np
import pytest
from conv_cases import DTYPES, agrees, check_random, examples, lenet
from conv_kernel_cases import check_kernels
from local_cases import Patches, local_case
from parity import check, relative_error
from parity_cases import ALL_RULES, plain_case


def why_not() -> str:
    """Why there is no GPU to run on; empty if there is one."""
    try:
        fa.Network(1, [fa.Dense(1)], device="cuda")
    except fa.DeviceError as error:
        return str(error)
    return ""


REASON = why_not()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(bool(REASON), reason=REASON)]
WELL_POSED = [rule for rule in ALL_RULES if rule not in ("pbp", "pseudoinverse 3")]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", WELL_POSED)
def test_every_rule(rule, dtype):
    case = plain_case((6, 35, 17, 5), rules=(rule,), batch=9, short=4, momentum=0.5)
    check(replace(case, device="cuda"), dtype)


@pytest.mark.parametrize("rule", ["bp", "fa", "usf", "kp"])
def test_locally_connected_layers(rule):
    patches = (Patches(3, (2, 3), stride=(2, 1), padding="same"), Patches(5, 2))
    check(local_case((2, 7, 6), patches, 4, rules=(rule,), batch=35, device="cuda"), "float64")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", ["bp", "fa", "dfa", "usf", "kp"])
def test_convolutions_and_pooling(rule, dtype):
    agrees(lenet(rule, dtype=dtype, device="cuda"), *examples(dtype=dtype))
    for depth in (1, 2, 3):
        check_random(17, depth, dtype, device="cuda")


@pytest.mark.parametrize("dtype", DTYPES)
def test_large_convolutions(dtype):
    """Large tiles, and many parts of the gradient."""
    check_kernels((3, 33, 32), (131, 3), (129, 3), 1, "same", 20, dtype=dtype, device="cuda")
    check_kernels((3, 65, 64), (67, 5), (33, 3), 2, "same", 9, dtype=dtype, device="cuda")


@pytest.mark.parametrize("rule", ["fa", "bp", "dfa"])
def test_wide_layers(rule, rng):
    """Large tiles, and sizes that no tile divides."""
    x, y = rng.standard_normal((1030, 777)), rng.standard_normal((1030, 1100))
    nets = [
        fa.Network(
            777, [fa.Dense(1301, "tanh"), fa.Dense(1100)], rule, device=device, dtype="float64"
        )
        for device in ("cpu", "cuda")
    ]
    for net in nets:
        net.train_epoch(x, y, fa.SGD(1e-3, momentum=0.9), batch_size=515)
    for w, expected in zip(nets[1].weights, nets[0].weights, strict=True):
        assert relative_error(w, expected) < 1e-10


def test_tf32_is_close(rng):
    x, y = rng.standard_normal((300, 200)), rng.standard_normal((300, 100))
    nets = [
        fa.Network(
            200, [fa.Dense(333, "tanh"), fa.Dense(100)], "bp", device="cuda", matmul_precision=p
        )
        for p in ("float32", "tf32")
    ]
    for delta, expected in zip(nets[1].deltas(x, y), nets[0].deltas(x, y), strict=True):
        assert 1e-6 < relative_error(delta, np.float64(expected)) < 2e-3
    for net in nets:
        net.train_epoch(x, y, fa.SGD(0.01), batch_size=75)
    assert relative_error(nets[1].weights[0], np.float64(nets[0].weights[0])) < 1e-3


@pytest.mark.parametrize("library", ["cublas", "fastest"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", [{}, {"momentum": 0.9, "weight_decay": 0.1}, {"adam": True},
    {"other": "nesterov", "momentum": 0.9, "weight_decay": 0.1},
    {"other": "adamw", "weight_decay": 0.1}, {"other": "rmsprop", "weight_decay": 0.1}])  # fmt: skip
def test_products_by_cublas(library, dtype, optimizer):
    pytest.importorskip("cuda.pathfinder")
    for rule in ("bp", "fa", "kp"):
        case = plain_case(
            (6, 35, 170, 5), rules=(rule,), batch=9, short=4, drive="both", **optimizer
        )
        check(replace(case, device="cuda", matmul_library=library), dtype)


def test_cublas_in_tf32_is_close(rng):
    pytest.importorskip("cuda.pathfinder")
    x, y = rng.standard_normal((300, 200)), rng.standard_normal((300, 100))
    layers = [fa.Dense(333, "tanh"), fa.Dense(100)]
    exact = fa.Network(200, layers, "bp").deltas(x, y)[0]
    for precision, low, high in (("float32", 0, 1e-5), ("tf32", 1e-6, 2e-3)):
        net = fa.Network(200, layers, "bp", device="cuda", matmul_precision=precision,
                         matmul_library="cublas")  # fmt: skip
        assert low < relative_error(net.deltas(x, y)[0], np.float64(exact)) < high


def test_a_training_reaches_the_cpus_error():
    digits = fa.data.load("mnist-mini")
    errors = []
    for device in ("cpu", "cuda"):
        layers = [fa.Dense(100, "logistic"), fa.Dense(10, "logistic")]
        feedback = fa.Feedback("uniform", scale=0.2)
        net = fa.Network(784, layers, feedback, loss="cross_entropy", device=device)
        trainer = fa.Trainer(net, fa.SGD(0.5), batch_size=50, epochs=5, progress=False)
        errors.append(trainer.fit(digits.train, test=digits.test).records[-1]["test_error"])
    assert abs(errors[0] - errors[1]) < 0.005


def test_networks_in_several_threads(rng):
    """Each has a stream of its own; each ends where it would have alone."""
    x, y = rng.standard_normal((512, 30)), rng.standard_normal((512, 10))

    def train(seed: int, into: dict) -> None:
        net = fa.Network(30, [fa.Dense(200, "tanh"), fa.Dense(10)], seed=seed, device="cuda")
        net.train_epoch(x, y, fa.SGD(0.01), batch_size=16)
        into[seed] = net.weights[0].copy()

    alone: dict[int, np.ndarray] = {}
    together: dict[int, np.ndarray] = {}
    for seed in range(4):
        train(seed, alone)
    threads = [threading.Thread(target=train, args=(seed, together)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        np.testing.assert_array_equal(together[seed], alone[seed])


def trained(rng, monkeypatch, graphs: str) -> fa.Network:
    monkeypatch.setenv("FASTFA_CUDA_GRAPHS", graphs)
    layers = [fa.Dropout(0.1), fa.Dense(200, "tanh"), fa.Dense(70, "relu"), fa.Dense(10)]
    net = fa.Network(30, layers, "kp", device="cuda")
    x, y = rng.standard_normal((512, 30)), rng.standard_normal((512, 10))
    for optimizer in (fa.SGD(0.01, momentum=0.5), fa.Adam(1e-3)):
        net.train_epoch(x, y, optimizer, batch_size=7)
    return net


def test_an_epoch_as_a_graph_has_the_bits_of_its_steps(monkeypatch):
    nets = [trained(np.random.default_rng(1), monkeypatch, graphs) for graphs in "10"]
    for a, b in zip(nets[0].state_dict().values(), nets[1].state_dict().values(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_divergence_within_a_graph(rng):
    x, y = rng.standard_normal((400, 8)), rng.standard_normal((400, 3))
    x[333, 2] = np.nan
    net = fa.Network(8, [fa.Dense(300, "tanh"), fa.Dense(3)], device="cuda")
    torch = pytest.importorskip("torch")
    there = [torch.from_numpy(part.astype("float32")).cuda() for part in (x, y)]
    with pytest.raises(fa.DivergenceError, match="the input at step 83"):
        net.train_epoch(*there, fa.SGD(0.01), batch_size=4)
    assert all(np.isfinite(w).all() for w in net.weights)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_an_ensemble_learns_as_its_networks_alone(batch_size, rng):
    x, y = rng.standard_normal((200, 30)), rng.standard_normal((200, 10))

    def make(device):
        layers = [fa.Dense(20, "tanh"), fa.Dense(10)]
        return [fa.Network(30, layers, seed=i, dtype="float64", device=device) for i in range(50)]

    nets, alone = make("cuda"), make("cpu")
    fa.Ensemble(nets).train_epoch(x, y, fa.SGD(0.01), batch_size=batch_size)
    for net, other in zip(nets, alone, strict=True):
        other.train_epoch(x, y, fa.SGD(0.01), batch_size=batch_size)
        for w, expected in zip(net.weights, other.weights, strict=True):
            assert relative_error(w, expected) < 1e-11


def test_arrays_of_pytorch_go_in_and_out(rng):
    torch = pytest.importorskip("torch")
    x, y = rng.standard_normal((60, 30)), rng.standard_normal((60, 10))
    nets = [fa.Network(30, [fa.Dense(40, "tanh"), fa.Dense(10)], device="cuda") for _ in range(2)]
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        there = [torch.from_numpy(part.astype("float32")).cuda() for part in (x, y)]
    loss = nets[0].train_epoch(*there, fa.SGD(0.01), batch_size=7)
    assert loss == nets[1].train_epoch(x, y, fa.SGD(0.01), batch_size=7)
    nets[0].use_stream(stream.cuda_stream)
    out = torch.from_dlpack(nets[0].forward(there[0]))
    np.testing.assert_array_equal(out.cpu().numpy(), nets[1].forward(x))
    w = torch.from_dlpack(nets[0].on_device(nets[0].weights[0]))
    w.zero_()
    torch.cuda.synchronize()
    assert not nets[0].weights[0].any()
    with pytest.raises(TypeError, match=r"X was a torch\.Tensor that can't be read"):
        nets[0].forward(there[0].clone().requires_grad_())


def test_arrays_of_cupy_go_in_and_out(rng):
    cupy = pytest.importorskip("cupy")
    x = rng.standard_normal((60, 30)).astype("float32")
    net = fa.Network(30, [fa.Dense(40, "tanh"), fa.Dense(10)], device="cuda")
    with cupy.cuda.Stream(non_blocking=True):
        there = cupy.asarray(x) + 0
    np.testing.assert_array_equal(cupy.asnumpy(cupy.asarray(net.forward(there))), net.forward(x))


def test_a_view_of_cuda_core_goes_in(rng):
    torch, utils = pytest.importorskip("torch"), pytest.importorskip("cuda.core.utils")
    x = rng.standard_normal((60, 30)).astype("float32")
    net = fa.Network(30, [fa.Dense(40, "tanh"), fa.Dense(10)], device="cuda")
    there = torch.from_numpy(x).cuda()
    torch.cuda.synchronize()
    view = utils.StridedMemoryView.from_any_interface(there, stream_ptr=-1)
    np.testing.assert_array_equal(np.asarray(net.forward(view)), net.forward(x))


def test_a_stream_of_cuda_core(rng):
    core = pytest.importorskip("cuda.core")
    device = core.Device()
    device.set_current()
    net = fa.Network(30, [fa.Dense(40, "tanh"), fa.Dense(10)], device="cuda")
    net.use_stream(device.create_stream())
    x, y = rng.standard_normal((60, 30)), rng.standard_normal((60, 10))
    assert np.isfinite(net.train_epoch(x, y, fa.SGD(0.01), batch_size=3))


def test_a_bad_device_leaves_the_process_usable():
    with pytest.raises(fa.DeviceError, match="numbered from 0"):
        fa.Network(3, [fa.Dense(2)], device="cuda:99")
    net = fa.Network(3, [fa.Dense(2)], device="cuda")
    assert np.isfinite(net.forward(np.ones((2, 3)))).all()


def test_too_large_a_network_leaves_the_process_usable():
    net = fa.Network(3, [fa.Dense(2)], device="cuda")
    with pytest.raises(MemoryError, match=r"no memory for 4.* bytes"):
        fa.Network(10**6, [fa.Dense(10**8)], device="cuda")  # 400 TB
    assert np.isfinite(net.forward(np.ones((2, 3)))).all()
    fa.Network(30, [fa.Dense(20)], device="cuda").step(
        np.ones((2, 30)), np.ones((2, 20)), fa.SGD(0.1)
    )


def test_divergence(rng):
    net = fa.Network(8, [fa.Dense(20, "relu"), fa.Dense(3)], device="cuda")
    x, y = rng.standard_normal((400, 8)), rng.standard_normal((400, 3))
    with pytest.raises(fa.DivergenceError):
        net.train_epoch(x, y, fa.SGD(1e6), batch_size=4, order=np.tile(np.arange(400), 100))
    assert all(np.isfinite(w).all() for w in net.weights)
