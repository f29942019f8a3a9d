"""Routes from the output in converted models: what reaches each layer, and what is refused."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

import copy

import fastfa as fa
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from fastfa.interop.torch import (
    convert,
    revert,
    targets,
)
from torch import nn
from torch.nn import functional as F
from torch_models import chain, converted, drtp

torch.set_num_threads(1)
X = torch.zeros(2, 6)


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
