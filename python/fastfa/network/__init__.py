"""The network: a thin, checked face of the compiled core."""

from .inspection import Evaluation
from .network import Network

__all__ = ["Evaluation", "Network"]


def __dir__() -> list[str]:
    return sorted(__all__)
