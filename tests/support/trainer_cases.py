"""A small network, its trainer, and what is compared."""

from __future__ import annotations

import fastfa as fa
import numpy as np
from fastfa.callbacks import Callback

N, INPUTS, CLASSES = 103, 12, 4


def make_net(inputs=INPUTS, output="logistic", loss="cross_entropy", **options):
    layers = [fa.Dense(9, "tanh"), fa.Dense(CLASSES, output)]
    return fa.Network(inputs, layers, loss=loss, seed=1, **options)


def make_trainer(net, epochs=2, **options):
    options = {"optimizer": fa.SGD(0.1), "batch_size": 10, "progress": False} | options
    return fa.Trainer(net, epochs=epochs, **options)


def assert_same_bits(net, other):
    mine, others = net.state_dict(), other.state_dict()
    assert mine.keys() == others.keys()
    for name in mine:
        np.testing.assert_array_equal(mine[name], others[name], err_msg=name)


class Watch(Callback):
    """Notes when it is called; runs `do` every so many batches."""

    def __init__(self, every=None, do=None):
        self.every, self.do, self.batches = every, do, []

    def on_batches(self, trainer, batch):
        self.batches.append(batch)
        if self.do is not None:
            self.do(trainer, batch)
