"""PyTorch: networks as modules and back, and layers whose backward pass is our feedback.

>>> import fastfa as fa, torch
>>> model = torch.nn.Sequential(
...     torch.nn.Linear(784, 500), torch.nn.Tanh(),
...     fa.interop.torch.FeedbackLinear(500, 10, feedback=fa.Feedback("uniform", scale=0.2)))
"""

from __future__ import annotations

from .._peers import need

need("interop.torch", "torch", "PyTorch", "torch")

from ._alignment import alignment  # noqa: E402
from ._convert import from_module, to_module  # noqa: E402
from ._feedback import FeedbackLinear  # noqa: E402
from ._local import LocallyConnected2d  # noqa: E402
from ._mirror import mirror  # noqa: E402
from ._model import convert, revert  # noqa: E402
from ._perturb import perturb  # noqa: E402
from ._sources import targets  # noqa: E402

__all__ = [
    "FeedbackLinear",
    "LocallyConnected2d",
    "alignment",
    "convert",
    "from_module",
    "mirror",
    "perturb",
    "revert",
    "targets",
    "to_module",
]


def __dir__() -> list[str]:
    return sorted(__all__)
