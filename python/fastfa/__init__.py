"""fastfa: feedback alignment and biologically plausible credit assignment, fast.

A network learns although its error returns through fixed random matrices B instead of the transposed
weights Wᵀ (Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276, 2016).
"""

from __future__ import annotations

from . import data, metrics
from ._core import __version__
from .callbacks import (
    Alignment,
    BestWeights,
    Callback,
    CSVLogger,
    EarlyStopping,
    JSONLLogger,
)
from .errors import DivergenceError
from .feedback import PRESETS, Feedback
from .history import History
from .layers import Dense
from .network import Evaluation, Network
from .optim import SGD
from .runtime import build_info, get_num_threads, set_num_threads
from .schedules import Constant, Exponential, Plateau, Schedule, Steps
from .trainer import Trainer

__all__ = [
    "PRESETS",
    "SGD",
    "Alignment",
    "BestWeights",
    "CSVLogger",
    "Callback",
    "Constant",
    "Dense",
    "DivergenceError",
    "EarlyStopping",
    "Evaluation",
    "Exponential",
    "Feedback",
    "History",
    "JSONLLogger",
    "Network",
    "Plateau",
    "Schedule",
    "Steps",
    "Trainer",
    "__version__",
    "build_info",
    "data",
    "get_num_threads",
    "metrics",
    "set_num_threads",
]
