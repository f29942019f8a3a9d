"""The network: a thin, checked face of the compiled core."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from . import _arguments, _check, _core
from .feedback import Feedback, FeedbackLike, resolve
from .layers import Dense
from .optim import SGD

_CORES = {"float32": _core.NetworkFloat32, "float64": _core.NetworkFloat64}


class Evaluation(NamedTuple):
    """Mean loss per example, and the fraction whose largest output is not their largest target."""

    loss: float
    error_rate: float


class Network:
    """A feed-forward network whose error returns through feedback matrices.

    Parameters
    ----------
    input : int or tuple of int
        Number of inputs, or their shape (H, W) or (C, H, W).
    layers : sequence of Dense
        From the first hidden layer to the output.
    feedback : str, Feedback, or a sequence with one for each hidden layer
        ``"bp"``, ``"fa"``, ``"dfa"``, ``"shallow"``, or any :class:`Feedback`.
    loss : {"squared_error", "cross_entropy"}
        ``squared_error`` is ½ Σ e² per example, with output delta e ∘ σ′(a); ``cross_entropy``
        (logistic or softmax outputs) has output delta e, the paper's rule for MNIST. e is target minus
        output, so deltas point downhill.
    seed : int
        In [0, 2⁶⁴). Weights and feedback are Philox streams of (seed, purpose, layer): a network is the
        same whatever else was drawn, on any machine.
    dtype : {"float32", "float64"}
    device : {"cpu"}

    Raises
    ------
    ValueError, TypeError
        If an argument is unknown, outside its range, or doesn't fit the others.

    Notes
    -----
    Calls give the same bits at any number of threads. An input that is exactly zero in a whole batch
    contributes nothing, and costs nothing. Subnormal numbers count as zero.

    Examples
    --------
    >>> import numpy as np, fastfa as fa
    >>> net = fa.Network(2, [fa.Dense(8, "tanh"), fa.Dense(1)], feedback="fa", seed=1)
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]); Y = np.array([[0], [1], [1], [0]])
    >>> first = net.step(X, Y, fa.SGD(0.5))
    >>> for _ in range(500): last = net.step(X, Y, fa.SGD(0.5))
    >>> last < 0.1 * first
    True
    """

    def __init__(
        self,
        input: int | Sequence[int],
        layers: Sequence[Dense],
        feedback: FeedbackLike = "fa",
        loss: Literal["squared_error", "cross_entropy"] = "squared_error",
        seed: int = 0,
        dtype: Any = "float32",
        device: Literal["cpu"] = "cpu",
    ) -> None:
        self.input_shape = _arguments.input_shape(input)
        self.input_size = math.prod(self.input_shape)
        self.layers = _arguments.layers(layers)
        self.loss = _check.choice("Network", "loss", loss, _core.LOSSES)
        self.seed = _check.integer("Network", "seed", seed, 0, 2**64 - 1)
        self.dtype = _arguments.dtype(dtype)
        self.device = _check.choice("Network", "device", device, ("cpu",))
        self._feedback = resolve(feedback, len(self.layers) - 1)
        sizes = [self.input_size, *(layer.units for layer in self.layers)]
        self._net = _CORES[self.dtype.name](
            inputs=self.input_size,
            layers=[layer._spec(n) for layer, n in zip(self.layers, sizes, strict=False)],
            feedback=[f._spec() for f in self._feedback],
            loss=self.loss,
            seed=self.seed,
        )

    def __repr__(self) -> str:
        sizes = "-".join(str(n) for n in (self.input_size, *(d.units for d in self.layers)))
        rules = ", ".join(dict.fromkeys(repr(f) for f in self._feedback)) or "no hidden layer"
        return f"<Network {sizes}, {self.loss}, {rules}, {self.dtype.name}, seed {self.seed}>"

    # ---- state ---------------------------------------------------------------------------------

    @property
    def output_size(self) -> int:
        """Number of output units."""
        return self.layers[-1].units

    @property
    def steps(self) -> int:
        """Updates made so far."""
        return self._net.steps

    @property
    def feedback(self) -> tuple[Feedback, ...]:
        """The feedback of each hidden layer."""
        return self._feedback

    @property
    def weights(self) -> list[np.ndarray]:
        """W of each layer, (n_out, n_in): writable views of the core's memory.

        They keep the network alive. The core stores weights input-major, so they are not C-contiguous.
        """
        return [self._net.weights(i) for i in range(len(self.layers))]

    @property
    def biases(self) -> list[np.ndarray | None]:
        """b of each layer, (n_out,): writable views; None for a layer without bias."""
        return [self._net.biases(i) for i in range(len(self.layers))]

    @property
    def feedback_matrices(self) -> list[np.ndarray]:
        """B of each hidden layer, (n_l, n_source).

        A writable view where B is stored dense; else ("transpose", "zero") a computed, read-only copy.
        """
        return [self._feedback_matrix(i) for i in range(len(self._feedback))]

    @property
    def feedback_scales(self) -> list[float]:
        """β (uniform) or standard deviation (normal) of each hidden layer's B; 0 for other kinds."""
        return [self._net.feedback_scale(i) for i in range(len(self._feedback))]

    def _feedback_matrix(self, layer: int) -> np.ndarray:
        stored = self._net.feedback(layer)
        if stored is not None:
            return stored
        rule = self._feedback[layer]
        if rule.matrix == "transpose":
            matrix = np.array(self._net.weights(layer + 1).T, order="C")
        else:
            source = self.layers[-1 if rule.route == "direct" else layer + 1].units
            matrix = np.zeros((self.layers[layer].units, source), self.dtype)
        matrix.setflags(write=False)
        return matrix

    def set_feedback(self, feedback: FeedbackLike) -> None:
        """Switch to other feedback; weights, biases and velocities stay.

        Random matrices are drawn from the network's seed, so switching away and back restores them.
        Arrays taken from ``feedback_matrices`` before stay valid, but are no longer in use.

        Raises
        ------
        ValueError, TypeError
            As for the constructor; the network is then unchanged.
        """
        rules = resolve(feedback, len(self.layers) - 1, "set_feedback")
        self._net.set_feedback([f._spec() for f in rules])
        self._feedback = rules

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all weights, biases and stored feedback matrices.

        Keys are ``weights.0``, ``biases.0``, ``feedback.0``, …; arrays are C-contiguous.
        """
        return {name: np.array(array, order="C") for name, array in self._arrays().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Write arrays as given by :meth:`state_dict`; velocities of momentum start again at zero.

        Raises
        ------
        ValueError, TypeError
            If a name is missing or unknown, or a shape or a value doesn't fit; nothing is then changed.
        """
        where = "load_state_dict"
        if not isinstance(state, Mapping):
            raise TypeError(f"[{where}] state was {state!r}; it must be a dict as of state_dict()")
        own = self._arrays()
        if missing := sorted(own.keys() - state.keys()):
            raise ValueError(f"[{where}] state lacks {', '.join(missing)}")
        if unknown := sorted(state.keys() - own.keys()):
            raise ValueError(f"[{where}] state has {', '.join(unknown)}, which the network has not")
        new = {}
        for name, array in own.items():
            new[name] = _check.numeric(where, name, state[name], self.dtype)
            if new[name].shape != array.shape:
                raise ValueError(
                    f"[{where}] {name} has shape {new[name].shape}; it must be {array.shape}"
                )
            _check.finite(where, name, new[name])
        for name, array in own.items():
            array[...] = new[name]
        self._net.reset_momentum()

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {f"weights.{i}": w for i, w in enumerate(self.weights)}
        arrays |= {f"biases.{i}": b for i, b in enumerate(self.biases) if b is not None}
        for i in range(len(self._feedback)):
            stored = self._net.feedback(i)
            if stored is not None:
                arrays[f"feedback.{i}"] = stored
        return arrays

    # ---- looking -------------------------------------------------------------------------------

    def forward(self, X: Any) -> np.ndarray:
        """Outputs, (N, n_out), for inputs X, (N, n_in) or (N, *input_shape).

        Raises
        ------
        ValueError, TypeError
            If X has the wrong shape or kind, or a value that is not finite. The same holds for X and
            Y of every other method.
        """
        return self._net.forward(self._x("forward", X))

    def activations(self, X: Any) -> list[np.ndarray]:
        """h of every layer, (N, n_l); the last is the output."""
        return self._net.activations(self._x("activations", X))

    def predict(self, X: Any) -> np.ndarray:
        """The unit with the largest output, int64 (N,); a tie goes to the lowest."""
        if self.output_size == 1:
            raise ValueError(
                "[predict] the network has 1 output; it must have 2 or more: use forward"
            )
        return self._net.forward(self._x("predict", X)).argmax(axis=1)

    def deltas(self, X: Any, Y: Any, feedback: FeedbackLike | None = None) -> list[np.ndarray]:
        """δ of every layer, (N, n_l), per example and downhill: not divided by N, not times η.

        Parameters
        ----------
        X, Y : array_like
            Inputs (N, n_in) and targets (N, n_out).
        feedback : optional
            Another feedback for this call only; ``"bp"`` asks what backprop would send on the same
            weights.
        """
        x, y = self._xy("deltas", X, Y)
        if feedback is None:
            return self._net.deltas(x, y, None)
        rules = resolve(feedback, len(self.layers) - 1, "deltas")
        return self._net.deltas(x, y, [f._spec() for f in rules])

    def evaluate(self, X: Any, Y: Any) -> Evaluation:
        """Mean loss and error rate on inputs X (N, n_in) and targets Y (N, n_out)."""
        x, y = self._xy("evaluate", X, Y)
        loss, wrong, n = self._net.evaluate(x, y)
        return Evaluation(loss, wrong / n)

    # ---- learning ------------------------------------------------------------------------------

    def step(self, X: Any, Y: Any, optimizer: SGD) -> float:
        """One update from the batch X (N, n_in), Y (N, n_out).

        Returns
        -------
        float
            Mean loss over the batch before the update.

        Raises
        ------
        DivergenceError
            If a value is NaN, infinite or too large to go on; the weights are those before the step.
        """
        x, y = self._apart(self._xy("step", X, Y))
        spec = _arguments.optimizer("step", optimizer)
        return self._net.train_epoch(x, y, spec, len(x), np.arange(len(x)))[0]

    def train_epoch(
        self, X: Any, Y: Any, optimizer: SGD, *, batch_size: int, order: Any = None
    ) -> float:
        """One pass over the examples, batch by batch, inside the compiled core.

        Parameters
        ----------
        X, Y : array_like
            Inputs (N, n_in) and targets (N, n_out). Arrays of the network's dtype that are
            C-contiguous are used as they are; others are copied first.
        optimizer : SGD
        batch_size : int
            Examples per update; 1 learns online. The last batch may be short.
        order : array_like of int, optional
            Which examples, in which order: indices into X, of any number. Default 0 … N−1.

        Returns
        -------
        float
            Mean loss over the examples, each measured just before its own batch's update.

        Raises
        ------
        DivergenceError
            If a value is NaN, infinite or too large to go on; the weights are those before that step.
        KeyboardInterrupt
            Within a second of Ctrl-C; the weights are those after the last whole step.
        """
        where = "train_epoch"
        x, y = self._apart(self._xy(where, X, Y))
        batch_size = _check.integer(where, "batch_size", batch_size, 1, 2**31 - 1)
        indices = np.arange(len(x)) if order is None else _arguments.order(order, len(x))
        return self._train_chunk(x, y, optimizer, batch_size, indices)[0]

    def _train_chunk(
        self, X: np.ndarray, Y: np.ndarray, optimizer: SGD, batch_size: int, order: np.ndarray
    ) -> tuple[float, float]:
        """train_epoch on arrays that were checked before; returns mean loss and error rate."""
        spec = _arguments.optimizer("train_epoch", optimizer)
        loss, wrong, n = self._net.train_epoch(X, Y, spec, batch_size, order)
        return loss, wrong / n

    # ---- arguments -----------------------------------------------------------------------------

    def _x(self, where: str, X: Any) -> np.ndarray:
        return _arguments.inputs(self, where, "X", X)

    def _xy(self, where: str, X: Any, Y: Any) -> tuple[np.ndarray, np.ndarray]:
        x = self._x(where, X)
        return x, _arguments.targets(self, where, "Y", Y, len(x))

    def _apart(self, arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        """The arrays; copies of those that lie in the network's own memory, which learning writes."""
        own = [a for a in (*self.weights, *self.biases) if a is not None]
        return tuple(
            a.copy() if a.base is not None and any(np.may_share_memory(a, b) for b in own) else a
            for a in arrays
        )
