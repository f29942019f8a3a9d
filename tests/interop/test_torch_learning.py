"""Converted models whose B learns, node perturbation, and what learns by them."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

import copy
from contextlib import nullcontext

import fastfa as fa
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from fastfa.interop.torch import (
    LocallyConnected2d,
    alignment,
    convert,
    mirror,
    perturb,
    targets,
)
from fastfa.interop.torch._noise import noise
from torch import nn
from torch.nn import functional as F
from torch_models import chain, drtp
from torch_reference import product_of

torch.set_num_threads(1)
X = torch.zeros(2, 6)


# ---- Kolen–Pollack, weight mirror, node perturbation ---------------------------------------------


def layer_and_input(kind: str) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(2)
    if kind == "Linear":
        return nn.Linear(5, 4).double(), torch.randn(3, 5).double()
    if kind == "Conv2d":
        return nn.Conv2d(2, 4, 3, 2, 1, groups=2).double(), torch.randn(3, 2, 7, 6).double()
    if kind == "ConvTranspose1d":
        return nn.ConvTranspose1d(3, 2, 3, 2).double(), torch.randn(3, 3, 5).double()
    layer = LocallyConnected2d((2, 5, 4), 3, 2, padding="same").double()
    return layer, torch.randn(3, 2, 5, 4).double()


KINDS = ("Linear", "Conv2d", "ConvTranspose1d", "LocallyConnected2d")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "rule", [fa.WeightMirror(decay=0.1), fa.WeightMirror.average(0.2, noise=0.5), fa.WeightMirror()]
)
def test_a_mirror_phase_is_the_equation(kind, rule):
    layer, x = layer_and_input(kind)
    if layer.bias is not None:
        torch.nn.init.uniform_(layer.bias)
    convert(layer, fa.Feedback("uniform", plasticity=rule), seed=6)
    layer(x)
    b = layer.feedback_matrix.numpy().copy()
    assert mirror(layer, 9) == 1
    shape = (9, *x.shape[1:])
    xi = rule.noise * noise("mirror", shape, x, seed=6, layer=0, step=0).numpy()
    product, w = product_of(layer, xi), layer.weight.detach().numpy()
    z = product.forward(xi, w)
    if not rule.centred:
        bias = layer.bias.detach().numpy()
        local = isinstance(layer, nn.Linear | LocallyConnected2d)
        z = z + (bias if local else bias.reshape(1, -1, *[1] * (z.ndim - 2)))
    together = product.to_weight(z, xi, w)
    together = together.T if kind == "Linear" else together
    positions = {"Linear": 1, "Conv2d": z[0, 0].size, "ConvTranspose1d": xi[0, 0].size}.get(kind, 1)
    decay = rule.decay
    growth = rule.growth or decay / (9 * positions * rule.noise**2)
    expected = (1 - decay) * b + growth * together
    np.testing.assert_allclose(layer.feedback_matrix, expected, rtol=1e-10, atol=1e-14)
    assert abs(expected - b).max() > 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_a_mirror_finds_the_weights(kind):
    layer, x = layer_and_input(kind)
    if kind == "LocallyConnected2d":  # without edges, beyond which there is no noise to learn from
        layer = LocallyConnected2d((2, 5, 4), 3, 2).double()
    rule = fa.WeightMirror.average(0.02)
    convert(layer, fa.Feedback("uniform", plasticity=rule))
    layer(x)
    for _ in range(300):
        mirror(layer, 30)
    b = layer.feedback_matrix.T if kind == "Linear" else layer.feedback_matrix
    if kind == "Conv2d":  # at the edge fewer positions see an input
        assert fa.metrics.angle(b.flatten(), layer.weight.detach().flatten()) < 20
    else:
        torch.testing.assert_close(b, layer.weight.detach(), rtol=0.2, atol=0.06)


def test_a_mirror_every_other_call():
    rule = fa.Feedback("uniform", plasticity=fa.WeightMirror(every=2))
    model = convert(chain(6, 4, 3), rule)
    model(X.double())
    before = model[2].feedback_matrix.clone()
    assert mirror(model, 5) == 0
    assert torch.equal(model[2].feedback_matrix, before)
    assert mirror(model, 5) == 2
    assert not torch.equal(model[2].feedback_matrix, before)
    assert int(model.state_dict()["2.feedback_passes"]) == 2


def test_kolen_pollack_makes_b_and_w_agree():
    model = convert(chain(6, 8, 3), "kp")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        x = torch.randn(8, 6, generator=generator).double()
        optimizer.zero_grad()
        (model(x) - x[:, :3]).square().mean().backward()
        optimizer.step()
    found = alignment(model, F.mse_loss, x, x[:, :3])
    assert found["2"].weight_angle < 1
    assert found["0"].angle_bp < 1


def test_perturbation_is_the_equation():
    sigma, n = 0.01, 5
    model = convert(chain(6, 4, 3), fa.NodePerturbation(sigma), seed=3)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, 6)), rng.standard_normal((n, 3))
    weights = [p.detach().numpy() for p in model.parameters()]
    w0, b0, w2, b2 = weights

    def losses(xi0, xi2):
        h = np.tanh(x @ w0.T + b0 + xi0)
        return h, ((h @ w2.T + b2 + xi2 - y) ** 2).sum(1)

    value = perturb(
        model, lambda o, t: ((o - t) ** 2).sum(1), torch.from_numpy(x), torch.from_numpy(y)
    )
    like = torch.zeros(1).double()
    kept = {"seed": 3, "step": 0}
    xi0 = sigma * noise("perturb", (n, 4), like, layer=1, call=0, **kept).numpy()
    xi2 = sigma * noise("perturb", (n, 3), like, layer=0, call=1, **kept).numpy()
    h, clean = losses(0.0, 0.0)
    change = (losses(xi0, xi2)[1] - clean)[:, None]
    d0, d2 = change * xi0 / sigma**2 / n, change * xi2 / sigma**2 / n
    assert float(value) == pytest.approx(clean.mean())
    expected = [d0.T @ x, d0.sum(0), d2.T @ h, d2.sum(0)]
    for p, grad in zip(model.parameters(), expected, strict=True):
        np.testing.assert_allclose(p.grad, grad, rtol=1e-9, atol=1e-12)


def test_perturbation_is_backprop_on_average():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 2), nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Flatten(), nn.Linear(8, 2)
    ).double()
    true = copy.deepcopy(model).eval()
    x, y = torch.randn(4, 1, 3, 3).double(), torch.randn(4, 2).double()
    loss = lambda o, t: ((o - t) ** 2).sum(1)  # noqa: E731
    loss(true(x), y).mean().backward()
    convert(model, fa.NodePerturbation(1e-3)).eval()
    for _ in range(1500):
        perturb(model, loss, x, y)
    for p, q in zip(model.parameters(), true.parameters(), strict=True):
        assert fa.metrics.angle(p.grad.flatten(), q.grad.flatten()) < 15
        assert 0.8 < float(p.grad.norm() / q.grad.norm() / 1500) < 1.25
    found = alignment(model, loss, x, y)
    assert 10 < found["4"].angle_bp < 170
    assert np.isnan(found["0"].weight_angle)


@pytest.mark.parametrize("kind", KINDS)
def test_a_custom_feedback_that_is_a_transpose_is_backprop(kind):
    layer, x = layer_and_input(kind)
    if getattr(layer, "groups", 1) > 1:
        layer = nn.Conv2d(2, 4, 3, 2, 1).double()
    plain = copy.deepcopy(layer)
    w = layer.weight.detach().numpy()

    class Given:
        def propagate(self, delta):
            if kind == "Linear":
                return delta @ w
            if kind == "Conv2d":
                return delta @ w.reshape(len(w), -1)
            if kind == "ConvTranspose1d":
                return delta @ w.reshape(len(w), -1).T
            return (
                product_of(plain, np.zeros((len(delta), 2, 5, 4)))
                .to_input(delta.reshape(-1, 3, 5, 4), np.zeros((len(delta), 2, 5, 4)), w)
                .reshape(len(delta), -1)
            )

    convert(layer, Given())
    given = x.clone().requires_grad_()
    y = layer(given)
    grad = torch.randn_like(y)
    y.backward(grad)
    expected = x.clone().requires_grad_()
    plain(expected).backward(grad)
    torch.testing.assert_close(given.grad, expected.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("rule", ["fa", "dfa"])
def test_converted_models_learn_digits(rule):
    digits = fa.data.load("mnist-mini")
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(864, 60),
        nn.Tanh(),
        nn.Linear(60, 10),
    )
    x = torch.from_numpy(digits.train.x.astype("float32")).reshape(-1, 1, 28, 28)
    labels = torch.from_numpy(digits.train.labels).long()
    convert(model, rule, example=x[:1] if rule == "dfa" else None)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(6):
        for rows in torch.randperm(len(x)).split(50):
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), labels[rows]).backward()
            optimizer.step()
    test = torch.from_numpy(digits.test.x.astype("float32")).reshape(-1, 1, 28, 28)
    with torch.no_grad():
        wrong = (model(test).argmax(1).numpy() != digits.test.labels).mean()
    assert wrong < 0.12


@pytest.mark.parametrize("rule", ["fa", "kp", "dfa", "drtp", "procedural"])
def test_an_empty_batch_teaches_nothing(rule):
    routed = {"example": X.double()} if rule in ("dfa", "drtp") else {}
    made = fa.Feedback("procedural") if rule == "procedural" else rule
    model = convert(chain(6, 5, 4, 3), made, **routed)
    out = model(torch.zeros(0, 6, dtype=torch.float64))
    with targets(model, out.detach()) if rule == "drtp" else nullcontext():
        out.sum().backward()
    assert all(not p.grad.any() for p in model.parameters())


def test_nothing_of_a_context_is_left():
    model = drtp()
    with targets(model, torch.zeros(2, 3)):
        pass
    with pytest.raises(RuntimeError, match="found no target"), nullcontext():
        model(torch.randn(2, 6).double()).sum().backward()
