"""Scripts and diaries for callbacks, and a trainer that they are called by."""

from __future__ import annotations

import fastfa as fa
import numpy as np
from fastfa.callbacks import Callback

N, INPUTS, CLASSES = 60, 8, 3


class Scripted(Callback):
    """Writes scores from a list into the records, and keeps the weights of every epoch."""

    def __init__(self, scores):
        self.scores, self.states = scores, []

    def on_epoch_end(self, trainer, record):
        record["score"] = self.scores[record["epoch"] - 1]
        self.states.append(trainer.net.state_dict())


class Diary(Callback):
    every = 4

    def __init__(self):
        self.lines = []

    def on_fit_begin(self, trainer):
        self.lines.append(("fit begins", trainer.epoch))

    def on_epoch_begin(self, trainer, epoch):
        self.lines.append(("epoch begins", epoch))

    def on_batches(self, trainer, batch):
        self.lines.append(("batches", batch))

    def on_epoch_end(self, trainer, record):
        self.lines.append(("epoch ends", record["epoch"], len(trainer.history)))

    def on_fit_end(self, trainer, history):
        self.lines.append(("fit ends", len(history)))


def make_trainer(callbacks, epochs=6, feedback="fa", optimizer=None):
    layers = [fa.Dense(7, "tanh"), fa.Dense(6, "tanh"), fa.Dense(CLASSES, "logistic")]
    net = fa.Network(INPUTS, layers, feedback=feedback, loss="cross_entropy", seed=2)
    optimizer = optimizer or fa.SGD(0.1)
    return fa.Trainer(
        net, optimizer, epochs=epochs, batch_size=10, callbacks=callbacks, progress=False
    )


def assert_state(net, state):
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, state[name], err_msg=name)
