"""Our feedback in PyTorch's backward pass."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

from itertools import pairwise

import fastfa as fa
import numpy as np
import pytest
from interop_cases import difference, local_network

torch = pytest.importorskip("torch", reason="needs PyTorch")

from fastfa.interop.torch import FeedbackLinear, to_module
from torch import nn

torch.set_num_threads(1)  # small products; two teams of threads would fight for the machine

DTYPES = {"float32": torch.float32, "float64": torch.float64}
WIDTHS = (12, 9, 14, 7, 5)
RULES = {
    "bp": fa.PRESETS["bp"],
    "pbp": fa.PRESETS["pbp"],
    "shallow": fa.PRESETS["shallow"],
    "usf": fa.PRESETS["usf"],
    "usf scaled": fa.Feedback("sign", scale=0.3),
    "frsf": fa.PRESETS["frsf"],
    "frsf scaled": fa.Feedback("sign", magnitude="fixed", scale=0.3),
    "brsf": fa.PRESETS["brsf"],
    "uniform": fa.PRESETS["fa"],
    "uniform scaled": fa.Feedback("uniform", scale=0.2),
    "uniform gain": fa.Feedback("uniform", gain=0.7),
    "normal": fa.Feedback("normal"),
    "orthogonal": fa.Feedback("orthogonal"),
    "sparse": fa.Feedback("sparse", density=0.3),
    "low_rank": fa.Feedback("low_rank", rank=2),
    "binary": fa.Feedback("binary"),
    "ternary": fa.Feedback("ternary"),
    "hadamard": fa.Feedback("hadamard"),
    "procedural": fa.Feedback("procedural"),
}


def network(rule, dtype="float64", seed=3) -> fa.Network:
    names = ("tanh", "logistic", "leaky_relu", "linear")
    layers = [fa.Dense(n, a) for n, a in zip(WIDTHS[1:], names, strict=True)]
    return fa.Network(WIDTHS[0], layers, rule, seed=seed, dtype=dtype)


def by_hand(net: fa.Network, rule) -> nn.Sequential:
    """The same from a user's hands: only the seed says which matrices there are."""
    dtype = DTYPES[net.dtype.name]
    modules: list[nn.Module] = [nn.Linear(*WIDTHS[:2], dtype=dtype)]
    for i, activation in enumerate((nn.Tanh(), nn.Sigmoid(), nn.LeakyReLU(0.05))):
        modules += [
            activation,
            FeedbackLinear(
                *WIDTHS[i + 1 : i + 3],
                feedback=rule,
                seed=net.seed,
                layer=i,
                last=i == 2,
                dtype=dtype,
            ),
        ]
    model = nn.Sequential(*modules)
    for module, w, b in zip(modules[::2], net.weights, net.biases, strict=True):
        module.weight.data = torch.from_numpy(np.array(w))
        module.bias.data = torch.from_numpy(np.array(b))
    return model


def deltas_of(model: nn.Sequential, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Minus the gradient at every pre-activation, for the loss ½ Σ e²."""
    kept, h = [], torch.from_numpy(x)
    for module in model:
        h = module(h)
        if isinstance(module, nn.Linear):
            h.retain_grad()
            kept.append(h)
    model.zero_grad()
    ((torch.from_numpy(y) - h) ** 2).sum().div(2).backward()
    return [-a.grad.numpy() for a in kept]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("converted", [False, True], ids=["by hand", "to_module"])
def test_hidden_deltas_are_fastfas(rule, converted, dtype, rng):
    if not converted and isinstance(rule.scale, str):  # a layer doesn't know the slopes below it
        rule = rule._changed(scale="equal_before_slope")
    net = network(rule, dtype)
    model = to_module(net, feedback=True) if converted else by_hand(net, rule)
    x = rng.standard_normal((17, WIDTHS[0])).astype(dtype)
    y = rng.standard_normal((17, WIDTHS[-1])).astype(dtype)
    bound = {"float32": 2e-5, "float64": 1e-12}[dtype]  # W⁺ is the least well conditioned of them
    for delta, own in zip(deltas_of(model, x, y), net.deltas(x, y), strict=True):
        assert np.linalg.norm(delta - own) <= bound * np.linalg.norm(own)
    # and so are the gradients: one step of PyTorch's SGD on the sum is one of ours
    torch.optim.SGD(model.parameters(), lr=0.01).step()
    net.step(x, y, fa.SGD(0.01, reduction="sum"))
    weighted = [module for module in model if isinstance(module, nn.Linear)]
    for module, w in zip(weighted, net.weights, strict=True):
        assert difference(module.weight.detach(), w) < bound


OWN = [
    fa.Feedback("sign", magnitude="array", array=np.random.default_rng(n).random((n, source)))
    for n, source in pairwise(WIDTHS[1:])
]


@pytest.mark.parametrize("rule", ["brsf", "pbp", "usf", OWN], ids=str)
def test_what_follows_weights_or_is_redrawn_does_so_step_by_step(rule, rng):
    net = network(rule)
    model = to_module(net, feedback=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    for _ in range(4):
        x, y = rng.standard_normal((9, WIDTHS[0])), rng.standard_normal((9, WIDTHS[-1]))
        deltas_of(model, x, y)
        optimizer.step()
        net.step(x, y, fa.SGD(0.02, reduction="sum"))
    weighted = [module for module in model if isinstance(module, nn.Linear)]
    for module, w in zip(weighted, net.weights, strict=True):
        assert difference(module.weight.detach(), w) < 1e-10


def test_transpose_is_autograd_and_others_are_not(rng):
    x = torch.from_numpy(rng.standard_normal((2, 3, 6))).requires_grad_()
    plain = nn.Linear(6, 4, dtype=torch.float64)
    gradients = {}
    for rule in ("bp", "fa"):
        layer = FeedbackLinear(6, 4, feedback=rule, dtype=torch.float64)
        layer.load_state_dict(plain.state_dict(), strict=False)
        (gradients[rule],) = torch.autograd.grad(torch.tanh(layer(x)).square().sum(), x)
    (true,) = torch.autograd.grad(torch.tanh(plain(x)).square().sum(), x)
    torch.testing.assert_close(gradients["bp"], true, rtol=1e-14, atol=1e-14)
    assert abs(gradients["fa"] - true).max() > 0.01
    bp = FeedbackLinear(6, 4, feedback="bp", dtype=torch.float64)
    assert torch.autograd.gradcheck(bp, (x,))


def test_kolen_pollack_is_an_optimizers_parameter(rng):
    rule = fa.PRESETS["kp"]
    net = network(rule)
    model = to_module(net, feedback=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5, weight_decay=0.01)
    own = fa.SGD(0.05, momentum=0.5, weight_decay=0.01, reduction="sum")
    decays = [p for name, p in model.named_parameters() if not name.endswith("bias")]
    optimizer.param_groups[0]["params"] = decays
    rest = [p for name, p in model.named_parameters() if name.endswith("bias")]
    optimizer.add_param_group({"params": rest, "weight_decay": 0.0})
    for _ in range(5):
        x, y = rng.standard_normal((9, WIDTHS[0])), rng.standard_normal((9, WIDTHS[-1]))
        deltas_of(model, x, y)
        optimizer.step()
        net.step(x, y, own)
    layers = [module for module in model if isinstance(module, FeedbackLinear)]
    for layer, b in zip(layers, net.feedback_matrices, strict=True):
        assert difference(layer.feedback_matrix.detach(), b) < 1e-12


class Halves:
    """A custom feedback without a matrix in memory."""

    def propagate(self, delta):
        return 0.5 * delta[:, [0, 0, 1, 1, 2, 2]]


def test_custom_feedback_runs_in_pytorch(rng):
    layer = FeedbackLinear(6, 3, feedback=Halves())
    x = torch.zeros(4, 6, requires_grad=True)
    grad = torch.from_numpy(rng.standard_normal((4, 3)).astype("float32"))
    layer(x).backward(grad)
    np.testing.assert_array_equal(x.grad, Halves().propagate(grad.numpy()))
    assert layer.feedback_matrix is None


def test_feedback_moves_and_is_saved_with_the_module():
    layer = FeedbackLinear(6, 3, feedback="fa", seed=5)
    expected = fa.PRESETS["fa"].toarray(6, 3, seed=5)
    np.testing.assert_allclose(layer.feedback_matrix, expected, rtol=1e-6)
    assert layer.double().feedback_matrix.dtype == torch.float64
    assert "feedback_matrix" in layer.state_dict()
    assert not any(p is layer.feedback_matrix for p in layer.parameters())
    assert "feedback=Feedback('uniform')" in repr(layer)
    frozen = FeedbackLinear(6, 3).requires_grad_(False)
    x = torch.ones(2, 6, requires_grad=True)
    frozen(x).sum().backward()
    assert x.grad.abs().sum() > 0
    assert frozen.weight.grad is None
    no_bias = FeedbackLinear(6, 3, bias=False)
    no_bias(x).sum().backward()
    assert no_bias.weight.grad is not None


def test_a_model_with_feedback_learns_digits():
    digits = fa.data.load("mnist-mini")
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 100), nn.Tanh(), FeedbackLinear(100, 10, feedback="fa")
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.from_numpy(digits.train.x.astype("float32"))
    labels = torch.from_numpy(digits.train.labels).long()
    for _ in range(8):
        for rows in torch.randperm(len(x)).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), labels[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        found = model(torch.from_numpy(digits.test.x.astype("float32"))).argmax(1)
    assert (found.numpy() != digits.test.labels).mean() < 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"feedback": "dfa"}, "route was 'direct'"),
        ({"feedback": "drtp"}, "route was 'target'"),
        ({"feedback": "backprop"}, "feedback"),
        ({"layer": -1}, "layer"),
        ({"seed": 2**64}, "seed"),
        ({"feedback": fa.Feedback("array", array=np.ones((3, 6)))}, "shape"),
    ],
)
def test_feedback_that_a_layer_cannot_have(arguments, message):
    with pytest.raises(ValueError, match=message):
        FeedbackLinear(6, 3, **arguments)


def test_networks_whose_feedback_is_not_a_modules():
    with pytest.raises(ValueError, match="route was 'direct'"):
        to_module(network("dfa"), feedback=True)
    with pytest.raises(ValueError, match="must have feedback matrices"):
        to_module(network(fa.NodePerturbation(0.1)), feedback=True)
    net = fa.Network(
        (6, 6), [fa.LocallyConnected2D(2, 3), fa.LocallyConnected2D(2, 3), fa.Dense(2)]
    )
    with pytest.raises(ValueError, match="must be a Dense"):
        to_module(net, feedback=True)
    with pytest.raises(TypeError, match=r"\[to_module\] net"):
        to_module(local_network)


def test_feedback_is_not_assigned_after_the_fact():
    layer = FeedbackLinear(3, 2)
    before = layer.feedback
    with pytest.raises(
        AttributeError, match=r"\[FeedbackLinear\] feedback can't be assigned: .*make an"
    ):
        layer.feedback = fa.Feedback("sign")
    assert layer.feedback is before
    layer.note = 5
    assert layer.note == 5
