"""One of the processes that train a converted model together; its weights go to a file.

python tests/support/torch_workers.py RANK PROCESSES FOLDER HOW RULE
"""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import fastfa as fa
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F

RULES = {
    "fa": "fa",
    "usf": "usf",
    "kp": "kp",
    "dfa": "dfa",
    "drtp": "drtp",
    "brsf": "brsf",
    "wm": "wm",
    "shared": "dfa",
}
STEPS, BATCH = 3, 8


def model_of(rule: str) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.Tanh(),
        nn.Conv2d(3, 4, 3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(16, 6),
        nn.Tanh(),
        nn.Linear(6, 3),
    ).double()
    example = torch.zeros(1, 1, 6, 6).double() if rule in ("dfa", "drtp", "shared") else None
    return fa.interop.torch.convert(
        model, RULES[rule], seed=2, example=example, shared=rule == "shared"
    )


def train(rank: int, processes: int, how: str, rule: str) -> dict[str, torch.Tensor]:
    model = model_of(rule)
    wrapped: nn.Module = model
    if how == "ddp":
        wrapped = nn.parallel.DistributedDataParallel(model)
    elif how == "fsdp":
        from torch.distributed.fsdp import fully_shard

        for layer in model:
            if hasattr(layer, "weight"):
                fully_shard(layer)
        fully_shard(model)
    elif how == "fsdp1":
        from torch.distributed.fsdp import FullyShardedDataParallel

        wrapped = FullyShardedDataParallel(
            model, use_orig_params=True, device_id=torch.device("cpu")
        )
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    generator = torch.Generator().manual_seed(5)
    for _ in range(STEPS):
        x = torch.randn(BATCH, 1, 6, 6, generator=generator).double()
        y = torch.randint(3, (BATCH,), generator=generator)
        own = slice(rank, None, processes)
        optimizer.zero_grad()
        loss = F.cross_entropy(wrapped(x[own]), y[own])
        if rule == "drtp":
            with fa.interop.torch.targets(wrapped, y[own]):
                loss.backward()
        else:
            loss.backward()
        if how == "fsdp1":  # whose gradients are parts; its own clipping is for float32
            parts = [p.grad for p in wrapped.parameters() if p.grad is not None]
            square = sum(part.square().sum() for part in parts) + torch.zeros(()).double()
            dist.all_reduce(square)
            for part in parts:
                part.mul_((1.0 / (square.sqrt() + 1e-6)).clamp(max=1.0))
        else:
            torch.nn.utils.clip_grad_norm_(wrapped.parameters(), 1.0)
        optimizer.step()
        if rule == "wm":
            fa.interop.torch.mirror(wrapped, BATCH)
    if how == "fsdp1":
        with FullyShardedDataParallel.summon_full_params(wrapped):
            named = dict(wrapped.named_parameters())
            return {
                n.replace("_fsdp_wrapped_module.", ""): p.detach().clone() for n, p in named.items()
            }
    state = model.state_dict()
    return {n: v.full_tensor() if hasattr(v, "full_tensor") else v for n, v in state.items()}


def main() -> None:
    rank, processes, folder, how, *rules = sys.argv[1:]
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{Path(folder) / 'meet'}",
        rank=int(rank),
        world_size=int(processes),
        timeout=datetime.timedelta(seconds=120),
    )
    for rule in rules:
        state = train(int(rank), int(processes), how, rule)
        torch.save(state, Path(folder) / f"{rule}-{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
