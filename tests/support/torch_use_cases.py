"""A model with layers of many kinds, how it is converted, and what it learns."""

from __future__ import annotations

from contextlib import nullcontext

import fastfa as fa
import torch
from fastfa.interop.torch import convert, targets
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
