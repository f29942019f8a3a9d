"""The name by which pickles of earlier versions know `fastfa.StepState`."""

from .network.stepwise import StepState

__all__ = ["StepState"]
