"""Convolutions and pooling in PyTorch, JAX and ONNX: other people's modules, gradients, and refusals."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from interop_cases import difference

SHAPE = (2, 9, 8)


def picture(feedback="fa", **options) -> fa.Network:
    layers = [
        fa.Conv2D(4, (3, 2), padding="same", stride=(2, 1), activation="tanh"),
        fa.MaxPool2D(2, 1),
        fa.AvgPool2D(2),
        fa.Dense(6, "tanh"),
        fa.Dense(3),
    ]
    return fa.Network(SHAPE, layers, feedback, seed=4, dtype="float64", **options)


@pytest.fixture
def batch(rng):
    return rng.standard_normal((17, *SHAPE)), rng.standard_normal((17, 3))


# ---- PyTorch -------------------------------------------------------------------------------------


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    torch.set_num_threads(1)
    return torch


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("seed", range(40))
def test_a_convolution_of_pytorchs_is_ours_or_refused(torch, seed):
    """Sizes, strides and zeros of all sorts, on each side."""
    from fastfa.interop.torch import from_module

    rng = np.random.default_rng(seed)
    size = rng.integers(5, 12, 2)
    kernel, stride = rng.integers(1, 6, 2), rng.integers(1, 4, 2)
    form = ("none", "same", "around", "before")[seed % 4]
    stride = np.ones(2, int) if form == "same" else stride
    padding = {"none": 0, "same": "same", "around": (int(kernel[0] // 2), int(kernel[1] // 2))}
    conv = torch.nn.Conv2d(
        2, 3, tuple(kernel.tolist()), tuple(stride.tolist()), padding.get(form, 0)
    ).double()
    parts = [conv, torch.nn.ELU()]
    if form == "before":
        left, top = ((kernel - 1) // 2).tolist()[::-1]
        right, bottom = (kernel // 2).tolist()[::-1]
        parts.insert(0, torch.nn.ZeroPad2d((left, right, top, bottom)))
    module = torch.nn.Sequential(*parts)
    x = torch.from_numpy(rng.standard_normal((4, 2, *size)))
    expected = module(x).detach().flatten(1)
    refused = ""
    try:
        net = from_module(module, input=(2, *size.tolist()))
    except ValueError as error:
        refused = str(error)
    if refused:
        assert form in ("around", "before")  # "none" and "same" are always ours
        assert max(stride) > 1 or min(kernel % 2) == 0
        assert "zeros before its image of" in refused
        return
    assert difference(net.forward(x.numpy()), expected) < 1e-14


def test_some_paddings_of_each_kind_are_taken(torch):
    from fastfa.interop.torch import from_module

    nn = torch.nn
    taken = {
        "valid": nn.Conv2d(1, 2, 3, padding="valid"),
        "same": nn.Conv2d(1, 2, (2, 5), padding="same"),
        "number": nn.Conv2d(1, 2, 3, padding=1),
        "stride": nn.Conv2d(1, 2, 3, stride=2, padding=1),  # of 9 rows: as many as "same" has
        "zeros": nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(1, 2, 2)),
    }
    kinds = {name: from_module(m, input=(1, 9, 9)).layers[0].padding for name, m in taken.items()}
    assert kinds == {n: "valid" if n == "valid" else "same" for n in taken}


def test_a_model_as_people_write_it(torch, rng):
    from fastfa.interop.torch import from_module

    nn = torch.nn
    module = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2, 1)),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(8 * 5 * 4, 10),
    ).eval()
    net = from_module(module, input=(3, 12, 10), feedback="dfa")
    x = rng.standard_normal((5, 3, 12, 10)).astype("float32")
    assert difference(module(torch.from_numpy(x)).detach(), net.forward(x)) < 1e-6
    assert net.pooling == ((), (fa.MaxPool2D(2),), (fa.AvgPool2D(2, 1),), ())
    assert net.dropout == (0, 0, 0.5, 0)


def test_a_module_of_a_convolution_is_pytorchs_own(torch):
    from fastfa.interop.torch import to_module

    kinds = [type(module).__name__ for module in to_module(picture())]
    assert kinds == [
        *("Flatten", "Unflatten", "ZeroPad2d", "Conv2d", "Tanh", "MaxPool2d", "AvgPool2d"),
        *("Flatten", "Linear", "Tanh", "Linear"),
    ]
    even = fa.Network((3, 8, 8), [fa.Conv2D(4, 3, padding="same"), fa.Dense(2)])
    assert to_module(even)[2].padding == (1, 1)


def test_pytorchs_gradients_are_our_feedback(torch, batch):
    from fastfa.interop.torch import to_module

    for rule in ("bp", "fa", "usf"):
        net = picture(rule)
        module = to_module(net, feedback=True)
        x, y = (torch.from_numpy(each) for each in batch)
        ((module(x) - y) ** 2).sum().div(2).backward()
        before = [w.copy() for w in (*net.weights, *net.biases)]
        net.step(*batch, fa.SGD(0.01, reduction="sum"))
        after = [*net.weights, *net.biases]
        own = [m for m in module if hasattr(m, "weight")]
        grads = [*(m.weight.grad for m in own), *(m.bias.grad for m in own)]
        for was, now, grad in zip(before, after, grads, strict=True):
            assert difference((was - now) / 0.01, grad) < 1e-11


def test_shared_weights_of_a_convolution_are_the_networks(torch, batch):
    from fastfa.interop.torch import to_module

    net = picture()
    module = to_module(net, share=True)
    x = torch.from_numpy(batch[0])
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    before = net.weights[0].copy()
    module(x).square().sum().backward()
    optimizer.step()
    assert difference(module(x).detach(), net.forward(batch[0])) < 1e-14
    assert (net.weights[0] != before).all()


@pytest.mark.parametrize("activation", ["ReLU", "Tanh", "LeakyReLU", "Hardtanh"])
def test_an_activation_may_stand_above_max_pooling(torch, activation, rng):
    """As in most LeNets: outputs and the gradients of backprop are PyTorch's."""
    from fastfa.interop.torch import from_module

    nn, sigma = torch.nn, getattr(torch.nn, activation)
    torch.manual_seed(0)
    module = nn.Sequential(
        *(nn.Conv2d(2, 5, 3), nn.MaxPool2d(2), sigma(), nn.Conv2d(5, 4, 2), nn.MaxPool2d(2, 1)),
        *(nn.MaxPool2d(1), sigma(), nn.Flatten(), nn.LazyLinear(3)),
    ).double()
    x, y = rng.standard_normal((6, 2, 9, 8)), rng.standard_normal((6, 3))
    out = module(torch.from_numpy(x))
    net = from_module(module, input=(2, 9, 8), feedback="bp")
    flat = x.reshape(6, -1)
    assert difference(net.forward(flat), out.detach().numpy()) < 1e-12
    before = [np.array(w) for w in net.weights]
    net.step(flat, y, fa.SGD(1.0))
    (0.5 * ((torch.from_numpy(y) - out) ** 2).sum(1).mean()).backward()
    gradients = [part.weight.grad.numpy() for part in module if hasattr(part, "weight")]
    for w, old, gradient in zip(net.weights, before, gradients, strict=True):
        assert difference(old - w, gradient) < 1e-10


def refusals(nn):
    conv, dense = nn.Conv2d(2, 3, 3), nn.Linear(3 * 7 * 6, 2)
    return [
        ([conv, nn.Flatten(), dense], None, "input was None; it must be (C, H, W), for module[0]"),
        ([nn.MaxPool2d(2), nn.Flatten(), dense], None, "input was None"),
        ([nn.Conv2d(2, 3, 3, dilation=2)], SHAPE, "module[0].dilation was (2, 2); it must be 1"),
        ([nn.Conv2d(2, 4, 3, groups=2)], SHAPE, "module[0].groups was 2; it must be 1"),
        (
            [nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect")],
            SHAPE,
            "padding_mode was 'reflect'; it must be 'zeros'",
        ),
        ([conv, nn.MaxPool2d(3, padding=1)], SHAPE, "module[1].padding was 1; it must be 0"),
        ([conv, nn.AvgPool2d(2, ceil_mode=True)], SHAPE, "ceil_mode was True; it must be False"),
        ([conv, nn.AvgPool2d(2, divisor_override=3)], SHAPE, "divisor_override was 3"),
        ([conv, nn.MaxPool2d(2, dilation=2)], SHAPE, "module[1].dilation was 2; it must be 1"),
        ([conv, nn.AvgPool2d(2), nn.ReLU()], SHAPE, "an activation must follow a layer with w"),
        ([conv, nn.MaxPool2d(2), nn.GELU()], SHAPE, "or, if it never falls, max pooling above one"),
        ([nn.MaxPool2d(2), nn.ReLU()], SHAPE, "an activation must follow a layer with w"),
        ([conv, nn.Softmax(dim=1)], SHAPE, "of images; a Flatten must stand below it"),
        ([nn.ZeroPad2d(1), nn.MaxPool2d(2)], SHAPE, "a Conv2d must follow a ZeroPad2d"),
        (
            [nn.Conv2d(2, 3, 3, stride=2, padding=1)],
            (2, 8, 8),
            "module[0] has (1, 1) zeros before its image of (8, 8) and (1, 1) behind it; there must "
            "be none, or as many as fastfa's 'same' has, (0, 0) and (1, 1)",
        ),
        ([nn.Conv2d(2, 3, 10)], SHAPE, "kernel_size was (10, 10)"),
        ([nn.Conv2d(5, 3, 3)], SHAPE, "layer 0's weight has shape (3, 5, 3, 3)"),
        ([nn.Linear(4, 6), nn.Conv2d(1, 2, 2)], None, "Conv2D above something of shape (6,)"),
        ([nn.Linear(4, 6), nn.Unflatten(1, (1, 2, 3))], None, "module[1] was Unflatten"),
        ([nn.Unflatten(1, (2, 9, 9)), conv], SHAPE, "module[0] was Unflatten"),
        ([conv, nn.AdaptiveAvgPool2d(1)], SHAPE, "module[1] was AdaptiveAvgPool2d"),
    ]


@pytest.mark.parametrize("number", range(21))
def test_what_fastfa_has_not_is_named(torch, number):
    from fastfa.interop.torch import from_module

    parts, shape, words = refusals(torch.nn)[number]
    with pytest.raises((ValueError, TypeError)) as caught:
        from_module(torch.nn.Sequential(*parts), input=shape)
    assert words in str(caught.value)


def test_no_module_sends_feedback_through_a_convolution(torch):
    from fastfa.interop.torch import to_module

    net = fa.Network(SHAPE, [fa.Conv2D(2, 3), fa.Conv2D(2, 3), fa.Dense(2)])
    with pytest.raises(ValueError, match=r"feedback was True for layers\[1\], a Conv2D above"):
        to_module(net, feedback=True)


# ---- JAX -----------------------------------------------------------------------------------------


def test_jaxs_gradients_are_our_feedback(batch):
    jax = pytest.importorskip("jax", reason="needs JAX")
    from fastfa.interop.jax import load_parameters, to_function

    with jax.enable_x64(True):
        for rule in ("bp", "fa", "usf"):
            net = picture(rule)
            apply, params = to_function(net, feedback=True)
            half = jax.jit(
                jax.grad(lambda p, x, y, apply=apply: ((y - apply(p, x)) ** 2).sum() / 2)
            )
            learned = jax.tree.map(lambda p, g: p - 0.01 * g, params, half(params, *batch))
            net.step(*batch, fa.SGD(0.01, reduction="sum"))
            for values, w, b in zip(learned, net.weights, net.biases, strict=True):
                assert difference(values["W"], w) < 1e-13
                assert difference(values["b"], b) < 1e-13
            other = picture(rule)
            load_parameters(other, learned)
            assert difference(other.forward(batch[0]), net.forward(batch[0])) < 1e-12


def test_no_function_of_jaxs_sends_feedback_through_a_convolution():
    pytest.importorskip("jax", reason="needs JAX")
    from fastfa.interop.jax import to_function

    net = fa.Network(SHAPE, [fa.Conv2D(2, 3), fa.Conv2D(2, 3), fa.Dense(2)])
    with pytest.raises(ValueError, match=r"for layers\[1\], a Conv2D above a layer with weights"):
        to_function(net, feedback=True)


# ---- ONNX ----------------------------------------------------------------------------------------


def test_a_model_of_convolutions_is_as_short_as_it_can_be():
    pytest.importorskip("onnx", reason="needs the onnx package")
    from fastfa.interop.onnx import to_model

    layers = [
        fa.Conv2D(4, 3, padding="same", activation="relu"),
        fa.MaxPool2D(2),
        fa.Conv2D(5, 3, activation="tanh"),
        fa.AvgPool2D(2),
        fa.Dense(3, "softmax"),
    ]
    net = fa.Network((2, 12, 10), layers, loss="cross_entropy", dtype="float32")
    assert [node.op_type for node in to_model(net).graph.node] == [
        *("Conv", "Relu", "MaxPool", "Conv", "Tanh", "AveragePool", "Flatten", "Gemm", "Softmax"),
        "Identity",
    ]
