"""What a network is made of: what it was made with, and its arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from .. import _core
from .._attributes import Guarded
from ..feedback import Feedback
from ..layers import Pooling, Weighted
from ..layers.recurrent import recurrent_place
from ..optim import Optimizer
from ..rules import Rules
from . import _arguments
from ._layer_arrays import LayerArrays

LossName = Literal["squared_error", "cross_entropy"]


class Parameters(Guarded):
    """The attributes of :class:`Network` that say what it was made with, and its parameters."""

    input_shape: tuple[int, ...]
    input_size: int
    layers: tuple[Weighted, ...]
    dropout: tuple[float, ...]
    pooling: tuple[tuple[Pooling, ...], ...]
    shapes: tuple[tuple[int, ...], ...]
    _below: tuple[tuple[int, ...], ...]
    loss: LossName
    seed: int
    dtype: np.dtype
    device: str
    matmul_precision: Literal["float32", "bf16", "tf32"]
    matmul_library: Literal["fastfa", "cublas", "fastest"]
    class_names: tuple[str, ...]
    _net: _core.NetworkFloat32 | _core.NetworkFloat64
    _converted: tuple[Optimizer | None, _core.Optimizer | None] = (None, None)
    _feedback: Rules

    @property
    def output_size(self) -> int:
        """Number of output units."""
        return math.prod(self.shapes[-1])

    def _optimizer_spec(self, where: str, optimizer: Optimizer) -> _core.Optimizer:
        """The optimizer as the core takes it, converted once for any number of calls with it."""
        given, spec = self._converted
        if optimizer is not given or spec is None:
            spec = _arguments.optimizer(where, optimizer)
            self._converted = optimizer, spec
        return spec

    @property
    def steps(self) -> int:
        """Updates made so far."""
        return self._net.steps

    @property
    def feedback(self) -> Rules:
        """The Feedback of each hidden layer, a tuple; or the network's NodePerturbation."""
        return self._feedback

    @property
    def weights(self) -> LayerArrays[np.ndarray]:
        """W of each layer, a tuple of writable views of the core's memory.

        ``net.weights[0] = array`` writes its values, as ``net.weights[0][...] = array`` does, after
        checking them. Dense (n_out, n_in); locally connected (maps, out_h, out_w, channels, kernel_h,
        kernel_w); convolutional (maps, channels, kernel_h, kernel_w). They keep the network alive. The
        core stores them in other orders, so they are not C-contiguous.
        """
        layers = range(len(self.layers))
        return LayerArrays([self._net.weights(i) for i in layers], "weights")

    @property
    def biases(self) -> LayerArrays[np.ndarray | Any]:
        """b of each layer, (n_out,), of a convolution (maps,), like `weights`; None without bias."""
        layers = range(len(self.layers))
        return LayerArrays([self._net.biases(i) for i in layers], "biases")

    @property
    def feedback_matrices(self) -> LayerArrays[np.ndarray]:
        """B of each hidden layer, (n_l, n_source), a tuple.

        Where pooling stands above the layer, n_l counts what it leaves: B leads there, and the pooling's
        derivative leads on to the layer's units.

        A writable view where B is stored dense ("uniform", "normal", "orthogonal", "array", and
        "sparse" above a density of 0.2; not with ``storage="bf16"``); else a computed, read-only copy,
        as the next batch would use it. Empty with node perturbation, which has no B.
        """
        return LayerArrays([self._feedback_matrix(i) for i in self._fed], "feedback_matrices")

    @property
    def recurrent_feedback_matrix(self) -> np.ndarray | None:
        """B_rec of the recurrent layer, (n, n), a read-only copy as it is now; None without one."""
        place = recurrent_place(self.layers)
        if place is None:
            return None
        rule = getattr(self.layers[place], "recurrent_feedback", None)
        n = self.shapes[place + 1][0]
        if isinstance(rule, Feedback) and rule._kind == "custom":
            matrix = rule._custom_array(n, n).astype(self.dtype)
        else:
            matrix = self._net.feedback_array(len(self.layers) - 1)
        matrix.setflags(write=False)
        return matrix

    @property
    def _learns_in_time(self) -> bool:
        """Whether B_rec learns, and so is state."""
        place = recurrent_place(self.layers)
        rule = None if place is None else getattr(self.layers[place], "recurrent_feedback", None)
        return isinstance(rule, Feedback) and rule.plasticity != "fixed"

    @property
    def feedback_scales(self) -> tuple[float, ...]:
        """The ``scale`` of each hidden layer's B as it came out; 0 for kinds without one."""
        return tuple(self._net.feedback_scale(i) for i in self._fed)

    @property
    def feedback_bytes(self) -> tuple[int, ...]:
        """Memory that each hidden layer's B takes, in bytes.

        0 where nothing is stored: "transpose", "zero", "procedural", "sign" with uniform magnitudes,
        and custom feedback, whose memory is its own. Empty with node perturbation.
        """
        return tuple(self._net.feedback_bytes(i) for i in self._fed)

    @property
    def _rules(self) -> tuple[Feedback, ...]:
        """The feedback of each hidden layer that has a feedback matrix."""
        return self._feedback if isinstance(self._feedback, tuple) else ()

    @property
    def _fed(self) -> range:
        """The hidden layers that have a feedback matrix."""
        return range(len(self._rules))

    def _feedback_matrix(self, layer: int) -> np.ndarray:
        stored = self._net.feedback(layer)
        if stored is not None:
            return stored
        rule = self._rules[layer]
        if rule._kind == "custom":
            source = self.shapes[layer + 2 if rule.route == "layerwise" else -1]
            units = math.prod(self._below[layer + 1])
            matrix = rule._custom_array(units, math.prod(source)).astype(self.dtype)
        else:
            matrix = self._net.feedback_array(layer)
        matrix.setflags(write=False)
        return matrix

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all weights, biases and feedback matrices that are stored dense.

        A B that is drawn and packed, or that follows the weights, comes back with them and the seed.
        Keys are ``weights.0``, ``biases.0``, ``feedback.0``, …, and ``feedback.recurrent`` for a B_rec
        that learns; arrays are C-contiguous. Velocities
        and step counts are not among them: `fastfa.save` keeps all.
        """
        return {name: np.array(array, order="C") for name, array in self._arrays().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Write arrays as given by :meth:`state_dict`; momentum and Adam start again.

        Raises
        ------
        ValueError, TypeError
            If a name is missing or unknown, or a shape or a value doesn't fit; nothing is then changed.
        """
        own = self._arrays()
        new = _arguments.state("load_state_dict", state, own)
        self._net.reset_memory()  # first: it refuses to be called from within propagate()
        for name, array in own.items():
            array[...] = new[name]
        self._net.reset_memory()  # again: it clears weights that don't exist

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {f"weights.{i}": w for i, w in enumerate(self.weights)}
        arrays |= {f"biases.{i}": b for i, b in enumerate(self.biases) if b is not None}
        for i in self._fed:
            stored = self._net.feedback_state(i)
            if stored is not None:
                arrays[f"feedback.{i}"] = stored
        if self._learns_in_time:
            stored = self._net.feedback_state(len(self.layers) - 1)
            assert stored is not None  # what learns is stored
            arrays["feedback.recurrent"] = stored
        return arrays
