"""Every device kernel once or twice, for compute-sanitizer: python bench/on_gpu/check.py [device]."""

from __future__ import annotations

import sys

import fastfa as fa
import numpy as np

DEVICE = sys.argv[1] if len(sys.argv) > 1 else "cuda"


def main() -> None:
    """Two steps of a network of each kind, of ragged sizes."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((37, 30)), rng.standard_normal((37, 5))
    kinds = [
        "bp",
        "uniform",
        "sign",
        "sparse",
        "low_rank",
        "binary",
        "ternary",
        "hadamard",
        "procedural",
    ]
    options = {"sparse": {"density": 0.1}, "ternary": {"density": 0.5}, "low_rank": {"rank": 2}}
    for dtype in ("float32", "float64"):
        for kind in kinds:
            feedback = kind if kind == "bp" else fa.Feedback(kind, **options.get(kind, {}))
            layers = [fa.Dense(67, "tanh"), fa.Dropout(0.3), fa.Dense(35, "relu"), fa.Dense(5)]
            net = fa.Network(30, layers, feedback, dtype=dtype, device=DEVICE)
            net.train_epoch(x, y, fa.SGD(0.01, momentum=0.9), batch_size=19)
            fa.metrics.alignment(net, x, y)
        local = [fa.LocallyConnected2D(3, 2, activation="tanh"), fa.Dense(5)]
        net = fa.Network((5, 6), local, "bp", dtype=dtype, device=DEVICE)
        net.train_epoch(x, y, fa.Adam(0.01), batch_size=19)
        two = [*local[:1], fa.LocallyConnected2D(2, 2, activation="tanh"), fa.Dense(5)]
        net = fa.Network((5, 6), two, fa.NodePerturbation(0.1), dtype=dtype, device=DEVICE)
        net.train_epoch(x, y, fa.SGD(0.01), batch_size=19)
        conv = [fa.Conv2D(35, 2, padding="same", activation="tanh"), fa.MaxPool2D(2),
                fa.Conv2D(3, 2, stride=2, padding="same"), fa.AvgPool2D(1), fa.Dense(5)]  # fmt: skip
        net = fa.Network((5, 6), conv, "bp", dtype=dtype, device=DEVICE)
        net.train_epoch(x, y, fa.Adam(0.01), batch_size=3)
        tiny = [fa.Network(30, [fa.Dense(9, "tanh"), fa.Dense(5)], seed=i, dtype=dtype,
                           device=DEVICE) for i in range(3)]  # fmt: skip
        fa.Ensemble(tiny).train_epoch(x, y, fa.SGD(0.01), batch_size=1)
        tiny[0].train_epoch(x, y, fa.Adam(0.01), batch_size=3)  # steps that are recorded
        for library in ("cublas", "fastest"):
            other = fa.Network(30, [fa.Dense(67, "tanh"), fa.Dense(5)], "bp", dtype=dtype, device=DEVICE,
                               matmul_library=library)  # fmt: skip
            other.train_epoch(x, y, fa.Adam(0.01), batch_size=3)
        if dtype == "float32":
            tensors = fa.Network(30, [fa.Dense(67, "tanh"), fa.Dense(35)], "bp", device=DEVICE,
                                 matmul_precision="tf32")  # fmt: skip
            tensors.train_epoch(x, np.tile(y, 7), fa.SGD(0.01), batch_size=37)
        wide = fa.Network(30, [fa.Dense(1100, "tanh"), fa.Dense(5)], device=DEVICE, dtype=dtype)
        wide.train_epoch(np.tile(x, (30, 1)), np.tile(y, (30, 1)), fa.SGD(0.01), batch_size=1110)
    print("done")


if __name__ == "__main__":
    main()
