"""Pickles of earlier versions name classes by the modules where they were: there they still are."""

from __future__ import annotations

from importlib import import_module

import pytest

NAMES = {
    "callbacks": "Callback Alignment AveragedWeights BestWeights CSVLogger EarlyStopping JSONLLogger",
    "checkpoint.callback": "Checkpoint",
    "data.distortion": "Distortion",
    "data.fetch": "FetchError",
    "data.load": "Split Dataset DatasetNotFound",
    "data.registry": "DataFile DatasetInfo",
    "data.stream": "IdxError",
    "data.transform": "Normalised",
    "device_array": "DeviceArray",
    "ensemble": "Ensemble",
    "errors": "CheckpointError DeviceError DivergenceError",
    "feedback": "Feedback _remade",
    "history": "History",
    "layers": "Dense LocallyConnected2D Dropout",
    "metrics": "LayerAlignment",
    "network": "Network Evaluation",
    "optim": "SGD Adam",
    "perturbation": "NodePerturbation",
    "plasticity": "WeightMirror",
    "schedules": "Schedule Constant Steps Exponential Plateau Cosine Warmup _FromCallable",
    "stepwise": "StepState",
    "trackers": "TensorBoardLogger MLflowLogger",
    "trainer": "Trainer",
}


@pytest.mark.parametrize("module", NAMES)
def test_classes_are_where_they_were(module):
    for name in NAMES[module].split():
        assert hasattr(import_module(f"fastfa.{module}"), name), name
