"""What PyTorch's users do with a model goes on when it is converted."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

import copy
import importlib.util
import io
import pickle
import sys
from contextlib import nullcontext

import fastfa as fa
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from fastfa.interop.torch import alignment, convert, perturb, revert, targets
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

torch.set_num_threads(1)
RULES = {
    "fa": "fa",
    "usf": "usf",
    "brsf": "brsf",
    "kp": "kp",
    "wm": "wm",
    "dfa": "dfa",
    "drtp": "drtp",
    "procedural": fa.Feedback("procedural"),
    "shallow": "shallow",
}
# The dense, compiled and saved ones; the others are made of the same parts.
FEW = ("fa", "usf", "kp", "dfa", "drtp", "brsf")


class Net(nn.Module):
    """Convolutions of both kinds, with what stands between them, and a part that can be checkpointed."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.below = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        )
        self.middle = nn.Sequential(
            nn.Conv2d(4, 6, 3, stride=2), nn.ReLU(), nn.ConvTranspose2d(6, 3, 2), nn.Tanh()
        )
        self.above = nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.Tanh(), nn.Linear(8, 3))
        self.reentrant: bool | None = None

    def forward(self, x):
        h = self.below(x)
        if self.reentrant is None:
            h = self.middle(h)
        else:
            h = checkpoint(self.middle, h, use_reentrant=self.reentrant)
        return self.above(h)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(5, 1, 8, 8, generator=generator)
    return x, torch.randint(3, (5,), generator=generator)


def converted(rule: str, batch, model: nn.Module | None = None) -> nn.Module:
    routed = rule in ("dfa", "drtp")
    example = batch[0][:1] if routed else None
    return convert(model or Net(), RULES.get(rule, rule), seed=3, example=example)


def gradients(model: nn.Module, batch, *, run=None, around=None) -> dict[str, torch.Tensor]:
    x, y = batch
    model.zero_grad()
    with around or nullcontext():
        loss = F.cross_entropy((model if run is None else run)(x), y)
    with targets(model, y) if _of_target(model) else nullcontext():
        loss.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def _of_target(model: nn.Module) -> bool:
    rules = [getattr(m, "feedback", None) for m in model.modules()]
    return any(getattr(rule, "route", "") == "target" for rule in rules)


def same(found, expected, **bounds) -> None:
    assert found.keys() == expected.keys()
    for name, grad in found.items():
        torch.testing.assert_close(grad, expected[name], **bounds)


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
