"""fastfa: feedback alignment and biologically plausible credit assignment, fast.

A network learns although its error returns through fixed random matrices B instead of the transposed
weights Wᵀ (Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276, 2016).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._core import __version__
from .device_array import DeviceArray
from .errors import CheckpointError, DeviceError, DivergenceError
from .feedback import Feedback
from .layers import (
    Activation,
    AvgPool2D,
    Conv2D,
    Dense,
    Dropout,
    LocallyConnected2D,
    MaxPool2D,
    Recurrent,
)
from .network import Evaluation, Network
from .optim import SGD, Adam, AdamW, RMSprop
from .perturbation import NodePerturbation
from .plasticity import WeightMirror
from .rules import PRESETS
from .runtime import build_info, get_num_threads, set_num_threads
from .stepwise import StepState

if TYPE_CHECKING:
    from . import data, experiments, interop, metrics, plots
    from . import sklearn as sklearn  # not in __all__: its package is an extra
    from .callbacks import (
        Alignment,
        AlignmentInTime,
        AveragedWeights,
        BestWeights,
        Callback,
        CSVLogger,
        EarlyStopping,
        JSONLLogger,
    )
    from .checkpoint import Checkpoint, load, save
    from .citations import citation
    from .comparison import Comparison, compare
    from .embed import get_cmake_dir, get_include, get_library_dir
    from .ensemble import Ensemble
    from .history import History
    from .schedules import Constant, Cosine, Exponential, Plateau, Schedule, Steps, Warmup
    from .trackers import MLflowLogger, TensorBoardLogger
    from .trainer import Trainer

__all__ = [
    "PRESETS",
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "Alignment",
    "AlignmentInTime",
    "AveragedWeights",
    "AvgPool2D",
    "BestWeights",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "CheckpointError",
    "Comparison",
    "Constant",
    "Conv2D",
    "Cosine",
    "Dense",
    "DeviceArray",
    "DeviceError",
    "DivergenceError",
    "Dropout",
    "EarlyStopping",
    "Ensemble",
    "Evaluation",
    "Exponential",
    "Feedback",
    "History",
    "JSONLLogger",
    "LocallyConnected2D",
    "MLflowLogger",
    "MaxPool2D",
    "Network",
    "NodePerturbation",
    "Plateau",
    "RMSprop",
    "Recurrent",
    "Schedule",
    "StepState",
    "Steps",
    "TensorBoardLogger",
    "Trainer",
    "Warmup",
    "WeightMirror",
    "__version__",
    "build_info",
    "citation",
    "compare",
    "data",
    "experiments",
    "get_cmake_dir",
    "get_include",
    "get_library_dir",
    "get_num_threads",
    "interop",
    "load",
    "metrics",
    "plots",
    "save",
    "set_num_threads",
]

# Loaded at first use: who only steps a network, in a simulator say, doesn't wait for the rest.
_MODULES = (
    "callbacks",
    "data",
    "experiments",
    "interop",
    "layers",
    "metrics",
    "plots",
    "schedules",
    "sklearn",
)
_LAZY = dict.fromkeys(_MODULES) | {
    "Alignment": "callbacks",
    "AlignmentInTime": "callbacks",
    "AveragedWeights": "callbacks",
    "BestWeights": "callbacks",
    "CSVLogger": "callbacks",
    "Callback": "callbacks",
    "EarlyStopping": "callbacks",
    "JSONLLogger": "callbacks",
    "Checkpoint": "checkpoint",
    "load": "checkpoint",
    "save": "checkpoint",
    "citation": "citations",
    "Comparison": "comparison",
    "compare": "comparison",
    "get_cmake_dir": "embed",
    "get_include": "embed",
    "get_library_dir": "embed",
    "Ensemble": "ensemble",
    "History": "history",
    "Constant": "schedules",
    "Cosine": "schedules",
    "Exponential": "schedules",
    "Plateau": "schedules",
    "Schedule": "schedules",
    "Steps": "schedules",
    "Warmup": "schedules",
    "MLflowLogger": "trackers",
    "TensorBoardLogger": "trackers",
    "Trainer": "trainer",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_LAZY[name] or name}", __name__)
    value = getattr(module, name) if _LAZY[name] else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})
