"""Two processes that train a converted model together are one that has the whole batch."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

import importlib.util
import subprocess
import sys

import fastfa as fa
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

import torch_workers
from torch import nn

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("torch.distributed") and torch.distributed.is_gloo_available()),
    reason="needs torch.distributed with gloo",
)
WORKER = torch_workers.__file__


@pytest.fixture(scope="module")
def alone() -> dict[str, dict[str, torch.Tensor]]:
    return {rule: torch_workers.train(0, 1, "alone", rule) for rule in torch_workers.RULES}


@pytest.mark.parametrize(
    ("how", "rules"),
    [
        ("ddp", list(torch_workers.RULES)),
        ("fsdp", [rule for rule in torch_workers.RULES if rule != "wm"]),
        ("fsdp1", [rule for rule in torch_workers.RULES if rule != "wm"]),
    ],
)
def test_two_processes_are_one_with_the_whole_batch(how, rules, alone, tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", WORKER, str(rank), "2", tmp_path, how, *rules],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    for process in processes:
        _, said = process.communicate(timeout=180)
        assert process.returncode == 0, said
    for rule in rules:
        first, second = (
            torch.load(tmp_path / f"{rule}-{rank}.pt", weights_only=True) for rank in (0, 1)
        )
        moved = torch_workers.model_of(rule)
        expected = [n for n, _ in moved.named_parameters()] if how == "fsdp1" else alone[rule]
        assert first.keys() == second.keys() == dict.fromkeys(expected).keys()
        moved = moved.state_dict()
        for name, value in first.items():
            assert torch.equal(value, second[name]), (rule, name)
            torch.testing.assert_close(value, alone[rule][name], rtol=1e-10, atol=1e-12)
        assert any(not torch.equal(value, moved[name]) for name, value in first.items())


def test_sharded_weights_are_refused_where_they_are_needed_whole():
    model = fa.interop.torch.convert(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), "wm")
    model[0].weight = nn.Parameter(model[0].weight.detach().flatten())  # as FSDP leaves them
    with pytest.raises(RuntimeError, match=r"\[mirror\] 0\.weight is sharded"):
        fa.interop.torch.mirror(model, 5)
    with pytest.raises(RuntimeError, match=r"\[alignment\] 0\.weight is sharded"):
        fa.interop.torch.alignment(model, lambda o, t: o.sum(), torch.zeros(2, 4), None)
