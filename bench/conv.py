"""Training steps of convolutional networks: fastfa beside PyTorch, and how near each is to the floor.

    python bench/conv.py                       # three networks, two threads
    python bench/conv.py --threads 1 --rounds 30 --only lenet
    python bench/conv.py --layers              # fastfa's layers one by one

One step of backprop with plain SGD on the mean over the batch, float32, interleaved in one process; the
table has medians. The floor is what a step's multiply-adds (forward, and both gradients but for that of
the input) take at the rate of fastfa's own dense product of 512 × 1024 × 1024, measured beside them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import fastfa as fa
import numpy as np


def same(maps: int) -> fa.Conv2D:
    return fa.Conv2D(maps, 3, padding="same", activation="relu")


NETWORKS = {
    "lenet": (
        (1, 28, 28),
        100,
        [
            fa.Conv2D(6, 5, padding="same", activation="tanh"),
            fa.MaxPool2D(2),
            fa.Conv2D(16, 5, activation="tanh"),
            fa.MaxPool2D(2),
            fa.Dense(120, "tanh"),
            fa.Dense(84, "tanh"),
            fa.Dense(10),
        ],
    ),
    "32-64-128": (
        (1, 28, 28),
        64,
        [part for maps in (32, 64, 128) for part in (same(maps), fa.MaxPool2D(2))] + [fa.Dense(10)],
    ),
    "32-32-64-64": (
        (3, 32, 32),
        50,
        [part for m in (32, 64) for part in (same(m), same(m), fa.MaxPool2D(2))] + [fa.Dense(10)],
    ),
}


def multiplications(net: fa.Network, batch: int) -> float:
    """Of a step: three products for each layer, two for the first."""
    sizes = [
        batch * np.prod(shape) * w[0].size
        for shape, w in zip(net.shapes[1:], net.weights, strict=True)
    ]
    return float(3 * sum(sizes) - sizes[0])


def fastfa_step(net: fa.Network, x, y) -> Callable[[], None]:
    sgd = fa.SGD(1e-4)
    return lambda: net.step(x, y, sgd)


def torch_steps(net: fa.Network, x, y) -> dict[str, Callable[[], None]]:
    """The same network in PyTorch, in both layouts; none if it isn't installed."""
    try:
        import torch
        from torch import nn
    except ImportError:
        return {}
    torch.set_num_threads(fa.get_num_threads())

    def stepper(memory_format) -> Callable[[], None]:
        parts: list[nn.Module] = []
        for i, (layer, pooling) in enumerate(zip(net.layers, net.pooling[1:], strict=True)):
            if isinstance(layer, fa.Dense):
                parts += [nn.Flatten(), nn.Linear(net.weights[i].shape[1], layer.units)]
            else:
                channels = net.weights[i].shape[1]
                parts.append(
                    nn.Conv2d(channels, layer.maps, layer.kernel_size, padding=layer.padding)
                )
            parts += [{"tanh": nn.Tanh, "relu": nn.ReLU, "linear": nn.Identity}[layer.activation]()]
            parts += [nn.MaxPool2d(each.size, each.stride) for each in pooling]
        model = nn.Sequential(*parts).to(memory_format=memory_format)
        images = torch.from_numpy(x).reshape(-1, *net.input_shape).to(memory_format=memory_format)
        targets, sgd = torch.from_numpy(y), torch.optim.SGD(model.parameters(), 1e-4)

        def step() -> None:
            sgd.zero_grad()
            loss = 0.5 * ((targets - model(images)) ** 2).sum(dim=1).mean()
            loss.backward()
            sgd.step()

        return step

    return {
        "torch": stepper(torch.contiguous_format),
        "torch, channels last": stepper(torch.channels_last),
    }


def product_rate() -> Callable[[], float]:
    """Multiply-adds a second of a large dense product."""
    net = fa.Network(1024, [fa.Dense(1024), fa.Dense(1024)], "bp")
    return lambda: 512 * 1024**2 / net._net.time_feedback(0, 512, 1)


def compare(name: str, rounds: int) -> None:
    shape, batch, layers = NETWORKS[name]
    nets = {
        "fastfa, bp": fa.Network(shape, layers, "bp"),
        "fastfa, fa": fa.Network(shape, layers, "fa"),
    }
    net = nets["fastfa, bp"]
    rng = np.random.default_rng(0)
    x = rng.random((batch, net.input_size), dtype=np.float32)
    y = rng.random((batch, 10), dtype=np.float32)
    steps = {key: fastfa_step(each, x, y) for key, each in nets.items()} | torch_steps(net, x, y)
    times: dict[str, list[float]] = {key: [] for key in steps}
    rate, rates = product_rate(), []
    for i in range(rounds + 2):
        for key, step in steps.items():
            begin = time.perf_counter()
            step()
            if i >= 2:
                times[key].append(time.perf_counter() - begin)
        rates.append(rate())
    floor = multiplications(net, batch) / max(rates)
    print(f"{name}, batch {batch}: floor {1e3 * floor:.2f} ms at {max(rates) / 1e9:.0f} G/s")
    for key, values in times.items():
        middle, least = statistics.median(values), min(values)
        print(
            f"  {key:22} {1e3 * middle:8.2f} ms (least {1e3 * least:.2f}), floor {floor / middle:.0%}"
        )


def layer_by_layer(name: str) -> None:
    shape, batch, layers = NETWORKS[name]
    net, rate = fa.Network(shape, layers, "bp"), product_rate()()
    print(f"{name}, batch {batch}, {rate / 1e9:.0f} G/s")
    for i, layer in enumerate(net.layers):
        size = batch * np.prod(net.shapes[i + 1]) * net.weights[i][0].size
        passes = min(net._net.time_layer(i, batch, 5) for _ in range(5))
        back = min(net._net.time_feedback(i - 1, batch, 5) for _ in range(5)) if i else np.inf
        print(
            f"  {type(layer).__name__:8} forward and update {1e3 * passes:7.3f} ms, "
            f"{2 * size / passes / rate:4.0%}   back {1e3 * back:7.3f} ms, {size / back / rate:4.0%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=NETWORKS, nargs="*", default=list(NETWORKS))
    parser.add_argument("--layers", action="store_true", help="fastfa's layers one by one")
    given = parser.parse_args()
    fa.set_num_threads(given.threads)
    for name in given.only:
        layer_by_layer(name) if given.layers else compare(name, given.rounds)


if __name__ == "__main__":
    main()
