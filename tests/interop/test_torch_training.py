"""What PyTorch's users train with goes on when a model is converted."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

import copy
import importlib.util
from contextlib import nullcontext

import fastfa as fa
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from fastfa.interop.torch import alignment, convert, perturb, targets
from torch import nn
from torch.nn import functional as F
from torch_use_cases import RULES, Net, converted, gradients, same

torch.set_num_threads(1)


def test_no_grad_and_inference_leave_no_graph(batch):
    for rule in ("fa", "dfa"):
        model = converted(rule, batch)
        for mode in (torch.no_grad(), torch.inference_mode()):
            with mode:
                assert model(batch[0]).grad_fn is None
        assert model(batch[0]).grad_fn is not None


def test_frozen_weights_still_send_errors_down(batch):
    model = converted("fa", batch)
    expected = gradients(model, batch)
    model.above[1].requires_grad_(False)
    model.zero_grad(set_to_none=True)
    found = gradients(model, batch)
    assert found.keys() == {n for n in expected if not n.startswith("above.1.")}
    for name in found:
        torch.testing.assert_close(found[name], expected[name])


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW", "RMSprop", "LBFGS"])
def test_optimizers_and_clipping(optimizer, batch):
    x, y = batch
    model = converted("kp", batch)
    made = getattr(torch.optim, optimizer)(model.parameters(), lr=0.01)

    def closure():
        made.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        return loss

    before = {n: p.clone() for n, p in model.named_parameters()}
    made.step(closure)
    for name, p in model.named_parameters():
        assert p.isfinite().all()
        assert not torch.equal(p, before[name])


def test_clipping_in_place_clips_w_and_b_once():
    """W (n, 1) and its B (1, n) have the same layout, and must not share memory."""
    model = convert(nn.Sequential(nn.Linear(3, 1), nn.Linear(1, 4)), "kp")
    model(torch.ones(2, 3)).square().sum().backward()
    w, b = model[1].weight.grad, model[1].feedback_matrix.grad
    assert w.data_ptr() != b.data_ptr()
    torch.testing.assert_close(w.T, b)


def test_accumulated_gradients_add_up(batch):
    model = converted("dfa", batch)
    x, y = batch
    whole = gradients(model.eval(), batch)
    model.zero_grad()
    for rows in (slice(0, 2), slice(2, 5)):
        (F.cross_entropy(model(x[rows]), y[rows], reduction="sum") / 5).backward()
    same({n: p.grad for n, p in model.named_parameters()}, whole, rtol=1e-4, atol=1e-6)


def test_two_passes_before_their_backward_keep_their_errors(batch):
    model = converted("dfa", batch).eval()
    x, y = batch
    expected = gradients(model, batch)
    model.zero_grad()
    first, second = model(x[:2]), model(x[2:])
    (F.cross_entropy(second, y[2:], reduction="sum") / 5).backward()
    (F.cross_entropy(first, y[:2], reduction="sum") / 5).backward()
    same({n: p.grad for n, p in model.named_parameters()}, expected, rtol=1e-4, atol=1e-6)


def test_a_second_backward_has_an_error_of_its_own(batch):
    model = converted("dfa", batch).eval()
    weights = list(model.parameters())
    out = model(batch[0])
    for scale in (1.0, -3.0):
        found = torch.autograd.grad(out.sum() * scale, weights, retain_graph=True)
        if scale == 1.0:
            first = found
    for one, two in zip(first, found, strict=True):
        torch.testing.assert_close(two, -3 * one)


def test_gradient_scaler(batch):
    for rule in ("fa", "dfa", "drtp"):
        x, y = batch
        expected = gradients(converted(rule, batch), batch)
        model = converted(rule, batch)
        scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loss = F.cross_entropy(model(x), y)
        around = targets(model, y, scale=scaler.get_scale()) if rule == "drtp" else nullcontext()
        with around:
            scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        found = {n: p.grad for n, p in model.named_parameters()}
        same(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rule", ["fa", "dfa", "kp"])
def test_the_forward_pass_can_be_exported(rule, batch, tmp_path):
    model = converted(rule, batch).eval()
    expected = model(batch[0]).detach()
    program = torch.export.export(model, (batch[0],))
    torch.testing.assert_close(program.module()(batch[0]), expected)
    if not all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime")):
        pytest.skip("the ONNX part needs onnx and onnxruntime")
    import onnxruntime

    path = tmp_path / "model.onnx"
    torch.onnx.export(model, (batch[0],), path, dynamo=False, input_names=["x"])
    session = onnxruntime.InferenceSession(str(path))
    (found,) = session.run(None, {"x": batch[0].numpy()})
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_unbatched_inputs():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv1d(2, 3, 2), nn.Tanh(), nn.Conv1d(3, 2, 2), nn.Flatten(0))
    for rule, routed in (("fa", {}), ("dfa", {"example": torch.zeros(2, 5)})):
        model = convert(copy.deepcopy(plain), rule, **routed)
        x = torch.randn(2, 5, requires_grad=True)
        model(x).square().sum().backward()
        assert x.grad.shape == (2, 5)
        assert model[0].weight.grad.abs().sum() > 0


def test_parametrized_layers_are_served():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
    torch.nn.utils.parametrizations.weight_norm(model[2])
    convert(model, "fa")
    x = torch.randn(3, 4)
    h = torch.tanh(model[0](x)).detach().requires_grad_()
    y = model[2](h)
    y.backward(torch.ones_like(y))
    torch.testing.assert_close(h.grad, torch.ones(3, 2) @ model[2].feedback_matrix.T)
    assert model[2].parametrizations.weight.original0.grad is not None


def test_an_unconverted_output_and_a_frozen_start_are_no_trouble(batch):
    model = convert(Net(), "fa", exclude=["above.3", "below"])
    assert gradients(model, batch).keys() == dict(model.named_parameters()).keys()
    assert type(model.above[3]) is nn.Linear


def test_alignment_leaves_no_trace(batch):
    for rule in (*RULES, "bp"):
        model = converted(rule, batch).train()
        gradients(model, batch)
        state = {n: v.clone() for n, v in model.state_dict().items()}
        grads = {n: p.grad.clone() for n, p in model.named_parameters()}
        random = torch.random.get_rng_state()
        found = alignment(model, F.cross_entropy, *batch)
        same(model.state_dict(), state, rtol=0, atol=0)
        same({n: p.grad for n, p in model.named_parameters()}, grads, rtol=0, atol=0)
        assert torch.equal(torch.random.get_rng_state(), random)
        assert model.training
        assert list(found) == ["below.0", "middle.0", "middle.2", "above.1", "above.3"]
        assert [a.layer for a in found.values()] == list(range(5))
        if rule == "bp":
            assert all(a.angle_bp < 0.1 and abs(a.norm_ratio - 1) < 1e-5 for a in found.values())
        else:
            assert found["below.0"].angle_bp > 5 or np.isnan(found["below.0"].angle_bp)


def test_perturbation_is_refused_where_it_would_be_backprop(batch):
    model = convert(Net(), fa.NodePerturbation(1e-3))
    with pytest.raises(RuntimeError, match=r"call fastfa.interop.torch.perturb"):
        F.cross_entropy(model(batch[0]), batch[1]).backward()
    wrapped = nn.parallel.DistributedDataParallel.__new__(nn.parallel.DistributedDataParallel)
    nn.Module.__init__(wrapped)
    wrapped.module = model
    with pytest.raises(TypeError, match="DistributedDataParallel"):
        perturb(wrapped, F.cross_entropy, *batch)
