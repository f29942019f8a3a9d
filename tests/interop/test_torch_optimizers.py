"""The optimizers are PyTorch's: with backprop, the same weights after the same steps."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from parity import relative_error

torch = pytest.importorskip("torch")

PAIRS = {
    "decay": (fa.SGD(0.1, weight_decay=0.1), torch.optim.SGD, {}),
    "momentum": (fa.SGD(0.005, momentum=0.9, weight_decay=0.1), torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (
        fa.SGD(0.005, momentum=0.9, weight_decay=0.1, nesterov=True),
        torch.optim.SGD,
        {"momentum": 0.9, "nesterov": True},
    ),
    "adam": (fa.Adam(0.01, weight_decay=0.1), torch.optim.Adam, {}),
    "adamw": (fa.AdamW(0.01, beta1=0.8), torch.optim.AdamW, {"betas": (0.8, 0.999)}),
    "adamw decay": (fa.AdamW(0.01, weight_decay=0.5), torch.optim.AdamW, {}),
    "rmsprop": (fa.RMSprop(0.003, rho=0.9, weight_decay=0.1), torch.optim.RMSprop, {"alpha": 0.9}),
}


@pytest.mark.parametrize("batch", [1, 5, 40])
@pytest.mark.parametrize("name", PAIRS)
def test_the_same_weights_as_by_torch(name, batch, rng):
    ours, kind, settings = PAIRS[name]
    x, y = rng.standard_normal((40, 6)), rng.standard_normal((40, 3))
    net = fa.Network(6, [fa.Dense(9, "tanh"), fa.Dense(3)], "bp", dtype="float64")
    weights = [torch.tensor(np.array(w), requires_grad=True) for w in net.weights]
    biases = [torch.tensor(np.array(b), requires_grad=True) for b in net.biases]
    groups = [{"params": weights, "weight_decay": ours.weight_decay}]
    groups += [{"params": biases, "weight_decay": 0.0}]  # ours don't decay
    theirs = kind(groups, lr=ours.lr, **settings)
    for start in [*range(0, 40, batch)] * 3:
        rows = slice(start, start + batch)
        net.step(x[rows], y[rows], ours)
        hidden = torch.tanh(torch.tensor(x[rows]) @ weights[0].T + biases[0])
        error = torch.tensor(y[rows]) - (hidden @ weights[1].T + biases[1])
        theirs.zero_grad()
        (0.5 * (error**2).sum() / batch).backward()
        theirs.step()
    for mine, other in zip([*net.weights, *net.biases], [*weights, *biases], strict=True):
        assert relative_error(mine, other.detach().numpy()) < 1e-9
