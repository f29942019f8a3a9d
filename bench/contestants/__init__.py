"""Who takes part: the interface that each contestant fills, and the list of them."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from tasks.workloads import Task, Workload

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
    needs: tuple[str, ...]  # importable modules, or module:attribute
    note: str
    tools: tuple[str, ...] = ()  # programs on the PATH, any one of which will do
    rule: str = "fa"  # what it must end with, by the name in reference.py
    checked: bool = True  # False: starts from weights of its own
    only: tuple[str, ...] = ()  # workloads it takes part in; empty: all
    against: str = ""  # a contestant whose time over this one's is reported too

    def missing(self) -> str | None:
        """Why this contestant cannot take part here, or None."""
        for need in self.needs:
            module, _, attribute = need.partition(":")
            if importlib.util.find_spec(module) is None:
                return f"{module} is not installed"
            if attribute and not hasattr(importlib.import_module(module), attribute):
                return f"not available: this {module} has no {attribute}"
        if self.tools and not any(shutil.which(tool) for tool in self.tools):
            return f"none of {', '.join(self.tools)} is on the PATH"
        return None

    def load(self, task: Task, threads: int) -> Contestant:
        return getattr(importlib.import_module(self.module), self.cls)(task, threads)


_TEN = ("mnist-ten-batch100", "mnist-ten-batch100-dense")
_OTHER = "another rule and start: "

ENTRIES = {
    entry.name: entry
    for entry in (
        Entry("fastfa", "contestants.fastfa", "FastFA", ("fastfa",), "net.train_epoch on the slice"),
        Entry(
            "fastfa-dfa", "contestants.fastfa", "FastFADirect", ("fastfa",),
            "direct feedback alignment", rule="dfa", only=_TEN, against="fastfa-bp",
        ),
        Entry(
            "fastfa-bp", "contestants.fastfa", "FastFABackprop", ("fastfa",), "backprop",
            rule="bp", only=_TEN,
        ),
        Entry(
            "torch-autograd", "contestants.torch", "TorchAutograd", ("torch",),
            "custom autograd.Function, fused SGD",
        ),
        Entry(
            "torch-manual", "contestants.torch", "TorchManual", ("torch",),
            "inference_mode, in-place addmm_, preallocated buffers",
        ),
        Entry(
            "torch-compile", "contestants.torch", "TorchCompile", ("torch",),
            "the manual step through torch.compile", ("c++", "g++", "clang++"),
        ),
        Entry(
            "biotorch", "contestants.biotorch", "BioTorch", ("torch", "biotorch"),
            "BioTorch's own FA Linear layers, fused SGD",
        ),
        Entry(
            "jax", "contestants.jax", "Jax", ("jax",),
            "all steps in one jitted lax.scan, parameters donated",
        ),
        Entry("numpy", "contestants.numpy", "NumPy", ("numpy",), "BLAS into preallocated buffers"),
        Entry(
            "sklearn", "contestants.sklearn", "ScikitLearn", ("sklearn",),
            _OTHER + "backprop by MLPClassifier or MLPRegressor, partial_fit", rule="bp",
            checked=False,
        ),
    )
}  # fmt: skip

# The same names where many small networks learn at once, so that --contestants means both.
ENSEMBLE_ENTRIES = {
    entry.name: entry
    for entry in (
        Entry(
            "fastfa", "contestants.replicas_fastfa", "Ensemble", ("fastfa:Ensemble",),
            "fa.Ensemble(networks).train_epoch on the slice",
        ),
        Entry(
            "fastfa-loop", "contestants.replicas_fastfa", "OneByOne", ("fastfa",),
            "net.train_epoch of each network in turn",
        ),
        Entry(
            "torch-manual", "contestants.replicas_torch", "TorchBmm", ("torch",),
            "inference_mode, bmm and baddbmm_ into preallocated buffers",
        ),
        Entry(
            "jax", "contestants.replicas_jax", "JaxVmap", ("jax",),
            "the step under vmap, all steps in one jitted lax.scan",
        ),
    )
}  # fmt: skip


def known_names() -> list[str]:
    return list(ENTRIES | ENSEMBLE_ENTRIES)


def entries_for(workload: Workload, names: list[str]) -> list[Entry]:
    """Those of `names` that take part in this workload."""
    entries = ENTRIES if workload.replicas == 1 else ENSEMBLE_ENTRIES
    chosen = [entries[name] for name in names if name in entries]
    return [entry for entry in chosen if not entry.only or workload.name in entry.only]
