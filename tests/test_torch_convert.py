"""convert and what goes with it: choices, routes, B that learn, noise; and what each refuses."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

import copy
from contextlib import nullcontext
from itertools import pairwise

import fastfa as fa
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from fastfa.interop.torch import (
    FeedbackLinear,
    LocallyConnected2d,
    alignment,
    convert,
    mirror,
    perturb,
    revert,
    targets,
)
from fastfa.interop.torch._noise import noise
from torch import nn
from torch.nn import functional as F
from torch_cases import product_of

torch.set_num_threads(1)
X = torch.zeros(2, 6)


def chain(*widths: int, dtype=torch.float64) -> nn.Sequential:
    torch.manual_seed(1)
    parts: list[nn.Module] = []
    for n, m in pairwise(widths):
        parts += [nn.Linear(n, m, dtype=dtype), nn.Tanh()]
    return nn.Sequential(*parts[:-1])


def converted(model: nn.Module) -> list[str]:
    return [name for name, m in model.named_modules() if hasattr(m, "feedback")]


# ---- which layers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, ["a.0", "a.2", "b.0.0", "b.0.2", "b.1"]),
        ({"include": "a"}, ["a.0", "a.2"]),
        ({"include": ["a.0", "b.1"]}, ["a.0", "b.1"]),
        ({"include": "b.*"}, ["b.0.0", "b.0.2", "b.1"]),
        ({"exclude": "b.0"}, ["a.0", "a.2", "b.1"]),
        ({"include": "b", "exclude": ["b.0.2"]}, ["b.0.0", "b.1"]),
        (
            {"include": lambda name, m: isinstance(m, nn.Linear) and m.out_features == 4},
            ["a.0", "b.0.0"],
        ),
        ({"exclude": lambda name, m: name.startswith("a")}, ["b.0.0", "b.0.2", "b.1"]),
    ],
)
def test_layers_are_chosen_by_name_or_predicate(choice, expected):
    model = nn.ModuleDict(
        {"a": chain(6, 4, 5), "b": nn.Sequential(chain(5, 4, 3), nn.Linear(3, 2))}
    )
    assert converted(convert(model, **choice)) == expected
    assert converted(model) == expected


def test_parts_can_have_rules_of_their_own_and_streams_dont_meet():
    model = chain(6, 5, 4, 3)
    convert(model, "fa", include=["0", "2"])
    convert(model, "usf", include="4")
    whole = convert(chain(6, 5, 4, 3), "fa")
    assert torch.equal(model[2].feedback_matrix, whole[2].feedback_matrix)
    assert model[4].feedback.matrix == "sign"
    assert converted(revert(model)) == []


def test_a_single_layer_is_a_model():
    layer = nn.Conv2d(2, 3, 2)
    assert convert(layer) is layer
    assert type(layer).__name__ == "FeedbackConv2d"
    assert "feedback=Feedback('uniform')" in repr(layer)
    assert type(revert(layer)) is nn.Conv2d
    linear = convert(nn.Linear(2, 3))
    assert type(linear) is FeedbackLinear  # the same mechanism
    assert type(revert(FeedbackLinear(3, 2))) is nn.Linear


def test_a_subclass_stays_one():
    class Mine(nn.Linear):
        def double(self):
            return 2 * self.weight

    layer = convert(nn.Sequential(Mine(3, 4), nn.ReLU(), Mine(4, 2)))[2]
    assert isinstance(layer, Mine)
    assert torch.equal(layer.double(), 2 * layer.weight)


class Custom(nn.Linear):
    def forward(self, x):
        return super().forward(x) + 1


class Named(nn.Linear):
    feedback = 3


class Lists(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, x):
        return [self.head(torch.tanh(self.layer(x)))]


REFUSED = [
    (lambda: convert("model"), TypeError, r"\[convert\] model was 'model'"),
    (lambda: convert(nn.Tanh()), ValueError, r"\[convert\] model was Tanh.*must remain"),
    (lambda: convert(chain(6, 4, 3), "faa"), ValueError, r"\[convert\] feedback"),
    (lambda: convert(chain(6, 4, 3), 3), TypeError, r"\[convert\] feedback"),
    (lambda: convert(chain(6, 4, 3), seed=-1), ValueError, r"\[convert\] seed"),
    (lambda: convert(chain(6, 4, 3), shared=1), TypeError, r"\[convert\] shared"),
    (lambda: convert(chain(6, 4, 3), include="9"), ValueError, r"include had '9'.*modules are 0"),
    (lambda: convert(chain(6, 4, 3), exclude=["9"]), ValueError, r"exclude had '9'"),
    (lambda: convert(chain(6, 4, 3), exclude=[1]), TypeError, r"exclude had 1; it must be names"),
    (lambda: convert(chain(6, 4, 3), exclude=1), TypeError, r"exclude had 1; it must be names"),
    (lambda: convert(chain(6, 4, 3), exclude=["0", "2"]), ValueError, "must remain"),
    (lambda: convert(convert(chain(6, 4, 3))), ValueError, r"'0' was a FeedbackLinear"),
    (lambda: convert(nn.Sequential(Custom(3, 4))), ValueError, r"'0' was a Custom, whose forward"),
    (lambda: convert(nn.Sequential(nn.LSTM(3, 4))), ValueError, r"'0' was a LSTM"),
    (
        lambda: convert(nn.TransformerEncoderLayer(4, 2)),
        ValueError,
        r"self_attn.*MultiheadAttention",
    ),
    (lambda: convert(nn.Sequential(nn.LazyLinear(3))), ValueError, r"'0' was a LazyLinear"),
    (lambda: convert(nn.Linear(2, 2, dtype=torch.complex64)), TypeError, "must be real"),
    (lambda: convert(Named(3, 2)), ValueError, "the model has an attribute 'feedback'"),
    (
        lambda: convert(
            convert(chain(6, 4, 3), "dfa", include="0", example=X.double(), shared=True),
            "dfa",
            include="2",
            example=X.double(),
            shared=True,
        ),
        ValueError,
        "has feedback_shared already",
    ),
    (lambda: convert(nn.DataParallel(chain(6, 3))), ValueError, "the model was a DataParallel"),
    (lambda: convert(chain(6, 4, 3), output="2"), ValueError, r"output was given for Feedback"),
    (lambda: convert(chain(6, 4, 3), "fa", shared=True), ValueError, r"shared was given"),
    (lambda: convert(chain(6, 4, 3), "dfa"), ValueError, r"example was None"),
    (
        lambda: convert(chain(6, 4, 3), "dfa", example=X.double(), output="9"),
        ValueError,
        "output was '9'",
    ),
    (lambda: convert(Lists(), "dfa", example=X), TypeError, r"list.*output="),
    (
        lambda: convert(nn.Sequential(nn.Conv2d(1, 1, 2)), "pbp"),
        ValueError,
        r"0 was a Conv2d with 'pseudoinverse'",
    ),
    (
        lambda: convert(chain(6, 4, 3), fa.Feedback("array", array=np.ones((2, 2)))),
        ValueError,
        r"feedback of 0: .*shape",
    ),
    (
        lambda: convert(nn.Sequential(nn.Conv2d(2, 2, 1, groups=2)), Halves()),
        ValueError,
        r"0.groups was 2",
    ),
    (
        lambda: convert(
            chain(6, 4, 3),
            fa.Feedback("uniform", route="direct", plasticity="kolen_pollack"),
            example=X.double(),
            shared=True,
        ),
        ValueError,
        r"shared was True for .*learns",
    ),
    (
        lambda: convert(chain(6, 4, 3), fa.Feedback("sign", route="direct"), example=X.double()),
        ValueError,
        "must have the route 'layerwise'",
    ),
    (
        lambda: convert(
            chain(6, 4, 3),
            fa.Feedback("uniform", route="direct", plasticity="weight_mirror"),
            example=X.double(),
        ),
        ValueError,
        "weight mirror must have the route",
    ),
    (lambda: revert(chain(6, 3)), ValueError, r"\[revert\] model was Sequential without"),
    (lambda: revert(None), TypeError, r"\[revert\] model was None"),
    (lambda: mirror(chain(6, 3), 4), ValueError, r"\[mirror\] model was Sequential without"),
    (lambda: mirror(3, 4), TypeError, r"\[mirror\] model was 3"),
    (lambda: mirror(convert(chain(6, 3), "wm"), 0), ValueError, r"\[mirror\] examples"),
    (lambda: mirror(convert(nn.Conv2d(1, 1, 1), "wm"), 3), ValueError, "has seen no input"),
    (
        lambda: perturb(chain(6, 3), F.mse_loss, X, X),
        ValueError,
        r"\[perturb\] model was Sequential",
    ),
    (lambda: perturb(3, F.mse_loss, X, X), TypeError, r"\[perturb\] model was 3"),
    (
        lambda: perturb(
            convert(chain(6, 3), fa.NodePerturbation(0.1)),
            F.mse_loss,
            X.double(),
            torch.zeros(2, 3),
        ),
        ValueError,
        r"\[perturb\] loss gave \(\)",
    ),
    (lambda: alignment(chain(6, 3), F.mse_loss, X, X), ValueError, r"\[alignment\] model was"),
    (lambda: alignment(3, F.mse_loss, X, X), TypeError, r"\[alignment\] model was 3"),
    (
        lambda: alignment(convert(chain(6, 3)), None, X, X),
        TypeError,
        r"\[alignment\] loss was None",
    ),
    (
        lambda: alignment(convert(chain(6, 3)), F.mse_loss, X, X, pseudobackprop=3),
        TypeError,
        r"\[alignment\] pseudobackprop",
    ),
    (
        lambda: alignment(convert(nn.Conv2d(1, 1, 1)), F.mse_loss, X, X, pseudobackprop=True),
        ValueError,
        "other layers than Linear",
    ),
    (lambda: targets(3, X).__enter__(), TypeError, r"\[targets\] model was 3"),
    (lambda: targets(chain(6, 3), 3).__enter__(), TypeError, r"\[targets\] y was a int"),
    (lambda: targets(chain(6, 3), X).__enter__(), ValueError, "without layers of the route target"),
    (lambda: targets(drtp(), X, reduction="no").__enter__(), ValueError, r"\[targets\] reduction"),
    (lambda: targets(drtp(), X, scale=0).__enter__(), ValueError, r"\[targets\] scale"),
]


class Halves:
    def propagate(self, delta):
        return np.repeat(delta, 2, axis=1) / 2


def drtp() -> nn.Module:
    return convert(chain(6, 4, 3), "drtp", example=X.double())


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_what_is_refused(case):
    call, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        call()


def test_what_is_refused_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3), nn.Conv1d(3, 2, 1, groups=1))
    before = {name: type(m) for name, m in model.named_modules()}
    with pytest.raises(ValueError, match="3 was a Conv1d"):
        convert(model, "pbp")
    with pytest.raises(RuntimeError):  # the example doesn't fit
        convert(model, "dfa", example=torch.zeros(2, 5))
    assert {name: type(m) for name, m in model.named_modules()} == before
    assert not model._forward_hooks
    assert not model[0]._forward_pre_hooks
    assert model.training


def test_attention_of_pytorchs_own_keeps_backprop_if_it_is_excluded():
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    convert(model, "fa", exclude="self_attn")
    assert converted(model) == ["linear1", "linear2"]
    model(torch.randn(3, 5, 8)).square().sum().backward()
    assert model.self_attn.out_proj.weight.grad.abs().sum() > 0


# ---- routes from the output ----------------------------------------------------------------------


def test_products_of_backprop_are_not_formed():
    """Weights that are NaN below the output can't reach an error that goes around them."""
    model = convert(chain(6, 5, 4, 3), "dfa", example=X.double())
    x = torch.randn(7, 6, dtype=torch.float64)
    loss = model(x).square().sum()
    with torch.no_grad():
        for layer in (model[2], model[4]):
            version = layer.weight._version
            layer.weight.data.fill_(torch.nan)  # after the forward pass, behind autograd's back
            assert layer.weight._version == version
    loss.backward()
    assert all(layer.weight.grad.isfinite().all() for layer in (model[0], model[2], model[4]))


def test_the_output_may_be_an_inner_modules():
    x = torch.randn(5, 6, dtype=torch.float64)
    ends = nn.Sequential(*chain(6, 4, 3), nn.Softmax(1))
    inner = convert(copy.deepcopy(ends), "dfa", example=x, output="2")
    whole = convert(copy.deepcopy(ends), "dfa", example=x)
    errors = {}
    for name, model in {"inner": inner, "whole": whole}.items():
        logits = []
        model[2].register_forward_hook(
            lambda _, __, y, kept=logits: (y.retain_grad(), kept.append(y))[1]
        )
        h = torch.zeros(4, dtype=torch.float64)

        def keep(grad, name=name):
            errors[name] = grad

        model[1].register_forward_hook(lambda _, __, y, keep=keep: y.register_hook(keep) and None)
        out = model(x)
        out.retain_grad()
        out.square().sum().backward()
        source = logits[0].grad if name == "inner" else out.grad
        torch.testing.assert_close(errors[name], source @ model[2].feedback_matrix.T)
        assert h.sum() == 0


def test_one_shared_b_serves_all_layers():
    rule = fa.Feedback("uniform", route="direct", growth=1.5)
    x = torch.randn(4, 6, dtype=torch.float64)
    model = convert(chain(6, 5, 7, 3), rule, example=x, shared=True, seed=8)
    assert converted(model) == ["0", "2", "4"]
    one = model.feedback_shared
    assert one.shape == (7, 3)
    np.testing.assert_allclose(
        one, fa.Feedback("uniform", gain=(3 / 21) ** 0.5).toarray(7, 3, seed=8), rtol=1e-12
    )
    assert [n for n in model.state_dict() if "feedback" in n] == ["feedback_shared"]
    sent, kept = {}, {}
    for i in (1, 3):
        model[i].register_forward_hook(
            lambda _, __, y, i=i: y.register_hook(lambda g: sent.__setitem__(i, g)) and None
        )
    out = model(x)
    out.register_hook(lambda g: kept.__setitem__("e", g))
    out.square().sum().backward()
    torch.testing.assert_close(sent[3], kept["e"] @ one[:7].T)
    torch.testing.assert_close(sent[1], kept["e"] @ one[:5].T * 1.5)
    copied = copy.deepcopy(model)
    copied.feedback_shared.zero_()
    copied(x).square().sum().backward()
    assert one.abs().sum() > 0
    revert(model)
    assert "feedback_shared" not in model.state_dict()


def test_positions_of_a_sequence_are_served_one_by_one():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    convert(model, "dfa", example=torch.zeros(1, 2, 4).double())
    assert model[2].feedback_matrix.shape == (5, 3)
    sent = {}
    model[1].register_forward_hook(
        lambda _, __, y: y.register_hook(lambda g: sent.update(h=g)) and None
    )
    for length in (2, 6):  # any number of them
        out = model(torch.randn(3, length, 4).double())
        grad = torch.randn_like(out)
        out.backward(grad)
        torch.testing.assert_close(sent["h"], grad @ model[2].feedback_matrix.T)


class Pooled(nn.Module):
    """(N, T, 4) → (N, 2): a B for whole sequences of one length."""

    def __init__(self) -> None:
        super().__init__()
        self.each, self.top = nn.Linear(4, 5), nn.Linear(5, 2)
        self.fold = False

    def forward(self, x):
        h = self.each(x.flatten(0, 1) if self.fold else x)
        return self.top(torch.tanh(h).reshape(len(x), -1, 5).mean(1))


def test_inputs_of_another_shape_than_the_examples_are_refused():
    model = convert(Pooled(), "dfa", example=torch.zeros(1, 3, 4))
    assert model.each.feedback_matrix.shape == (12, 2)
    model(torch.randn(5, 3, 4, requires_grad=True)).sum().backward()
    with pytest.raises(ValueError, match=r"\[each\] was given \(5, 2, 4\).*as in the example"):
        model(torch.randn(5, 2, 4, requires_grad=True)).sum().backward()
    model = Pooled()
    model.fold = True
    with pytest.raises(
        ValueError, match=r"each was given.*first dimension must be that of the examples"
    ):
        convert(model, "dfa", example=torch.zeros(2, 3, 4))


def test_errors_that_can_not_be_found_are_named():
    model = convert(chain(6, 4, 3), "dfa", example=X.double())
    x = torch.randn(2, 6, dtype=torch.float64)
    with pytest.raises(RuntimeError, match=r"\[2\] its backward pass belongs to no forward pass"):
        model[2](torch.tanh(model[0](x))).sum().backward()
    kept = []
    model[1].register_forward_hook(lambda _, __, y: kept.append(y))
    head = nn.Linear(4, 1).double()
    model(x)
    head(kept[0]).sum().backward()  # nothing below needs B: only the first layer learns
    deep = convert(chain(6, 5, 4, 3), "dfa", example=X.double())
    deep[3].register_forward_hook(lambda _, __, y: kept.append(y))
    deep(x)
    with pytest.raises(RuntimeError, match=r"\[2\] no error reached the output"):
        kept[-1].sum().backward()
    model = drtp()
    with pytest.raises(RuntimeError, match="found no target"):
        model(x).sum().backward()
    with (
        targets(model, torch.zeros(2, 4)),
        pytest.raises(ValueError, match=r"y has shape \(2, 4\); it must be the output's, \(2, 3\)"),
    ):
        model(x).sum().backward()
    with targets(model, torch.tensor([0, 3])), pytest.raises(ValueError, match=r"lies in \[0, 3\]"):
        model(x).sum().backward()


def test_labels_are_one_hot_targets():
    x, y = torch.randn(4, 6, dtype=torch.float64), torch.tensor([0, 2, 1, 2])
    found = []
    for given in (y, F.one_hot(y, 3).double()):
        model = drtp()
        with targets(model, given):
            F.cross_entropy(model(x), y).backward()
        found.append(model[0].weight.grad)
    assert torch.equal(*found)


def test_a_failed_forward_pass_leaves_nothing_behind():
    from fastfa.interop.torch import _sources

    model = convert(chain(6, 4, 3), "dfa", example=X.double())
    with pytest.raises(RuntimeError):
        model(torch.zeros(2, 5).double())
    assert not _sources._passes.running


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
