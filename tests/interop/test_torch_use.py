"""What stays of a PyTorch model when it is converted: weights, names, copies, devices, precision."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

import copy
import io
import pickle
import sys
from contextlib import nullcontext

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from fastfa.interop.torch import convert, revert, targets
from torch import nn
from torch.nn import functional as F
from torch_use_cases import FEW, RULES, Net, converted, gradients, same

torch.set_num_threads(1)


# ---- what stays ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_weights_buffers_names_and_outputs_stay_and_come_back(rule, batch):
    model = Net()
    before, parts = model.state_dict(), dict(model.named_modules())
    expected = model.eval()(batch[0])
    parameters = dict(model.named_parameters())
    ours = converted(rule, batch, model)
    assert ours is model
    assert dict(ours.named_modules()) == parts
    assert torch.equal(ours(batch[0]), expected)
    added = {n for n in ours.state_dict() if n not in before}
    assert all(n.rpartition(".")[2] in ("feedback_matrix", "feedback_passes") for n in added)
    assert [n for n in ours.state_dict() if n not in added] == list(before)
    for name, p in parameters.items():
        assert dict(ours.named_parameters())[name] is p
    gradients(ours.train(), batch)
    with torch.no_grad():
        for p in ours.parameters():
            p -= 0.1 * p.grad
    trained = {n: v.clone() for n, v in ours.state_dict().items() if n in before}
    assert revert(ours) is ours
    assert ours.state_dict().keys() == before.keys()
    same(ours.state_dict(), trained, rtol=0, atol=0)
    assert {type(m) for m in ours.modules()} == {type(m) for m in Net().modules()}
    assert not ours._forward_hooks
    assert not ours._forward_pre_hooks
    plain = Net()
    plain.load_state_dict(trained)
    same(gradients(ours, batch), gradients(plain, batch), rtol=0, atol=0)


@pytest.mark.parametrize("rule", RULES)
def test_b_is_the_seeds_and_in_the_state(rule, batch):
    one, two = converted(rule, batch), converted(rule, batch)
    same(gradients(one, batch), gradients(two, batch), rtol=0, atol=0)
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    routed = {"example": batch[0][:1]} if rule in ("dfa", "drtp") else {}
    other = convert(Net(), RULES[rule], seed=4, **routed)
    if rule not in ("usf", "brsf", "procedural", "shallow"):  # whose B isn't state, or all alike
        found, expected = gradients(other, batch), gradients(one, batch)
        assert any(not torch.equal(found[n], expected[n]) for n in found)
        other.load_state_dict(torch.load(file, weights_only=True))
        same(gradients(other, batch), gradients(one, batch), rtol=0, atol=0)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_copies_learn_alike_and_apart(rule, how, batch):
    model = converted(rule, batch)
    gradients(model, batch)
    model.zero_grad()
    copied = copy.deepcopy(model) if how == "deepcopy" else pickle.loads(pickle.dumps(model))
    assert type(copied.middle[0]) is type(model.middle[0])
    same(gradients(copied, batch), gradients(model, batch), rtol=0, atol=0)
    own = {p.data_ptr() for p in model.parameters()} | {b.data_ptr() for b in model.buffers()}
    assert not own & {p.data_ptr() for p in [*copied.parameters(), *copied.buffers()]}
    revert(copied)
    assert gradients(model, batch)  # and goes on


def test_devices_and_dtypes_move_b(batch):
    model = converted("fa", batch).to(torch.float64)
    assert model.middle[0].feedback_matrix.dtype == torch.float64
    meta = copy.deepcopy(model).to("meta")
    assert meta.middle[0].feedback_matrix.is_meta
    double = convert(Net().double(), "dfa", example=batch[0][:1].double())
    assert double.above[1].feedback_matrix.dtype == torch.float64


# ---- what they live with -------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_autocast(rule, batch):
    """As close to float32 as bfloat16 is, in the dtypes that backprop has there."""
    exact = gradients(converted(rule, batch), batch)
    around = torch.autocast("cpu", torch.bfloat16)
    model = converted(rule, batch)
    found = gradients(model, batch, around=around)
    plain = gradients(Net(), batch, around=torch.autocast("cpu", torch.bfloat16))
    for name, grad in found.items():
        assert grad.dtype == torch.float32
        if name in plain:
            assert grad.dtype == plain[name].dtype
        scale = exact[name].norm() + 1e-3
        assert (grad - exact[name]).norm() < 0.1 * scale, name


def test_backprop_under_autocast_has_autograds_bits(batch):
    for dtype in (torch.bfloat16, torch.float16):
        found, expected = (
            gradients(model, batch, around=torch.autocast("cpu", dtype))
            for model in (converted("bp", batch), Net())
        )
        same(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("rule", FEW)
def test_half_precision_weights(rule, batch):
    x, y = batch
    model = converted(rule, (x.bfloat16(), y), Net().bfloat16())
    found = gradients(model, (x.bfloat16(), y))
    assert all(grad.dtype == torch.bfloat16 and grad.isfinite().all() for grad in found.values())


@pytest.mark.parametrize("rule", FEW)
def test_checkpointing_changes_nothing(rule, batch):
    expected = gradients(converted(rule, batch), batch)
    model = converted(rule, batch)
    model.reentrant = False
    same(gradients(model, batch), expected)
    model = converted(rule, batch)
    model.reentrant = True
    if rule in ("dfa", "drtp"):
        with pytest.raises(RuntimeError, match=r"\[middle.2\].*use_reentrant=False"):
            gradients(model, batch)
    else:
        same(gradients(model, batch), expected)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="compilers lag behind Python")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rule", FEW)
def test_compiled_models_learn_alike(rule, batch):
    """Without a graph break for rules whose B is in memory; two steps, so that B may change."""
    import torch._dynamo

    torch._dynamo.reset()
    plain, model = converted(rule, batch), converted(rule, batch)
    whole = rule in ("fa", "usf", "kp")
    run = torch.compile(model, backend="aot_eager", fullgraph=whole)
    for _ in range(2):
        found, expected = gradients(model, batch, run=run), gradients(plain, batch)
        same(found, expected, rtol=1e-4, atol=1e-6)
        for each in (model, plain):
            torch.optim.SGD(each.parameters(), lr=0.1).step()


@pytest.mark.parametrize("rule", RULES)
def test_double_backward_is_refused_by_name(rule, batch):
    x, y = batch
    model = converted(rule, batch)
    loss = F.cross_entropy(model(x), y)
    with (
        targets(model, y) if rule == "drtp" else nullcontext(),
        pytest.raises(RuntimeError, match=r"\[above.3\] create_graph was True"),
    ):
        torch.autograd.grad(loss, list(model.parameters()), create_graph=True, allow_unused=True)
    smooth = convert(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), "bp")
    x = torch.randn(2, 3, requires_grad=True)
    (grad,) = torch.autograd.grad(smooth(x).sum(), x, create_graph=True)
    grad.square().sum().backward()  # backprop is a derivative


@pytest.mark.parametrize("rule", ["fa", "dfa"])
def test_channels_last(rule, batch):
    expected = gradients(converted(rule, batch), batch)
    model = converted(rule, batch).to(memory_format=torch.channels_last)
    x = batch[0].to(memory_format=torch.channels_last)
    same(gradients(model, (x, batch[1])), expected, rtol=1e-4, atol=1e-5)
