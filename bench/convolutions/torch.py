"""The same network in PyTorch: both layouts of memory, eager and compiled, in float32 and in bf16."""

from __future__ import annotations

import itertools

import fastfa as fa

from convolutions.networks import Contestant


def steps(net: fa.Network, x, y, lr: float) -> dict[str, Contestant]:
    """By name; none if PyTorch isn't installed."""
    try:
        import torch
        from fastfa.interop.torch import to_module
    except ImportError:
        return {}
    torch.set_num_threads(fa.get_num_threads())

    def stepper(layout, compiled: bool, bf16: bool) -> Contestant:
        model = to_module(net).to(memory_format=layout)
        images = torch.from_numpy(x).reshape(-1, *net.input_shape).to(memory_format=layout)
        targets, sgd = torch.from_numpy(y), torch.optim.SGD(model.parameters(), lr)
        forward = torch.compile(model, dynamic=False) if compiled else model

        def step() -> None:
            sgd.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                outputs = forward(images)
            loss = 0.5 * ((targets - outputs.float()) ** 2).sum(dim=1).mean()
            loss.backward()
            sgd.step()

        weights = [p for p in model.parameters() if p.ndim > 1]
        return Contestant(step, lambda: [w.detach().numpy() for w in weights])

    layouts = {"torch": torch.contiguous_format, "torch, channels last": torch.channels_last}
    found = {}
    for name, layout in layouts.items():
        for compiled, bf16 in itertools.product((False, True), repeat=2):
            label = name + ", compiled" * compiled + ", bf16" * bf16
            found[label] = stepper(layout, compiled, bf16)
    return found
