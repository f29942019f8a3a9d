#!/usr/bin/env python3
"""Learning in time beside a jitted `jax.lax.scan` of the same equations, and PyTorch.

    python bench/recurrent.py --out recurrent.json

RFLO with τ = 10, tanh units, one input, biases, one linear readout, sequences of 100 steps, plain SGD,
float32. `online`: traces and weights change at every step. `seeds`: twenty networks that see the same
sequence; JAX's are one by vmap. `sequence`: one update from 32 whole sequences, by the scan back and
products over time. The contestants are compared first: all must make the same change. Then they take
turns in each round, for a few milliseconds; times are medians of µs a step, ratios those of a round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

TAU, T, RATE = 10.0, 100, 1e-3
SEEDS, BATCH = 20, 32
TASKS = {
    "online-30": (30, 1, 1),
    "online-50": (50, 1, 1),
    "online-100": (100, 1, 1),
    "online-500": (500, 1, 1),
    "seeds-50": (50, 1, SEEDS),
    "sequence-500": (500, BATCH, 1),
}
Arrays = dict[str, np.ndarray]


def start(n: int, seed: int) -> Arrays:
    """Weights and B of one network."""
    rng = np.random.default_rng(seed)
    arrays = {
        "w": np.hstack([rng.normal(size=(n, 1)), rng.normal(size=(n, n)) * 1.5 / np.sqrt(n)]),
        "bias": np.zeros(n),
        "out": rng.normal(size=(1, n)) / np.sqrt(n),
        "out_bias": np.zeros(1),
        "b": rng.normal(size=(n, 1)),
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def data(batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = 0.1 * rng.normal(size=(batch, T, 1))
    y = np.sin(2 * np.pi * np.arange(T) / 50 + rng.uniform(0, 6, (batch, 1)))[..., None]
    return x.astype(np.float32), y.astype(np.float32)


class Fastfa:
    def __init__(self, n: int, batch: int, seeds: int) -> None:
        import fastfa as fa

        self.nets, self.batch = [], batch
        for seed in range(seeds):
            of = start(n, seed)
            b = fa.Feedback("array", array=of["b"])
            net = fa.Network(1, [fa.Recurrent(n, tau=TAU), fa.Dense(1)], b)
            for to, name in ((net.weights, ("w", "out")), (net.biases, ("bias", "out_bias"))):
                for i in range(2):
                    to[i][...] = of[name[i]]
            self.nets.append(net)
        self.x, self.y = data(batch)
        self.optimizer = fa.SGD(RATE)
        self.all = fa.Ensemble(self.nets)

    def train(self, times: int) -> None:
        order = np.resize(np.arange(self.batch), times * self.batch)
        update = "step" if self.batch == 1 else "sequence"

        who = self.nets[0] if len(self.nets) == 1 else self.all
        who.train_sequences(
            self.x, self.y, self.optimizer, batch_size=self.batch, order=order, update=update
        )

    def weights(self) -> np.ndarray:
        return np.array(self.nets[0].weights[0])


class Jax:
    def __init__(self, n: int, batch: int, seeds: int) -> None:
        import jax
        import jax.numpy as jnp

        nets = [start(n, seed) for seed in range(seeds)]
        x, y = (jnp.asarray(a) for a in data(batch))
        keep = 1 - 1 / TAU

        def rates(p: Any, h: Any, x: Any) -> tuple[Any, Any]:
            v = jnp.tanh(h @ p["w"].T + x @ p["w_in"].T + p["bias"])
            return h + (v - h) / TAU, (1 - v * v) / TAU

        def online(p: Any) -> Any:
            def step(carry: Any, xy: Any) -> tuple[Any, Any]:
                p, before, trace, trace_in, trace_bias = carry
                h, slope = rates(p, before, xy[0])
                trace = keep * trace + slope[:, None] * before
                trace_in = keep * trace_in + slope[:, None] * xy[0]
                trace_bias = keep * trace_bias + slope
                e = xy[1] - p["out"] @ h - p["out_bias"]
                sent = p["b"] @ e
                p = {
                    "w": p["w"] + RATE * sent[:, None] * trace,
                    "w_in": p["w_in"] + RATE * sent[:, None] * trace_in,
                    "bias": p["bias"] + RATE * sent * trace_bias,
                    "out": p["out"] + RATE * e[:, None] * h,
                    "out_bias": p["out_bias"] + RATE * e,
                    "b": p["b"],
                }
                return (p, h, trace, trace_in, trace_bias), 0.5 * (e * e).sum()

            zero = jnp.zeros(n), jnp.zeros((n, n)), jnp.zeros((n, 1)), jnp.zeros(n)
            carry, losses = jax.lax.scan(step, (p, *zero), (x[0], y[0]))
            return carry[0], losses.mean()

        def whole(p: Any) -> Any:
            def forth(h: Any, x: Any) -> tuple[Any, Any]:
                after, slope = rates(p, h, x)
                return after, (h, after, slope)

            xs = x.swapaxes(0, 1)
            _, (before, h, slope) = jax.lax.scan(forth, jnp.zeros((batch, n)), xs)
            e = y.swapaxes(0, 1) - h @ p["out"].T - p["out_bias"]

            def back(lam: Any, of: Any) -> tuple[Any, Any]:
                lam = keep * lam + of[0]
                return lam, lam * of[1]

            _, d = jax.lax.scan(back, jnp.zeros((batch, n)), (e @ p["b"].T, slope), reverse=True)
            rate = RATE / (T * batch)
            p = {
                "w": p["w"] + rate * jnp.einsum("tbi,tbj->ij", d, before),
                "w_in": p["w_in"] + rate * jnp.einsum("tbi,tbj->ij", d, xs),
                "bias": p["bias"] + rate * d.sum((0, 1)),
                "out": p["out"] + rate * jnp.einsum("tbi,tbj->ij", e, h),
                "out_bias": p["out_bias"] + rate * e.sum((0, 1)),
                "b": p["b"],
            }
            return p, 0.5 * (e * e).mean()

        learn = online if batch == 1 else whole
        for net in nets:
            net["w_in"], net["w"] = net["w"][:, :1], net["w"][:, 1:]
        self.p = {name: jnp.asarray(np.stack([net[name] for net in nets])) for name in nets[0]}
        if seeds == 1:
            self.p = {name: array[0] for name, array in self.p.items()}
        self.learn = jax.jit(jax.vmap(learn) if seeds > 1 else learn, donate_argnums=0)
        self.wait, self.seeds = jax.block_until_ready, seeds

    def train(self, times: int) -> None:
        for _ in range(times):
            self.p, loss = self.learn(self.p)
        self.wait(loss)

    def weights(self) -> np.ndarray:
        both = np.concatenate([self.p["w_in"], self.p["w"]], axis=-1)
        return both if self.seeds == 1 else both[0]


class Torch:
    """The same in PyTorch's tensors, an operation at a time; seeds are one batch of matrices."""

    def __init__(self, n: int, batch: int, seeds: int) -> None:
        import torch

        torch.set_num_threads(2)
        self.torch, self.batch, self.seeds = torch, batch, seeds
        nets = [start(n, seed) for seed in range(seeds)]
        self.p = {name: torch.tensor(np.stack([net[name] for net in nets])) for name in nets[0]}
        self.x, self.y = (torch.tensor(a.transpose(1, 0, 2)) for a in data(batch))
        self.n = n

    def train(self, times: int) -> None:
        with self.torch.no_grad():
            for _ in range(times):
                self._online() if self.batch == 1 else self._whole()

    def _rates(self, h: Any, x: Any) -> tuple[Any, ...]:
        """h (seeds, batch, n)."""
        z = self.torch.cat([x.expand(len(h), *x.shape), h], -1)
        v = self.torch.tanh(z @ self.p["w"].mT + self.p["bias"][:, None])
        return z, h + (v - h) / TAU, (1 - v * v) / TAU

    def _online(self) -> None:
        torch, p, keep = self.torch, self.p, 1 - 1 / TAU
        h = torch.zeros(self.seeds, 1, self.n)
        trace, trace_bias = torch.zeros_like(p["w"]), torch.zeros_like(p["bias"])
        for x, y in zip(self.x, self.y, strict=True):
            z, h, slope = self._rates(h, x)
            trace.mul_(keep).add_(slope.mT * z)
            trace_bias.mul_(keep).add_(slope[:, 0])
            e = y - h @ p["out"].mT - p["out_bias"][:, None]
            sent = e @ p["b"].mT
            p["w"].addcmul_(sent.mT, trace, value=RATE)
            p["bias"].addcmul_(sent[:, 0], trace_bias, value=RATE)
            p["out"].add_(e.mT @ h, alpha=RATE)
            p["out_bias"].add_(e[:, 0], alpha=RATE)

    def _whole(self) -> None:
        torch, p, keep = self.torch, self.p, 1 - 1 / TAU
        h, steps = torch.zeros(1, self.batch, self.n), []
        for x in self.x:
            z, h, slope = self._rates(h, x)
            steps.append((z[0], h[0], slope[0]))
        z, hs, slope = (torch.stack(part) for part in zip(*steps, strict=True))
        e = self.y - hs @ p["out"][0].T - p["out_bias"][0]
        d = e @ p["b"][0].T
        lam = torch.zeros_like(d[0])
        for t in reversed(range(T)):
            lam = keep * lam + d[t]
            d[t] = lam * slope[t]
        rate = RATE / (T * self.batch)
        rows = d.flatten(0, 1)
        p["w"][0].addmm_(rows.T, z.flatten(0, 1), alpha=rate)
        p["bias"][0].add_(rows.sum(0), alpha=rate)
        p["out"][0].addmm_(e.flatten(0, 1).T, hs.flatten(0, 1), alpha=rate)
        p["out_bias"][0].add_(e.sum((0, 1)), alpha=rate)

    def weights(self) -> np.ndarray:
        return self.p["w"][0].numpy().copy()


CONTESTANTS: dict[str, Callable[..., Any]] = {"fastfa": Fastfa, "jax": Jax, "torch": Torch}


def compare(task: str, rounds: int, seconds: float) -> dict[str, Any]:
    """Medians of µs a step (of all networks and sequences), and the ratios to fastfa's."""
    n, batch, seeds = TASKS[task]
    seats = {}
    for name, make in CONTESTANTS.items():
        try:
            seats[name] = make(n, batch, seeds)
        except ImportError:
            print(f"{name} is not installed")
    before, passes, changes = start(n, 0)["w"], {}, {}
    for name, seat in seats.items():
        seat.train(2)
        changes[name] = seat.weights() - before
        begin = time.perf_counter()
        seat.train(1)
        passes[name] = max(1, round(seconds / (time.perf_counter() - begin)))
    for name, change in changes.items():
        error = np.linalg.norm(change - changes["fastfa"]) / np.linalg.norm(change)
        # Another equation would be off by a tenth. PyTorch's own rounding makes 1e-3 with n = 500.
        if not error < 1e-2:
            raise SystemExit(f"{task}: {name}'s change differs from fastfa's by {error:.2g}")
    times: dict[str, list[float]] = {name: [] for name in seats}
    for turn in range(rounds):
        order = list(seats)[turn % len(seats) :] + list(seats)[: turn % len(seats)]
        for name in order:
            begin = time.perf_counter()
            seats[name].train(passes[name])
            times[name].append((time.perf_counter() - begin) / passes[name] / T * 1e6)
    found: dict[str, Any] = {}
    for name, own in times.items():
        ratios = [a / b for a, b in zip(own, times["fastfa"], strict=True)]
        found[name] = {
            "us_per_step": round(statistics.median(own), 3),
            "least": round(min(own), 3),
            "ratio": round(statistics.median(ratios), 2),
            "ratio_of_least": round(min(own) / min(times["fastfa"]), 2),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--seconds", type=float, default=0.005, help="aimed at per timed sample")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", help="a file for the numbers, JSON")
    given = parser.parse_args()
    import fastfa as fa

    fa.set_num_threads(given.threads)
    results = {}
    for task in given.tasks:
        results[task] = compare(task, given.rounds, given.seconds)
        for name, row in results[task].items():
            print(
                f"{task:14s} {name:8s} {row['us_per_step']:9.2f} µs a step (least "
                f"{row['least']:.2f}), {row['ratio']:.2f} times fastfa's ({row['ratio_of_least']:.2f})",
                flush=True,
            )
    if given.out:
        with open(given.out, "w", encoding="utf-8") as file:
            json.dump({"schema": "fastfa-bench-recurrent/1", "results": results}, file, indent=1)


if __name__ == "__main__":
    main()
