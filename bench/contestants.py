"""Who takes part: the interface that each contestant fills, and the list of them."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from workloads import Task

SUBJECT = "fastfa"  # ratios are peer / subject


class Contestant(ABC):
    """One implementation of a task's training loop. Construction is never timed."""

    def __init__(self, task: Task, threads: int) -> None:
        self.task = task
        self.threads = threads

    @abstractmethod
    def reset(self) -> None:
        """Put the parameters back to `task.start`."""

    @abstractmethod
    def train(self, steps: int) -> None:
        """One update on each of the first `steps` batches, in order; return when all are done."""

    @abstractmethod
    def parameters(self) -> list[np.ndarray]:
        """W_0 (n_1, n_0), b_0 (n_1,), W_1, b_1, …: the current parameters as NumPy arrays."""


@dataclass(frozen=True)
class Entry:
    """How to find a contestant and what it says about itself in the report."""

    name: str
    module: str
    cls: str
    needs: tuple[str, ...]  # importable modules
    note: str
    tools: tuple[str, ...] = ()  # programs on the PATH, any one of which will do

    def missing(self) -> str | None:
        """Why this contestant cannot take part here, or None."""
        for module in self.needs:
            if importlib.util.find_spec(module) is None:
                return f"{module} is not installed"
        if self.tools and not any(shutil.which(tool) for tool in self.tools):
            return f"none of {', '.join(self.tools)} is on the PATH"
        return None

    def load(self, task: Task, threads: int) -> Contestant:
        return getattr(importlib.import_module(self.module), self.cls)(task, threads)


ENTRIES = {
    entry.name: entry
    for entry in (
        Entry("fastfa", "contestant_fastfa", "FastFA", ("fastfa",), "net.train_epoch on the slice"),
        Entry(
            "torch-autograd", "contestant_torch", "TorchAutograd", ("torch",),
            "custom autograd.Function, fused SGD",
        ),
        Entry(
            "torch-manual", "contestant_torch", "TorchManual", ("torch",),
            "inference_mode, in-place addmm_, preallocated buffers",
        ),
        Entry(
            "torch-compile", "contestant_torch", "TorchCompile", ("torch",),
            "the manual step through torch.compile", ("c++", "g++", "clang++"),
        ),
        Entry(
            "biotorch", "contestant_biotorch", "BioTorch", ("torch", "biotorch"),
            "BioTorch's own FA Linear layers, fused SGD",
        ),
        Entry(
            "jax", "contestant_jax", "Jax", ("jax",),
            "all steps in one jitted lax.scan, parameters donated",
        ),
        Entry("numpy", "contestant_numpy", "NumPy", ("numpy",), "BLAS into preallocated buffers"),
    )
}  # fmt: skip
