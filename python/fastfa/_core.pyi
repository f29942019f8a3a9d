"""Types of the compiled core."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

__version__: str
MOST_WEIGHT: float
ACTIVATIONS: tuple[str, ...]
ALIASES: Mapping[str, str]
LEAKY_SLOPE: float
LOSSES: tuple[str, ...]
MATRICES: Mapping[str, MatrixTraits]  # but for custom
ROUTES: tuple[str, ...]
MAGNITUDES: tuple[str, ...]
NOISY_LAYERS: tuple[str, ...]
NOISE_ON: tuple[str, ...]
PLASTICITIES: tuple[str, ...]
REDUCTIONS: tuple[str, ...]
RECURRENT_FEEDBACKS: tuple[str, ...]
TIME_UPDATES: tuple[str, ...]

def build_info() -> dict[str, Any]: ...
def set_num_threads(n: int) -> None: ...
def get_num_threads() -> int: ...
def permutation(n: int, seed: int, epoch: int) -> np.ndarray: ...
def philox4x32(counter: Sequence[int], key: Sequence[int]) -> tuple[int, int, int, int]: ...
def feedback_array(
    spec: FeedbackSpec, units: int, source: int, seed: int, layer: int
) -> np.ndarray: ...

class Distortion:
    def __init__(
        self,
        *,
        alpha: float,
        sigma: float,
        translate: float,
        rotate: float,
        scale: float,
        fill: float,
    ) -> None: ...

def distort(x: np.ndarray, how: Distortion, seed: int, epoch: int, first: int) -> np.ndarray: ...

class MatrixTraits:
    density: float
    follows_weights: bool
    learns: bool
    of_pattern: bool
    reads_weights_before_forward: bool
    runs_on_host: bool
    scaled: bool
    stored_dense: bool

class LocalSpec:
    def __init__(
        self,
        *,
        input: Sequence[int],
        maps: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        same: bool,
        patches: str,
    ) -> None: ...

class LayerSpec:
    def __init__(
        self,
        *,
        units: int,
        activation: str,
        weight_scale: float,
        bias: bool,
        trainable: bool,
        density: float,
        local: LocalSpec | None,
        dropout: float,
        leaky_slope: float,
        lr_scale: float = ...,
        decay_scale: float = ...,
        bias_lr_scale: float = ...,
        bias_decay_scale: float = ...,
        tau: float = ...,
        recurrent_scale: float = ...,
        recurrent_feedback: str = ...,
        recurrent_matrix: FeedbackSpec | None = ...,
        input_delay: int = ...,
        mask: np.ndarray | None = ...,
        both: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] | None = ...,
    ) -> None: ...

class Perturbation:
    sigma: float
    def __init__(self, *, sigma: float = ..., layers: str = ..., noise_on: str = ...) -> None: ...

class FeedbackSpec:
    def __init__(
        self,
        *,
        matrix: str,
        route: str,
        scale: float | None,
        gain: float,
        growth: float,
        before_slope: bool,
        array: np.ndarray | None,
        density: float,
        rank: int,
        magnitude: str,
        refresh: int,
        plasticity: str,
        mirror_growth: float,
        mirror_decay: float,
        mirror_noise: float,
        mirror_every: int,
        mirror_centred: bool,
        custom: Callable[[np.ndarray], np.ndarray] | None,
        in_bf16: bool,
    ) -> None: ...

class Optimizer:
    def __init__(self, kind: str, **settings: object) -> None: ...

class DeviceMatrix:
    def __init__(
        self, pointer: int, rows: int, cols: int, row_stride: int, owner: object
    ) -> None: ...
    def __len__(self) -> int: ...
    @property
    def pointer(self) -> int: ...
    @property
    def row_stride(self) -> int: ...
    @property
    def shape(self) -> tuple[int, int]: ...

_Matrix: TypeAlias = np.ndarray | DeviceMatrix

def read_dlpack(
    capsule: object,
) -> tuple[int, tuple[int, ...], tuple[int, ...] | None, str, object]: ...
def make_dlpack(array: np.ndarray, id: int) -> object: ...

class _Network:
    def __init__(
        self,
        *,
        inputs: int,
        layers: Sequence[LayerSpec],
        feedback: Sequence[FeedbackSpec],
        loss: str,
        seed: int,
        perturbation: Perturbation,
        input_dropout: float,
        device: str,
    ) -> None: ...
    @property
    def steps(self) -> int: ...
    def reaches(self, pointer: int, bytes: int, /) -> bool: ...
    def use_tf32(self, on: bool, /) -> None: ...
    def use_bf16(self, on: bool, /) -> None: ...
    def use_cublas(self, path: str, always: bool, /) -> None: ...
    def use_stream(self, stream: int, /) -> None: ...
    def stream(self) -> int: ...
    def wait_for(self, stream: int, /) -> None: ...
    def weights(self, layer: int) -> np.ndarray: ...
    def biases(self, layer: int) -> np.ndarray | None: ...
    def feedback(self, hidden: int) -> np.ndarray | None: ...
    def feedback_state(self, hidden: int) -> np.ndarray | None: ...
    def feedback_scale(self, hidden: int) -> float: ...
    def feedback_array(self, hidden: int) -> np.ndarray: ...
    def feedback_bytes(self, hidden: int) -> int: ...
    def set_feedback(
        self, feedback: Sequence[FeedbackSpec], perturbation: Perturbation
    ) -> None: ...
    def reset_memory(self) -> None: ...
    def progress(self) -> tuple[int, str, int, list[int]]: ...
    def set_progress(
        self, steps: int, memory: str, adam_steps: int, inverted: Sequence[int]
    ) -> None: ...
    def memory(self, part: str, layer: int, moment: int) -> np.ndarray | None: ...
    def kept_inverse(self, hidden: int) -> np.ndarray | None: ...
    def forward(self, x: _Matrix) -> np.ndarray: ...
    def activations(self, x: _Matrix) -> list[np.ndarray]: ...
    def deltas(
        self,
        x: _Matrix,
        y: _Matrix,
        feedback: Sequence[FeedbackSpec] | None = None,
        perturbation: Perturbation = ...,
        sample_weight: np.ndarray | None = None,
    ) -> list[np.ndarray]: ...
    def calibrate_feedback(
        self, x: _Matrix, y: _Matrix, gain: float, growth: float
    ) -> list[float]: ...
    def alignment(
        self, x: _Matrix, y: _Matrix, gradient: bool, matrices: bool, pseudobackprop: int
    ) -> list[dict[str, Any]]: ...
    def usable(self, value: object, cols: int, probabilities: bool) -> bool: ...
    def step(
        self, x: object, y: object, optimizer: Optimizer, probabilities: bool
    ) -> float | None: ...
    def forward_step(self, x: object) -> np.ndarray | None: ...
    def feedback_step(self, e: object, target: object) -> bool: ...
    def update_step(self, optimizer: Optimizer) -> None: ...
    def apply_error(self, e: object, optimizer: Optimizer, target: object) -> bool: ...
    def step_examples(self) -> int: ...
    def step_state(self) -> tuple[list[np.ndarray], list[np.ndarray] | None, bool] | None: ...
    def evaluate(
        self, x: _Matrix, y: _Matrix, sample_weight: np.ndarray | None = None
    ) -> tuple[float, float, float]: ...
    def train_sequences(
        self,
        x: np.ndarray,
        y: np.ndarray,
        times: int,
        optimizer: Optimizer,
        update: str,
        batch_size: int,
        order: np.ndarray,
        carry: bool,
        window: int,
        weight: np.ndarray | None,
    ) -> tuple[float, float, float]: ...
    def forward_sequences(self, x: np.ndarray, times: int) -> np.ndarray: ...
    def evaluate_sequences(
        self, x: np.ndarray, y: np.ndarray, times: int, weight: np.ndarray | None
    ) -> tuple[float, float, float]: ...
    def deltas_sequences(
        self,
        x: np.ndarray,
        y: np.ndarray,
        times: int,
        feedback: Sequence[FeedbackSpec] | None,
        through: str | None,
        weight: np.ndarray | None,
    ) -> np.ndarray: ...
    def reset(self) -> None: ...
    def begin_state(self, examples: int) -> None: ...
    def state(self) -> np.ndarray | None: ...
    def traces(self) -> np.ndarray | None: ...
    def past_inputs(self) -> np.ndarray | None: ...
    def time_layer(self, layer: int, n: int, repeats: int) -> float: ...
    def time_feedback(self, hidden: int, n: int, repeats: int) -> float: ...
    def train_epoch(
        self,
        x: _Matrix,
        y: _Matrix,
        optimizer: Optimizer,
        batch_size: int,
        order: np.ndarray,
        sample_weight: np.ndarray | None = None,
        loss_sum: float = 0.0,
        missed_sum: float = 0.0,
        weight_sum: float = 0.0,
    ) -> tuple[float, float, float, float]: ...

class NetworkFloat32(_Network): ...
class NetworkFloat64(_Network): ...

def train_sequences_together(
    networks: Sequence[_Network],
    x: np.ndarray,
    y: np.ndarray,
    times: int,
    optimizers: Sequence[Optimizer],
    update: str,
    batch_size: int,
    order: np.ndarray,
    carry: bool,
    window: int,
    weight: np.ndarray | None,
) -> list[tuple[float, float, float] | tuple[str, int, int, int]]: ...
def train_together(
    networks: Sequence[_Network],
    x: _Matrix,
    y: _Matrix,
    optimizers: Sequence[Optimizer],
    batch_size: int,
    order: np.ndarray,
    sample_weight: np.ndarray | None = None,
) -> list[tuple[float, float, float] | tuple[str, int, int, int]]: ...
