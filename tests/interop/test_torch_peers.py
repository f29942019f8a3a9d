"""Converted models beside others that compute the same: autograd, fastfa's core, BioTorch."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

import copy
import math

import fastfa as fa
import numpy as np
import pytest
from interop_cases import difference

torch = pytest.importorskip("torch", reason="needs PyTorch")

from fastfa.interop.torch import LocallyConnected2d, alignment, convert, targets, to_module
from torch import nn
from torch.nn import functional as F
from torch_trees import FROM_OUTPUT, LAYERWISE, random_tree

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")


def gradients(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    loss = (model(x) ** 2).sum()
    return list(torch.autograd.grad(loss, list(model.parameters())))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(25))
def test_backprop_changes_no_gradient_bit(seed, dtype):
    model, x = random_tree(np.random.default_rng([seed, 72]))
    model, given = model.to(dtype), torch.from_numpy(x).to(dtype)
    ours = convert(copy.deepcopy(model), "bp")
    for own, true in zip(gradients(ours, given), gradients(model, given), strict=True):
        assert torch.equal(own, true)


@pytest.mark.parametrize("seed", range(25))
def test_the_layer_before_the_output_learns_as_with_autograd_to_the_bit(seed):
    model, x = random_tree(np.random.default_rng([seed, 73]))
    given = torch.from_numpy(x)
    ours = convert(copy.deepcopy(model), "fa")
    last = list(model[-1].parameters())
    for layer, other in zip((ours[-1], model[-1]), (model[-1], ours[-1]), strict=True):
        assert type(layer) is not type(other)
    true = gradients(model, given)[-len(last) :]
    own = [p for n, p in ours.named_parameters() if n.startswith(f"{len(ours) - 1}.")]
    found = torch.autograd.grad((ours(given) ** 2).sum(), own)
    for one, other in zip(found, true, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-14, atol=1e-14)


# ---- fastfa's core -------------------------------------------------------------------------------

WIDTHS = (12, 9, 14, 7, 5)
NAMES = ("tanh", "logistic", "leaky_relu", "linear")


def without_slopes(rule: fa.Feedback) -> fa.Feedback:
    """As a layer of PyTorch's scales B, which doesn't know the units below."""
    if not isinstance(rule.scale, str):
        return rule
    return rule._changed(scale="equal_before_slope")


def dense_chain(rule, seed: int) -> fa.Network:
    layers = [fa.Dense(n, a) for n, a in zip(WIDTHS[1:], NAMES, strict=True)]
    return fa.Network(WIDTHS[0], layers, rule, seed=seed, dtype="float64")


def local_chain(rule, seed: int) -> fa.Network:
    layers = [
        fa.LocallyConnected2D(3, 3, activation="tanh"),
        fa.LocallyConnected2D(2, (2, 3), stride=2, padding="same", activation="logistic"),
        fa.LocallyConnected2D(2, 2, activation="tanh"),
        fa.Dense(6, "tanh"),
        fa.Dense(4),
    ]
    return fa.Network((2, 8, 7), layers, rule, seed=seed, dtype="float64")


CHAINS = {"dense": dense_chain, "local": local_chain}
PLASTIC = ("kp", "kp normal", "direct kp", "wm")


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("name", [*LAYERWISE, "pbp", *FROM_OUTPUT])
def test_chains_learn_as_the_core_does(chain, name, rng):
    """Weights and B after five steps: all from the seed, nothing carried over but the first weights."""
    if chain == "local" and name == "pbp":
        pytest.skip("the core has no pseudoinverse of a local layer")
    if chain == "local" and name in ("brsf", "wm"):
        pytest.skip("the core draws those of a local layer in another order, or has none")
    rule = without_slopes({**LAYERWISE, **FROM_OUTPUT, "pbp": fa.PRESETS["pbp"]}[name])
    net = CHAINS[chain](rule, 5)
    model = to_module(net).train()
    weighted = [m for m in model if isinstance(m, nn.Linear | LocallyConnected2d)]
    top = next(n for n, m in model.named_modules() if m is weighted[-1])
    x = rng.standard_normal((7, *net.input_shape))
    example = torch.from_numpy(x[:2])
    routed = {} if rule.route == "layerwise" else {"example": example, "output": top}
    convert(model, rule, seed=5, **routed)
    if name == "wm":  # the noise is not the core's: B is compared while it stands still
        for layer, b in zip(weighted[1:], net.feedback_matrices, strict=True):
            assert difference(layer.feedback_matrix, b) < 1e-12
        return
    learned = [p for p in model.parameters() if p.dim() > 1 or not p.requires_grad]
    optimizer = torch.optim.SGD(
        [
            {"params": [p for n, p in model.named_parameters() if not n.endswith("bias")]},
            {
                "params": [p for n, p in model.named_parameters() if n.endswith("bias")],
                "weight_decay": 0,
            },
        ],
        lr=0.05,
        momentum=0.5,
        weight_decay=0.01,
    )
    own = fa.SGD(0.05, momentum=0.5, weight_decay=0.01, reduction="sum")
    assert learned
    for _ in range(5):
        x, y = rng.standard_normal((7, *net.input_shape)), rng.standard_normal((7, net.output_size))
        optimizer.zero_grad()
        out, given = torch.from_numpy(x), torch.from_numpy(y)
        loss = ((given - model(out)) ** 2).sum() / 2
        if rule.route == "target":
            with targets(model, given, reduction="sum"):
                loss.backward()
        else:
            loss.backward()
        if rule.matrix == "zero":  # the core leaves what is sent nothing as it is
            for layer in weighted[:-1]:
                layer.weight.grad = layer.bias.grad = None
        optimizer.step()
        net.step(x, y, own)
    for layer, w, b in zip(weighted, net.weights, net.biases, strict=True):
        assert difference(layer.weight.detach().reshape(w.shape), w) < 1e-10
        assert difference(layer.bias.detach().reshape(b.shape), b) < 1e-10
    if name in PLASTIC:
        for layer, b in zip(weighted[1:], net.feedback_matrices, strict=True):
            found = layer.feedback_matrix.detach().numpy()
            if isinstance(layer, LocallyConnected2d) and found.ndim > 2:
                continue  # laid out as W here, as a full matrix there; its effect is in the weights
            assert difference(found, b) < 1e-10


@pytest.mark.parametrize("name", ["fa", "usf", "frsf", "shallow", "bp", "dfa", "normal"])
def test_alignment_of_a_chain_is_the_cores(name, rng):
    rule = without_slopes({**LAYERWISE, **FROM_OUTPUT}[name])
    net = dense_chain(rule, 3)
    model = to_module(net).train()
    routed = {} if rule.route == "layerwise" else {"example": torch.zeros(1, 12).double()}
    convert(model, rule, seed=3, **routed)
    x, y = rng.standard_normal((11, 12)), rng.standard_normal((11, 5))
    before = copy.deepcopy(model.state_dict())
    found = alignment(
        model, lambda o, t: ((o - t) ** 2).sum() / 2, torch.from_numpy(x), torch.from_numpy(y)
    )
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])
    assert all(p.grad is None for p in model.parameters())
    found = list(found.values())
    for i, own in enumerate(fa.metrics.alignment(net, x, y)):
        of_deltas = ("angle_bp", "angle_bp_sd", "angle_bp_layer", "norm_ratio", "gradient_angle")
        for key in (*of_deltas, "angle_pbp", "angle_pbp_sd"):
            same(getattr(found[i], key), getattr(own, key), key)
        if rule.route == "layerwise" and rule.matrix != "zero":  # B is the layer's above
            of_b = ("weight_angle", "trace_bw", "descent", "descent_positive", "trace_abe")
            for key in (*of_b, "neuron_angles"):
                same(getattr(found[i + 1], key), getattr(own, key), key)
    assert found[-1].angle_bp < 1e-5  # the output's error is the true one


def same(found, expected, key: str) -> None:
    bound = 3e-6 if "angle" in key else 1e-10  # arccos near 1 loses half of the digits
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=bound, err_msg=key)


# ---- BioTorch ------------------------------------------------------------------------------------

OURS = {"fa": "fa", "usf": "usf", "frsf": "frsf", "brsf": "brsf"}


def biotorch_pair(mode: str, kind: str):
    """(their layer, ours with their B, an input)."""
    layers = pytest.importorskip("biotorch.layers.fa_constructor", reason="needs BioTorch")
    torch.manual_seed(3)
    options = {
        "type": mode,
        "options": {"constrain_weights": False, "gradient_clip": False, "init": "xavier"},
    }
    if kind == "Linear":
        theirs, x = layers.Linear(7, 5, layer_config=options), torch.randn(4, 7)
        plain: nn.Module = nn.Linear(7, 5)
    else:
        given = {"stride": 2, "padding": 1, "dilation": 1, "groups": 2}
        theirs, x = layers.Conv2d(4, 6, 3, **given, layer_config=options), torch.randn(3, 4, 8, 7)
        plain = nn.Conv2d(4, 6, 3, **given)
    plain.load_state_dict({k: v for k, v in theirs.state_dict().items() if "backward" not in k})
    return theirs, plain, x


@pytest.mark.parametrize("kind", ["Linear", "Conv2d"])
@pytest.mark.parametrize("mode", OURS)
def test_gradients_are_biotorchs_with_its_b(mode, kind):
    theirs, plain, x = biotorch_pair(mode, kind)
    x = x.requires_grad_()
    out = theirs(x)
    grad = torch.randn_like(out)
    out.backward(grad)
    expected = [x.grad.clone(), theirs.weight.grad, theirs.bias.grad]
    b = theirs.weight_backward.detach()  # as of the forward pass
    rule = "fa" if mode in ("fa", "brsf") else OURS[mode]
    if mode == "usf":
        rule = fa.Feedback("sign", scale=float(theirs.scaling_factor))
    ours = convert(plain, rule)
    with torch.no_grad():
        if mode != "usf":  # of frsf the sizes, of brsf what it drew
            ours.feedback_matrix.copy_(b.T if kind == "Linear" else b)
    x.grad = None
    ours(x).backward(grad)
    for own, other in zip([x.grad, ours.weight.grad, ours.bias.grad], expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)
    assert abs(x.grad).max() > 0.01


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_direct_feedback_is_biotorchs_with_its_b(rng):
    """Their B of a convolution is a kernel that sees the error in each pixel: a patterned matrix."""
    dfa = pytest.importorskip("biotorch.layers.dfa", reason="needs BioTorch")
    torch.manual_seed(4)
    conv = dfa.Conv2d(2, 10, 10, 3, padding=1, layer_config={"type": "dfa"})
    linear = dfa.Linear(160, 10, 10, layer_config={"type": "dfa"})
    first = nn.Conv2d(1, 2, 3, padding=1)
    theirs = nn.Sequential(first, nn.Tanh(), conv, nn.Tanh(), nn.Flatten(), linear)
    ours = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1),
        nn.Tanh(),
        nn.Conv2d(2, 10, 3, padding=1),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(160, 10),
    )
    state = {k: v for k, v in theirs.state_dict().items() if "backward" not in k}
    ours.load_state_dict(state)
    x, y = torch.randn(5, 1, 4, 4), torch.randint(10, (5,))
    out = theirs(x)
    loss = F.cross_entropy(out, y)
    error = torch.autograd.grad(loss, out, retain_graph=True)[0]
    for layer in (conv, linear):
        layer.loss_gradient = error
    loss.backward()

    convert(ours, "dfa", example=x[:1])
    with torch.no_grad():
        ours[5].feedback_matrix.copy_(linear.weight_backward.T)
        unit = torch.eye(10)[:, :, None, None].expand(10, 10, 4, 4)
        sent = torch.nn.grad.conv2d_input((10, 2, 4, 4), conv.weight_backward, unit, padding=1)
        ours[2].feedback_matrix.copy_(sent.reshape(10, -1).T)
    F.cross_entropy(ours(x), y).backward()
    for own, other in zip(ours, theirs, strict=True):
        if hasattr(own, "weight"):
            torch.testing.assert_close(own.weight.grad, other.weight.grad, rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(own.bias.grad, other.bias.grad, rtol=1e-4, atol=1e-6)
    assert math.isfinite(float(ours[0].weight.grad.norm()))


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("mode", ["fa", "usf", "frsf"])
def test_the_cores_convolutions_learn_as_biotorchs_with_the_same_b(mode, rng):
    made = pytest.importorskip("biotorch.layers.fa_constructor", reason="needs BioTorch")
    scale = 0.3
    rule = fa.Feedback("sign", scale=scale) if mode == "usf" else mode
    layers = [fa.Conv2D(5, 3, activation="tanh"), fa.Conv2D(4, 2, activation="tanh"), fa.Dense(3)]
    net = fa.Network((2, 7, 6), layers, rule, seed=8, dtype="float64")
    options = {"constrain_weights": False, "gradient_clip": False, "init": "xavier"}
    config = {"type": mode, "options": options}
    theirs = [
        made.Conv2d(2, 5, 3, layer_config=config),
        made.Conv2d(5, 4, 2, layer_config=config),
        made.Linear(48, 3, layer_config=config),
    ]
    for i, (layer, w, b) in enumerate(zip(theirs, net.weights, net.biases, strict=True)):
        layer.double()
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(w))
            layer.bias.copy_(torch.from_numpy(b).reshape(layer.bias.shape))
            if i == 0:
                continue
            if mode == "usf":
                layer.scaling_factor = scale
            else:  # of frsf the sizes
                kernel = _as_weights(net, i - 1, w.shape)
                own = np.array(kernel if mode == "fa" else abs(kernel))
                layer.weight_backward.copy_(torch.from_numpy(own))
    model = nn.Sequential(theirs[0], nn.Tanh(), theirs[1], nn.Tanh(), nn.Flatten(), theirs[2])
    x, y = rng.standard_normal((6, 2, 7, 6)), rng.standard_normal((6, 3))
    before = [np.array(w) for w in net.weights]
    net.step(x.reshape(6, -1), y, fa.SGD(1.0))
    (0.5 * ((torch.from_numpy(y) - model(torch.from_numpy(x))) ** 2).sum(1).mean()).backward()
    for layer, w, old in zip(theirs, net.weights, before, strict=True):
        assert difference(layer.weight.grad.numpy(), old - w) < 1e-10


def _as_weights(net: fa.Network, hidden: int, shape: tuple[int, ...]) -> np.ndarray:
    """A layerwise B by the weights' places: what reaches inputs from units of the layer above."""
    b = net.feedback_matrices[hidden]  # (n_l, n_source)
    if len(shape) == 2:
        return b.T
    maps, channels, height, width = shape
    rows, cols = net.shapes[hidden + 1][1:]
    whole = b.reshape(channels, rows, cols, maps, *net.shapes[hidden + 2][1:])
    return whole[:, :height, :width, :, 0, 0].transpose(3, 0, 1, 2)
