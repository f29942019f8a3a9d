"""Who takes part. Each makes a function that does one step, and one that gives the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from in_bf16.task import Task


class Contestant(NamedTuple):
    step: Callable[[], Any]
    weights: Callable[[], list[np.ndarray]]  # as float32, (n_l+1, n_l)


def fastfa(precision: str, storage: str | None = None) -> Callable[[Task], Contestant]:
    def make(task: Task) -> Contestant:
        import fastfa as fa

        layers = [fa.Dense(n, "tanh") for n in task.sizes[1:-1]] + [fa.Dense(task.sizes[-1])]
        rules = [fa.Feedback("array", array=b, storage=storage) for b in task.feedback]
        net = fa.Network(task.sizes[0], layers, rules, matmul_precision=precision)
        for mine, given in zip(net.weights, task.weights, strict=True):
            mine[...] = given
        sgd = fa.SGD(task.lr)
        return Contestant(lambda: net.step(task.x, task.y, sgd), lambda: list(net.weights))

    return make


def torch(
    kind: str, *, masters: bool = False, compiled: bool = False
) -> Callable[[Task], Contestant]:
    """By hand, without autograd. With masters, the weights are float32 and have a copy in bf16."""

    def make(task: Task) -> Contestant:
        import torch as t

        dtype, layers = getattr(t, kind), len(task.weights)
        x, y = (t.from_numpy(a).to(dtype) for a in (task.x, task.y))
        kept = [t.from_numpy(w).clone() for w in task.weights]
        w = [each.to(dtype) for each in kept]
        b = [t.from_numpy(each).to(dtype) for each in task.feedback]
        biases = [t.zeros(n, dtype=dtype) for n in task.sizes[1:]]
        rate = task.lr / task.batch

        def update(i: int, delta: Any, below: Any) -> None:
            if masters:
                kept[i].add_(delta.t() @ below, alpha=rate)
                w[i].copy_(kept[i])
            else:
                w[i].addmm_(delta.t(), below, alpha=rate)
            biases[i].add_(delta.sum(0), alpha=rate)

        def step() -> None:
            h = [x]
            for i in range(layers):
                a = t.addmm(biases[i], h[-1], w[i].t())
                h.append(a if i + 1 == layers else t.tanh_(a))
            deltas = [y - h[-1]]
            for i in range(layers - 2, -1, -1):
                sent = deltas[0] @ b[i].t()
                deltas.insert(0, t.ops.aten.tanh_backward(sent, h[i + 1]))
            for i, delta in enumerate(deltas):
                update(i, delta, h[i])

        run = t.compile(step, dynamic=False) if compiled else step
        quick = t.inference_mode()(run) if not compiled else t.no_grad()(run)
        return Contestant(quick, lambda: [k.float().numpy() for k in (kept if masters else w)])

    return make


def jax(kind: str, *, masters: bool = False) -> Callable[[Task], Contestant]:
    """One jitted step whose parameters are donated."""

    def make(task: Task) -> Contestant:
        import jax as j
        import jax.numpy as jnp

        dtype = getattr(jnp, kind)
        x, y = (jnp.array(a, dtype) for a in (task.x, task.y))
        feedback = [jnp.array(b, dtype) for b in task.feedback]
        rate = task.lr / task.batch
        state = {
            "w": [jnp.array(w, jnp.float32 if masters else dtype) for w in task.weights],
            "b": [jnp.zeros(n, dtype) for n in task.sizes[1:]],
        }

        def update(params):
            w = [each.astype(dtype) for each in params["w"]]
            h = [x]
            for i, (weight, bias) in enumerate(zip(w, params["b"], strict=True)):
                a = h[-1] @ weight.T + bias
                h.append(a if i + 1 == len(w) else jnp.tanh(a))
            deltas = [y - h[-1]]
            for b, below in zip(reversed(feedback), reversed(h[1:-1]), strict=True):
                deltas.insert(0, deltas[0] @ b.T * (1 - below * below))
            return {
                "w": [
                    old + (rate * (d.T @ below)).astype(old.dtype)
                    for old, d, below in zip(params["w"], deltas, h[:-1], strict=True)
                ],
                "b": [old + rate * d.sum(0) for old, d in zip(params["b"], deltas, strict=True)],
            }

        jitted = j.jit(update, donate_argnums=0)

        def step() -> None:
            nonlocal state
            state = j.block_until_ready(jitted(state))

        return Contestant(step, lambda: [np.asarray(w, np.float32) for w in state["w"]])

    return make


# What each rounds; "pure" keeps the weights themselves in bf16, so that small updates are lost.
CONTESTANTS: dict[str, Callable[[Task], Contestant]] = {
    "fastfa float32": fastfa("float32"),
    "fastfa bf16": fastfa("bf16"),
    "fastfa float32, B in bf16": fastfa("float32", "bf16"),
    "fastfa bf16, B in bf16": fastfa("bf16", "bf16"),
    "torch float32": torch("float32"),
    "torch bf16, masters": torch("bfloat16", masters=True),
    "torch bf16, pure": torch("bfloat16"),
    "torch compiled bf16, masters": torch("bfloat16", masters=True, compiled=True),
    "torch compiled bf16, pure": torch("bfloat16", compiled=True),
    "jax float32": jax("float32"),
    "jax bf16, masters": jax("bfloat16", masters=True),
    "jax bf16, pure": jax("bfloat16"),
}
