"""PyTorch: shared arrays, and networks as modules and back."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

import contextlib
import tracemalloc

import fastfa as fa
import numpy as np
import pytest
from interop_cases import AGREE, dense_network, difference, image_of, inputs, networks

torch = pytest.importorskip("torch", reason="needs PyTorch")

from fastfa.interop.torch import LocallyConnected2d, from_module, to_module
from torch import nn

torch.set_num_threads(1)  # small products; two teams of threads would fight for the machine

DTYPES = {"float32": torch.float32, "float64": torch.float64}


# ---- arrays --------------------------------------------------------------------------------------


def test_tensors_go_in_without_a_copy(rng):
    net = fa.Network(1000, [fa.Dense(10)], dtype="float32")
    x = torch.from_numpy(rng.standard_normal((4000, 1000)).astype("float32"))  # 16 MB
    net.forward(x[:1])
    tracemalloc.start()
    out = net.forward(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1e6
    np.testing.assert_array_equal(out, net.forward(x.numpy()))


def test_training_on_tensors_is_training_on_arrays(rng):
    x, y = rng.standard_normal((40, 6)).astype("float32"), rng.integers(0, 3, 40)
    results = []
    for data in ((x, y), (torch.from_numpy(x), torch.from_numpy(y))):
        net = fa.Network(6, [fa.Dense(5, "tanh"), fa.Dense(3)])
        fa.Trainer(net, fa.SGD(0.1), epochs=3, batch_size=7, progress=False).fit(data)
        results.append(net.state_dict())
    for name, array in results[0].items():
        np.testing.assert_array_equal(results[1][name], array)


@pytest.mark.parametrize(
    "tensor",
    [torch.ones(2, 3, requires_grad=True), torch.ones(2, 3, dtype=torch.bfloat16)],
    ids=["gradient", "bfloat16"],
)
def test_tensors_that_cannot_be_read_are_refused(tensor):
    with pytest.raises(TypeError, match=r"\[forward\] X was a torch.*must be in main memory"):
        fa.Network(3, [fa.Dense(2)]).forward(tensor)


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_go_out_as_views(dtype, rng):
    net = fa.Network((6, 6), [fa.LocallyConnected2D(2, 3), fa.Dense(5), fa.Dense(3)], dtype=dtype)
    x = rng.standard_normal((4, 36))
    for own in [*net.weights, *net.biases, net.feedback_matrices[1]]:
        tensor = torch.from_dlpack(own)
        assert tensor.data_ptr() == own.ctypes.data
        assert tensor.dtype == DTYPES[dtype]
        tensor.fill_(0.25)
        assert (own == 0.25).all()
    before = net.forward(x)
    tensors = [torch.from_dlpack(w) for w in net.weights]
    net.step(x, rng.random((4, 3)), fa.SGD(0.01))
    assert all((t != 0.25).any() for t in tensors)
    assert torch.from_dlpack(before).data_ptr() == before.ctypes.data
    del net  # the tensors keep the memory
    assert all(torch.isfinite(t).all() for t in tensors)


def test_what_is_computed_on_demand_can_not_be_written_through():
    net = fa.Network(4, [fa.Dense(3), fa.Dense(2)], "bp")
    with contextlib.suppress(BufferError, RuntimeError):  # read-only, which PyTorch may not know
        torch.from_dlpack(net.feedback_matrices[0]).fill_(1.0)
    np.testing.assert_array_equal(net.feedback_matrices[0], net.weights[1].T)


# ---- networks as modules -------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "seed", "dtype"), networks(24))
def test_a_module_computes_what_the_network_does(make, seed, dtype):
    net = make(seed, dtype)
    module = to_module(net)
    for n in (1, 5, 33):
        x = inputs(net, n)
        with torch.no_grad():
            assert difference(module(torch.from_numpy(x)), net.forward(x)) < AGREE[dtype]
            flat = module(torch.from_numpy(x.reshape(n, -1)))
            assert difference(flat, net.forward(x)) < AGREE[dtype]


def described(layer) -> tuple[str, dict]:
    """What a module says of a layer. Where no zeros are needed, "same" is "valid" to PyTorch."""
    forgotten = {"weight_scale", "padding"} if type(layer) is fa.Conv2D else {"weight_scale"}
    return type(layer).__name__, {k: v for k, v in vars(layer).items() if k not in forgotten}


@pytest.mark.parametrize(("make", "seed", "dtype"), networks(24))
def test_there_and_back(make, seed, dtype):
    net = make(seed, dtype)
    module = to_module(net)
    given = net.input_shape if len(net.input_shape) > 1 else net.input_size
    other = from_module(module, input=given, loss=net.loss, seed=seed)
    assert other.input_shape == net.input_shape
    assert other.pooling == net.pooling
    assert [described(layer) for layer in other.layers] == [described(each) for each in net.layers]
    assert other.dropout == net.dropout
    x = inputs(net, 9)
    np.testing.assert_array_equal(other.forward(x), net.forward(x))
    if make is not dense_network:
        told = from_module(module, loss=net.loss)
        assert told.input_shape in (net.input_shape, image_of(net))
        np.testing.assert_array_equal(told.forward(x.reshape(9, -1)), net.forward(x))


def test_an_image_above_which_there_is_a_dense_layer():
    net = fa.Network((2, 3, 4), [fa.Dense(5)])
    module = to_module(net)
    assert from_module(module).input_shape == (24,)
    other = from_module(module, input=(2, 3, 4))
    x = inputs(net, 3)
    np.testing.assert_array_equal(other.forward(x), net.forward(x))


def test_shared_parameters_train_the_network():
    net = dense_network(4, "float32")
    module = to_module(net, share=True)
    x = torch.from_numpy(inputs(net, 20))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    before = net.forward(x)
    for _ in range(3):
        optimizer.zero_grad()
        module(x).square().sum().backward()
        optimizer.step()
    assert difference(module(x).detach(), net.forward(x)) < AGREE["float32"]
    assert difference(net.forward(x), before) > 1e-3
    assert all(any(p.data_ptr() == w.ctypes.data for p in module.parameters()) for w in net.weights)


def test_dropout_and_frozen_layers_travel():
    layers = [fa.Dense(200, "relu", trainable=False), fa.Dropout(0.5), fa.Dense(2)]
    module = to_module(fa.Network(10, layers))
    x = torch.ones(3, 10)
    assert torch.equal(module(x), module(x))
    module.train()
    assert not torch.equal(module(x), module(x))
    assert [p.requires_grad for p in module.parameters()] == [False, False, True, True]
    assert [layer.trainable for layer in from_module(module).layers] == [False, True]


def test_a_local_module_can_be_used_and_read_by_itself(rng):
    layer = LocallyConnected2d((2, 7, 6), 3, (3, 2), stride=2, padding="same", dtype=torch.float64)
    x = torch.from_numpy(rng.standard_normal((4, 2, 7, 6)))
    assert layer(x).shape == (4, 3, 4, 3)
    net = from_module(nn.Sequential(layer, nn.Tanh()))
    assert difference(torch.tanh(layer(x)).flatten(1).detach(), net.forward(x)) < 1e-14
    assert torch.autograd.gradcheck(layer, (x.requires_grad_(),))
    assert "LocallyConnected2D(maps=3" in repr(layer)


@pytest.mark.parametrize(
    ("module", "error", "message"),
    [
        (
            nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Mish())),
            TypeError,
            r"module\[1\]\[0\] was",
        ),
        (nn.Sequential(nn.Tanh(), nn.Linear(3, 4)), ValueError, r"module\[0\] was Tanh"),
        (nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.ReLU()), ValueError, r"module\[2\] was ReLU"),
        (
            nn.Sequential(nn.Linear(3, 4), nn.ELU(0.5)),
            ValueError,
            r"module\[1\]\.alpha was 0.5; it must be 1",
        ),
        (nn.Sequential(nn.Linear(3, 4), nn.Softmax(dim=0)), ValueError, r"dim was 0"),
        (
            nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2)),
            ValueError,
            r"layer 1's weight has shape",
        ),
        (nn.Linear(3, 4).half(), TypeError, "float16"),
        (nn.Sequential(nn.Flatten()), ValueError, "a layer with weights"),
        (nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5)), ValueError, "Dropout above the output"),
        ("linear", TypeError, "must be a torch.nn.Module"),
    ],
)
def test_modules_that_fastfa_has_not(module, error, message):
    with pytest.raises(error, match=message):
        from_module(module)


def test_weights_that_are_not_finite_are_refused():
    module = nn.Linear(3, 4)
    module.weight.data[1, 2] = torch.nan
    with pytest.raises(ValueError, match=r"layer 0's weight has nan at \[1, 2\]"):
        from_module(module)
