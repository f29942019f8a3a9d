"""convert chooses layers, and refuses what it cannot serve."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from fastfa.interop.torch import (
    FeedbackLinear,
    alignment,
    convert,
    mirror,
    perturb,
    revert,
    targets,
)
from torch import nn
from torch.nn import functional as F
from torch_models import chain, converted, drtp

torch.set_num_threads(1)
X = torch.zeros(2, 6)


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


def test_activations_and_noise_of_ones_own_are_refused_by_name():
    net = fa.Network(4, [fa.Dense(3, fa.Activation(np.sin, np.cos, name="sine")), fa.Dense(2)])
    with pytest.raises(
        ValueError, match="activation was sine, your own; it must be one of fastfa's"
    ):
        fa.interop.torch.to_module(net)
    with pytest.raises(ValueError, match="it must have no more than a sigma"):
        fa.interop.torch.convert(nn.Linear(3, 2), fa.NodePerturbation(0.1, layers="hidden"))
