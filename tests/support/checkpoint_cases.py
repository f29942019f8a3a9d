"""Trainings of every kind of state, and a digest of where one ended; used by processes of their own."""

from __future__ import annotations

import hashlib
import json

import fastfa as fa
import numpy as np
from fastfa.checkpoint.saving import described
from fastfa.data import CropFlip, Distortion

EPOCHS = 4
N, SIDE, CLASSES = 45, 8, 3  # batches of 7 or 10 leave a short one


def examples():
    rng = np.random.default_rng(20161108)
    x = rng.normal(size=(N, SIDE * SIDE))
    return x, rng.integers(0, CLASSES, N)


def dense(*units, **options):
    hidden = [fa.Dense(n, "tanh", **options) for n in units]
    return [*hidden, fa.Dense(CLASSES, "tanh")]


def local(**options):
    layer = fa.LocallyConnected2D(3, 3, activation="tanh", **options)
    return [layer, layer, fa.Dense(CLASSES, "tanh")]


def _array(n, m):
    return np.random.default_rng(n).normal(size=(n, m))


_KINDS = [
    fa.Feedback("sparse", density=0.1),
    fa.Feedback("low_rank", rank=2),
    fa.Feedback("binary"),
    fa.Feedback("ternary", density=0.3),
    fa.Feedback("hadamard"),
    fa.Feedback("procedural"),
    fa.Feedback("sparse", route="direct"),
    fa.Feedback("orthogonal", route="target"),
]
_PLATEAU = fa.Plateau(patience=1, min_delta=0.5, monitor="train_loss")

# name: (layers, feedback, optimizer, options of the network, options of the trainer)
CASES = {
    "momentum": (dense(9, 7), "fa", fa.SGD(0.05, momentum=0.9, weight_decay=1e-4), {}, {}),
    "adam": (dense(9, 7), "dfa", fa.Adam(0.01, weight_decay=1e-3), {"dtype": "float64"}, {}),
    "nesterov": (dense(9, 7), "kp", fa.SGD(0.05, momentum=0.9, nesterov=True), {}, {}),
    "adamw": (dense(9, 7), "kp", fa.AdamW(0.01), {}, {}),
    "rmsprop": (dense(9, 7), "kp", fa.RMSprop(0.01, weight_decay=1e-3), {"dtype": "float64"}, {}),
    "limits": (
        dense(9, 7, lr_scale=0.5, bias_decay_scale=2.0),
        "kp", fa.Adam(0.01, clip_value=0.05, weight_decay=1e-3), {}, {},
    ),
    "dropout": (
        [fa.Dropout(0.2), *dense(9)[:1], fa.Dropout(0.5), *dense(7)],
        "bp", fa.SGD(0.05), {}, {"shuffle": False},
    ),
    "plateau": (dense(9), "fa", fa.SGD(0.05, momentum=0.5), {}, {"schedule": _PLATEAU}),
    "steps": (dense(9), "fa", fa.SGD(0.05), {}, {"schedule": {2: 0.01, 4: 0.1}}),
    "exponential": (dense(9), "fa", fa.Adam(0.05), {}, {"schedule": fa.Exponential(0.7)}),
    "cosine": (dense(9), "fa", fa.SGD(0.05), {}, {"schedule": fa.Cosine(3, min_lr=0.01)}),
    "warm-up": (
        dense(9), "fa", fa.SGD(0.05, momentum=0.5), {},
        {"schedule": fa.Warmup(fa.Cosine(4), updates=11), "batch_size": 7},
    ),
    "warm-up of steps": (
        dense(9, 7), "fa", fa.Adam(0.05), {},
        {"schedule": fa.Warmup({2: 0.01, 4: 0.1}, epochs=2, start=0.3)},
    ),
    "kolen-pollack": (dense(9, 7), "kp", fa.SGD(0.05, momentum=0.8, weight_decay=0.1), {}, {}),
    "kolen-pollack adam": (
        dense(9, 7), fa.Feedback("normal", route="direct", plasticity="kolen_pollack"),
        fa.Adam(0.01), {}, {},
    ),
    "weight mirror": (
        dense(9, 7), fa.Feedback("uniform", plasticity=fa.WeightMirror(growth=0.1, noise=0.5, every=3)),
        fa.SGD(0.05), {}, {},
    ),
    "sign": (dense(9, 7), ["brsf", "frsf"], fa.SGD(0.05), {}, {}),
    "node perturbation": (dense(9, 7), fa.NodePerturbation(0.1), fa.SGD(0.01), {}, {}),
    "pseudoinverse": (dense(9, 7), fa.Feedback("pseudoinverse", refresh=8), fa.SGD(0.05), {}, {}),
    "every matrix": (dense(*[6] * len(_KINDS)), _KINDS, fa.SGD(0.05, momentum=0.5), {}, {}),
    "scale": (
        dense(9, 8, 7),
        [fa.Feedback("binary", growth=3.0), fa.Feedback("ternary", gain=0.2, growth=0.5, route="direct"),
         fa.Feedback("hadamard", scale="equal_before_slope", gain=0.4)],
        fa.SGD(0.05), {}, {},
    ),
    "array": (
        [fa.Dense(9, "tanh", trainable=False), fa.Dense(7, "tanh", bias=False, density=0.5),
         fa.Dense(CLASSES, "tanh")],
        [fa.Feedback("array", array=_array(9, 7), plasticity="kolen_pollack"), "usf"],
        fa.SGD(0.05, momentum=0.8), {}, {},
    ),
    "tiny": (dense(9), "fa", fa.SGD(0.05), {}, {"batch_size": 1}),
    "online": (dense(140), "fa", fa.SGD(0.05), {}, {"batch_size": 1}),
    "few": (dense(140, 9), "dfa", fa.SGD(0.05, weight_decay=0.01), {}, {"batch_size": 3}),
    "distortion": (
        dense(9), "fa", fa.SGD(0.05), {},
        {"augment": Distortion(alpha=4.0, rotate=20.0, translate=1.0)},
    ),
    "crop": (dense(9), "fa", fa.SGD(0.05), {}, {"augment": CropFlip(padding=2, flip=0.25)}),
    "local": (local(), "kp", fa.SGD(0.05, momentum=0.9, weight_decay=0.1), {}, {}),
    "local sign": (local(padding="same", stride=2), "brsf", fa.Adam(0.01), {}, {}),
}  # fmt: skip


def trainer(name, callbacks=(), epochs=EPOCHS):
    layers, feedback, optimizer, of_net, of_trainer = CASES[name]
    net = fa.Network((SIDE, SIDE), layers, feedback=feedback, seed=5, **of_net)
    options = {"batch_size": 7, "seed": 3, "progress": False} | of_trainer
    return fa.Trainer(net, optimizer, epochs=epochs, callbacks=callbacks, **options)


def without_times(value):
    if isinstance(value, dict):
        times = ("seconds", "samples_per_second")
        return {key: without_times(item) for key, item in value.items() if key not in times}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def digest(what):
    """SHA-256 of every array and every number that a checkpoint of ``what`` holds, but for seconds."""
    content, tensors = described("", what)
    found = hashlib.sha256(json.dumps(without_times(content), sort_keys=True).encode())
    for name in sorted(tensors):
        found.update(name.encode() + np.ascontiguousarray(tensors[name]).tobytes())
    return found.hexdigest()


def resumed(name, folder, epoch):
    """The digest of the run that goes on from ``epoch``."""
    end = fa.Trainer.resume(f"{folder}/{name}-{epoch}.safetensors", examples(), 0.2)
    return digest(end)


def small(feedback="kp", seed=1) -> fa.Network:
    """A network with memory of gradients, a step old, whose file is small."""
    layers = [fa.Dense(3, "tanh"), fa.Dense(2)]
    net = fa.Network(2, layers, feedback=feedback, seed=seed)
    net.step(np.eye(2), np.eye(2), fa.SGD(0.1, momentum=0.5))
    return net
