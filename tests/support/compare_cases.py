"""A small task, and comparisons of it."""

from __future__ import annotations

import fastfa as fa
import numpy as np

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 6))
LABELS = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0.5)
TEST = (X[90:], LABELS[90:])
TRAIN = (X[:90], LABELS[:90])
LAYERS = [fa.Dense(8, "tanh"), fa.Dense(5, "tanh"), fa.Dense(3, "softmax")]
QUICK = {"layers": LAYERS, "epochs": 3, "optimizer": fa.SGD(0.3), "progress": False}


def compared(contestants=("bp", "fa", "dfa"), data=TRAIN, **options):
    return fa.compare(contestants, data, **{"test": TEST, "seeds": 4, **QUICK, **options})
