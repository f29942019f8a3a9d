"""What is trained: one declaration per workload, and the task (weights, data) it stands for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from tasks.pixels import Source, load_digits

Array = np.ndarray

ACTIVATION = {
    "linear": lambda a: a,
    "logistic": lambda a: 1.0 / (1.0 + np.exp(-a)),
    "tanh": np.tanh,
}


@dataclass(frozen=True)
class Workload:
    """A network, its rule and its data. Layerwise feedback alignment, SGD, mean over the batch."""

    name: str
    sizes: tuple[int, ...]  # units of input, hidden and output layers
    activation: str  # of every layer: logistic | tanh | linear
    loss: str  # cross_entropy | squared_error
    lr: float  # η
    batch: int
    steps: int  # updates in the slice that each timed pass trains on
    weight_scale: tuple[float, ...]  # ω per layer: W ~ U(-ω, ω); biases start at 0
    feedback_scale: float  # β: B ~ U(-β, β)
    inputs: str  # pixels: in [0, 1] | dense: pixels with mean 0, sd 1 | normal: N(0, 1)
    targets: tuple[float, float] | None  # low, high of the one-hot code; None: a teacher's
    teacher: tuple[int, ...] = ()  # sizes of the network that gives y; empty: y = T x
    replicas: int = 1  # networks of other weights and other B that all see the same examples


_ONLINE = Workload(
    "mnist-online", (784, 1000, 10), "logistic", "cross_entropy", lr=0.1, batch=1, steps=500,
    weight_scale=(0.05, 0.05), feedback_scale=0.2, inputs="pixels", targets=(0.0, 1.0),
)  # fmt: skip
_BATCH = replace(_ONLINE, name="mnist-batch100", batch=100, steps=50)
_DEEP = Workload(
    "mnist-deep-batch100", (784, 1500, 1500, 1500, 10), "tanh", "squared_error", lr=0.01, batch=100,
    steps=50, weight_scale=(0.0357, 0.0258, 0.0258, 0.0258), feedback_scale=0.04,
    inputs="pixels", targets=(-0.9, 0.9),
)  # fmt: skip
# Variances 1/n_in for W and 1/1000 for B: neither h nor δ fades over ten layers.
_TEN = Workload(
    "mnist-ten-batch100", (784, *(1000,) * 10, 10), "tanh", "squared_error", lr=0.01, batch=100,
    steps=50, weight_scale=(0.0619, *(0.0548,) * 10), feedback_scale=0.0548,
    inputs="pixels", targets=(-0.9, 0.9),
)  # fmt: skip
# The paper's first rate. At 0.1 the first fifty updates of this network are chaotic: rounding grows
# until float32 and float64 end at different weights, and nobody's result could be checked.
_LINEAR = Workload(
    "linear-online", (30, 20, 10), "linear", "squared_error", lr=1e-3, batch=1, steps=10_000,
    weight_scale=(0.01, 0.01), feedback_scale=0.5, inputs="normal", targets=None,
)  # fmt: skip
_TANH = Workload(
    "tanh-online", (30, 20, 10, 10), "tanh", "squared_error", lr=0.01, batch=1, steps=10_000,
    weight_scale=(0.1, 0.1, 0.1), feedback_scale=0.5, inputs="normal", targets=None,
    teacher=(30, 20, 10, 10),
)  # fmt: skip
_REPLICAS = replace(_LINEAR, name="replicas-20", replicas=20, steps=2000)


def _dense_twin(workload: Workload) -> Workload:
    """The same with inputs that hold no exact zero, so that skipping zeros cannot help anyone."""
    return replace(workload, name=f"{workload.name}-dense", inputs="dense")


WORKLOADS = {
    workload.name: workload
    for workload in (
        _ONLINE,
        _dense_twin(_ONLINE),
        _BATCH,
        _dense_twin(_BATCH),
        _DEEP,
        _dense_twin(_DEEP),
        _TEN,
        _dense_twin(_TEN),
        _LINEAR,
        _TANH,
        _REPLICAS,
    )
}


@dataclass(frozen=True)
class Task:
    """A workload made concrete. Every contestant starts here and sees exactly these batches.

    Everything is C-contiguous float32. The examples already lie in the order of the visit: no
    contestant spends time on shuffling or gathering.
    """

    workload: Workload
    x: Array  # (steps, batch, n_in)
    y: Array  # (steps, batch, n_out)
    weights: tuple[Array, ...]  # W_l (n_l+1, n_l)
    biases: tuple[Array, ...]  # b_l (n_l+1,)
    feedback: tuple[Array, ...]  # B_l (n_l, n_l+1), one per hidden layer: δ_l = B_l δ_l+1 ∘ σ′
    source: Source  # where the inputs come from
    direct: tuple[Array, ...] = ()  # B_l (n_l, n_out) of the direct route: δ_l = B_l e ∘ σ′
    replicas: tuple[Task, ...] = ()  # of an ensemble: each alone; what stands above is the first

    @property
    def start(self) -> list[Array]:
        """W_0, b_0, W_1, b_1, …: the parameters before the first update, replica after replica."""
        if self.replicas:
            return [p for replica in self.replicas for p in replica.start]
        return [p for pair in zip(self.weights, self.biases, strict=True) for p in pair]


def make_task(workload: Workload, seed: int = 0) -> Task:
    """Draw weights and feedback, lay out the examples. The same bits for the same seed."""
    rng, rng_direct = np.random.default_rng(seed), np.random.default_rng((seed, 1))
    drawn = [_parameters(workload, rng, rng_direct) for _ in range(workload.replicas)]
    x, y, source = _examples(workload, rng)
    shape = (workload.steps, workload.batch, -1)
    x, y = x.reshape(shape), y.reshape(shape)
    tasks = [Task(workload, x, y, *given, source, direct) for *given, direct in drawn]
    return tasks[0] if len(tasks) == 1 else replace(tasks[0], replicas=tuple(tasks))


def _parameters(
    workload: Workload, rng: np.random.Generator, rng_direct: np.random.Generator
) -> tuple[tuple[Array, ...], ...]:
    """W, b, B and B of the direct route."""
    sizes, beta = workload.sizes, workload.feedback_scale
    weights = tuple(
        _uniform(rng, scale, (n_out, n_in))
        for scale, (n_in, n_out) in zip(workload.weight_scale, pairwise(sizes), strict=True)
    )
    biases = tuple(np.zeros(n, np.float32) for n in sizes[1:])
    feedback = tuple(_uniform(rng, beta, (n, n_source)) for n, n_source in pairwise(sizes[1:]))
    direct = tuple(_uniform(rng_direct, beta, (n, sizes[-1])) for n in sizes[1:-1])
    return weights, biases, feedback, direct


def _uniform(rng: np.random.Generator, scale: float, shape: tuple[int, int]) -> Array:
    return rng.uniform(-scale, scale, shape).astype(np.float32)


def _examples(workload: Workload, rng: np.random.Generator) -> tuple[Array, Array, Source]:
    n = workload.steps * workload.batch
    if workload.targets is None:
        return _taught(workload, rng, n)
    digits = load_digits(standardised=workload.inputs == "dense")
    rows = np.resize(rng.permutation(len(digits.labels)), n)  # repeats where the set is smaller
    low, high = workload.targets
    y = np.full((n, workload.sizes[-1]), low, np.float32)
    y[np.arange(n), digits.labels[rows]] = high
    x = np.ascontiguousarray(digits.x[rows])
    return x, y, replace(digits.source, zero_fraction=round(float(np.mean(x == 0)), 4))


def _taught(workload: Workload, rng: np.random.Generator, n: int) -> tuple[Array, Array, Source]:
    """x ~ N(0, 1), and what a fixed random function makes of it."""
    sizes = workload.sizes
    if not workload.teacher:
        teacher = rng.uniform(-1.0, 1.0, (sizes[-1], sizes[0]))  # T
        x = rng.standard_normal((n, sizes[0]))
        y, function = x @ teacher.T, "y = T x, T ~ U(-1, 1)"
    else:
        layers = pairwise(workload.teacher)
        teachers = [rng.uniform(-1.0, 1.0, (o, i)) * (3 / i) ** 0.5 for i, o in layers]
        x = y = rng.standard_normal((n, sizes[0]))
        for teacher in teachers:
            y = ACTIVATION[workload.activation](y @ teacher.T)
        function = f"y from a random {'-'.join(map(str, workload.teacher))} network"
    if workload.loss == "cross_entropy":
        y, function = 1 / (1 + np.exp(-y)), f"{function}, then logistic"
    source = Source("normal", f"drawn: x ~ N(0, 1), {function}", 0.0)
    return x.astype(np.float32), y.astype(np.float32), source
