"""Converted models: every gradient on random module trees against the equations."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

import contextlib
import copy
import math

import fastfa as fa
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from fastfa.interop.torch import LocallyConnected2d, convert, targets
from torch import nn
from torch_reference import Reference
from torch_trees import FROM_OUTPUT, LAYERWISE, Twice, random_tree

torch.set_num_threads(1)
TREES = range(100)
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")


def close(found, expected, bound: float = 1e-10) -> None:
    found = found.detach().numpy() if isinstance(found, torch.Tensor) else found
    assert found.shape == expected.shape
    assert abs(found - expected).max(initial=0) <= bound * max(1.0, abs(expected).max(initial=0))


def layers_of(model: nn.Module) -> dict[str, nn.Module]:
    return {name: m for name, m in model.named_modules() if hasattr(m, "feedback_matrix")}


def drawn(rule: fa.Feedback, layer: nn.Module, index: int, count: int, seed: int) -> np.ndarray:
    """B (units, source) as the page says: of a network's stream, and of the size of its sources."""
    weight = layer.weight
    if isinstance(layer, nn.Linear):
        units, source = layer.in_features, layer.out_features
        reached = source
    elif isinstance(layer, LocallyConnected2d):
        outputs, inputs = math.prod(weight.shape[:3]), math.prod(layer.input_shape)
        dense = rule.matrix not in ("uniform", "sign")
        units, source = (inputs, outputs) if dense else (outputs, math.prod(weight.shape[3:]))
        reached = outputs if dense else outputs * source / inputs
    elif "Transpose" in type(layer).__name__:
        units, source = weight.shape[0], math.prod(weight.shape[1:])
        reached = source
    else:
        units, source = math.prod(weight.shape[1:]), weight.shape[0]
        reached = source / layer.groups * math.prod(layer.kernel_size) / math.prod(layer.stride)
    if isinstance(rule.scale, str):
        share = (source / reached) ** 0.5
        if index < count - 1:
            rule = rule._changed(gain=share * (rule.growth or 1), growth=None)
        elif rule.gain is not None:
            rule = rule._changed(gain=share * rule.gain, growth=None)
    stream = index - 1 if index else count - 1
    if rule.matrix != "sign":
        return rule.toarray(units, source, seed=seed, layer=stream)
    like = "binary" if rule.magnitude == "uniform" else "uniform"
    sizes = fa.Feedback(like, scale=rule.scale, gain=rule.gain)
    return abs(sizes.toarray(units, source, seed=seed, layer=stream))


def laid(layer: nn.Module, matrix: np.ndarray) -> np.ndarray:
    """B (units, source) in the place of the weights, or of whole images (inputs, outputs)."""
    if isinstance(layer, LocallyConnected2d) and matrix.size != layer.weight.numel():
        return matrix
    if isinstance(layer, nn.Linear):
        return matrix.T
    turned = "Transpose" in type(layer).__name__ or isinstance(layer, LocallyConnected2d)
    return (matrix if turned else matrix.T).reshape(tuple(layer.weight.shape))


def layerwise(rule: fa.Feedback, layers: dict[str, nn.Module], seed: int):
    """What the reference sends; every B from its seed."""
    order = list(layers)

    def send(name, module, g, x, product):
        if rule.matrix == "transpose":
            return None
        if rule.matrix == "zero":
            return np.zeros_like(x)
        layer = layers[name]
        b = laid(layer, drawn(rule, layer, order.index(name), len(order), seed))
        if rule.matrix == "sign":
            b = b * np.sign(layer.weight.detach().numpy())
        if b.shape != tuple(layer.weight.shape):
            return (g.reshape(len(g), -1) @ b.T).reshape(x.shape)
        return product.to_input(g, x, b)

    return send


def from_output(rule: fa.Feedback, layers: dict[str, nn.Module], seed: int, reference, y):
    order = list(layers)

    def send(name, module, g, x, product):
        source = reference[0].error if rule.route == "direct" else -y / len(y)
        if rule.matrix == "zero":
            return np.zeros_like(x)
        index, count = order.index(name), len(order)
        hidden = index - 1 if index else count - 1
        top = layers[order[-1]].in_features
        gain = (source.shape[1] / (3 * top)) ** 0.5 if rule.gain is None else rule.gain
        gain *= (rule.growth or 1) ** max(0, count - 2 - hidden)
        sized = rule._changed(gain=gain, growth=None, route="layerwise", plasticity="fixed")
        units = x[0].size
        b = sized.toarray(units, source.shape[1], seed=seed, layer=hidden)
        return (source @ b.T).reshape(x.shape)

    return send


def compare(model, ours, x, y, send, reference=None, around=None):
    expected = Reference(model, send)
    if reference is not None:
        reference.append(expected)
    output = expected.run(x, y)
    found = ours(torch.from_numpy(x).requires_grad_())
    close(found, output, 1e-12)
    with around or contextlib.nullcontext():
        (((found - torch.from_numpy(y)) ** 2).sum() / 2 / len(x)).backward()
    own = {n: p for n, p in ours.named_parameters() if not n.endswith("feedback_matrix")}
    assert own.keys() == dict(model.named_parameters()).keys()
    for name, p in own.items():
        close(p.grad, expected.gradients[name])
    return expected


def tree_of(seed):
    rng = np.random.default_rng([seed, 71])
    model, x = random_tree(rng)
    return model, x, rng.standard_normal((len(x), 3))


@pytest.mark.parametrize("seed", TREES)
def test_layerwise_rules_follow_the_equations_on_random_trees(seed):
    model, x, y = tree_of(seed)
    for name, rule in LAYERWISE.items():
        if name == "brsf":
            continue  # below
        ours = convert(copy.deepcopy(model), rule, seed=seed)
        layers = layers_of(ours)
        expected = compare(model, ours, x, y, layerwise(rule, layers, seed))
        if name.startswith("kp"):  # B learns what W learns
            for key, layer in layers.items():
                learned = layer.feedback_matrix.grad.numpy()
                if isinstance(layer, LocallyConnected2d) and learned.ndim == 2:  # of whole images
                    pairs = [(h.reshape(len(h), -1), g) for h, g in expected.inputs[key]]
                    close(learned, sum(h.T @ g.reshape(len(g), -1) for h, g in pairs))
                    continue
                learned = learned.T if isinstance(layer, nn.Linear) else learned
                close(learned, expected.gradients[f"{key}.weight"])


@pytest.mark.parametrize("seed", TREES)
def test_rules_from_the_output_follow_the_equations_on_random_trees(seed):
    model, x, y = tree_of(seed)
    for name, rule in FROM_OUTPUT.items():
        ours, reference = copy.deepcopy(model), []
        convert(ours, rule, seed=seed, example=torch.from_numpy(x[:2]))
        layers = layers_of(ours)
        around = targets(ours, torch.from_numpy(y)) if rule.route == "target" else None
        send = from_output(rule, layers, seed, reference, y)
        expected = compare(model, ours, x, y, send, reference, around)
        if name == "direct kp":  # B learns Σ h eᵀ
            for key, layer in layers.items():
                pairs = expected.inputs[key]
                learned = sum(h.reshape(len(h), -1).T @ expected.error for h, _ in pairs)
                close(layer.feedback_matrix.grad, learned)


@pytest.mark.parametrize("seed", range(0, 100, 5))
def test_redrawn_magnitudes_have_the_weights_signs_and_other_sizes_each_time(seed):
    model, x, y = tree_of(seed)
    ours = convert(copy.deepcopy(model), fa.Feedback("sign", magnitude="redrawn", scale=0.3))
    seen: list[int] = []
    drawn_before: dict[str, list[np.ndarray]] = {}

    def send(name, module, g, x, product):
        layer, how = layers[name], layers[name]._how
        how.carry.step = 0 if not seen else 1
        b = how.carry.stand_in(how.operation, layer.weight, None).detach().numpy()
        assert (np.sign(b) == np.sign(layer.weight.detach().numpy())).all()
        assert (abs(b) < 0.3).all()
        drawn_before.setdefault(name, []).append(abs(b))
        return product.to_input(g, x, b)

    layers = layers_of(ours)
    if any(isinstance(m, Twice) for m in model.modules()):
        return  # two uses in a pass have magnitudes of their own
    compare(model, ours, x, y, send)
    seen.append(1)
    for p in ours.parameters():
        p.grad = None
    compare(model, ours, x, y, send)
    assert all(int(layer.feedback_passes) == 2 for layer in layers.values())
    assert all((one != two).all() for one, two in drawn_before.values())
