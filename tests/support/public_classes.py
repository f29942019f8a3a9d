"""One of each public class, and what may be assigned to it."""

from __future__ import annotations

from unittest import mock

import fastfa as fa
import numpy as np
from fastfa import callbacks, processes
from fastfa.data import (
    CropFlip,
    DataFile,
    Dataset,
    DatasetInfo,
    Distortion,
    Normalised,
    NormalisedDataset,
    SequenceDataset,
    Sequences,
    Split,
    dataset_info,
)

X = np.random.default_rng(0).normal(size=(12, 4))
Y = np.abs(X[:, :2]) % 1


def network(feedback="fa", **options):
    layers = [fa.Dense(5, "tanh"), fa.Dropout(0.1), fa.Dense(3, "tanh"), fa.Dense(2)]
    return fa.Network(4, layers, feedback, **options)


def trainer(**options):
    options = {"epochs": 1, "progress": False, "batch_size": 4} | options
    return fa.Trainer(network(), options.pop("optimizer", fa.SGD(0.1)), **options)


def stepped():
    net = network()
    net.forward_step(X)
    return net


def split():
    return Split(X, np.arange(12), (1, 2, 2))


def comparison():
    histories = {"fa": {0: fa.History([{"epoch": 1, "test_error": 0.5, "seconds": 1.0}])}}
    names = {"contestants": ("fa",), "seeds": (0,), "base": "fa", "measure": "test_error"}
    return fa.Comparison(**names, histories=histories, diverged={"fa": {}}, angles=[])


def logger(kind, *arguments):
    with mock.patch("fastfa.trackers._import"):  # whether its package is there is no matter here
        return kind(*arguments)


# How to make one of each public class.
MADE = {
    fa.Network: network,
    fa.Ensemble: lambda: fa.Ensemble([network()]),
    fa.Trainer: trainer,
    fa.History: lambda: fa.History([{"epoch": 1}]),
    fa.Comparison: comparison,
    fa.Evaluation: lambda: network().evaluate(X, Y),
    fa.StepState: lambda: stepped().state,
    fa.DeviceArray: lambda: fa.DeviceArray(X, 0),
    fa.Dense: lambda: fa.Dense(3),
    type(fa.Dense(1, mask=[[1]]).mask): lambda: fa.Dense(1, mask=[[1]]).mask,
    fa.LocallyConnected2D: lambda: fa.LocallyConnected2D(3, 2),
    fa.Conv2D: lambda: fa.Conv2D(3, 2),
    fa.Recurrent: lambda: fa.Recurrent(3),
    fa.AvgPool2D: lambda: fa.AvgPool2D(2),
    fa.MaxPool2D: lambda: fa.MaxPool2D(2),
    fa.Dropout: lambda: fa.Dropout(0.5),
    fa.Activation: lambda: fa.Activation(np.sin, np.cos),
    fa.Feedback: lambda: fa.Feedback("uniform"),
    fa.NodePerturbation: lambda: fa.NodePerturbation(0.1),
    fa.WeightMirror: fa.WeightMirror,
    fa.SGD: lambda: fa.SGD(0.1),
    fa.Adam: lambda: fa.Adam(0.1),
    fa.AdamW: lambda: fa.AdamW(0.1),
    fa.RMSprop: lambda: fa.RMSprop(0.1),
    fa.Constant: fa.Constant,
    fa.Steps: lambda: fa.Steps({2: 0.1}),
    fa.Exponential: lambda: fa.Exponential(0.5),
    fa.Plateau: fa.Plateau,
    fa.Cosine: lambda: fa.Cosine(5),
    fa.Warmup: lambda: fa.Warmup(updates=5),
    fa.Alignment: lambda: fa.Alignment(X, Y),
    fa.AlignmentInTime: lambda: fa.AlignmentInTime(X[None], Y[None]),
    fa.AveragedWeights: lambda: fa.AveragedWeights(2),
    fa.BestWeights: fa.BestWeights,
    fa.CSVLogger: lambda: fa.CSVLogger("h.csv"),
    fa.JSONLLogger: lambda: fa.JSONLLogger("h.jsonl"),
    fa.EarlyStopping: fa.EarlyStopping,
    fa.Checkpoint: lambda: fa.Checkpoint("run.safetensors"),
    fa.TensorBoardLogger: lambda: logger(fa.TensorBoardLogger, "events"),
    fa.MLflowLogger: lambda: logger(fa.MLflowLogger, "sqlite:///none.db"),
    fa.metrics.LayerAlignment: lambda: fa.metrics.alignment(network(), X, Y)[0],
    Split: split,
    Dataset: lambda: Dataset("mine", split(), split(), 12, (1, 2, 2)),
    Sequences: lambda: Sequences(X[None], Y[None]),
    SequenceDataset: lambda: fa.data.load("periodic"),
    DataFile: lambda: dataset_info("mnist").files[0],
    DatasetInfo: lambda: dataset_info("mnist"),
    CropFlip: CropFlip,
    Distortion: Distortion,
    Normalised: lambda: fa.data.normalise(X),
    NormalisedDataset: lambda: fa.data.normalise_dataset(
        Dataset("mine", split(), split(), 12, (1, 2, 2))
    ),
}
# Why a public class isn't above.
OTHERS = {
    fa.Callback: "the user's to subclass, and to give attributes",
    fa.Schedule: "the user's to subclass",
    fa.layers.Layer: "a base of those above",
    fa.layers.Weighted: "a base of those above",
    fa.layers.Pooling: "a base of those above",
    fa.layers.patches.OfPatches: "a base of those above",
    fa.optim.Optimizer: "a base of those above",
    processes.Pool: "a helper of fastfa tune and reproduce",
    fa.layers.layer.Stack: "a helper of Network",
    callbacks.BuiltIn: "a base of those above",
    callbacks.Writing: "a base of those above",
    callbacks.probing.Probing: "a base of those above",
    fa.CheckpointError: "an exception",
    fa.DeviceError: "an exception",
    fa.DivergenceError: "an exception",
    fa.data.DatasetNotFound: "an exception",
    fa.data.FetchError: "an exception",
    fa.data.IdxError: "an exception",
}
# What may be assigned, and counts: see the tests below.
SETTINGS = {
    fa.Trainer: {
        "optimizer", "schedule", "batch_size", "epochs", "seed", "shuffle", "progress", "callbacks",
        "augment", "targets", "history", "epoch", "batch", "examples",
    },
    fa.History: {"records"},
    fa.Network: {"class_names"},
}  # fmt: skip
