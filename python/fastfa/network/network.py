"""The network: a thin, checked face of the compiled core."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from .. import _check, _core
from ..layers import Layer
from ..optim import Optimizer
from ..rules import FeedbackLike, in_time, resolve, specs
from . import _arguments, _cublas
from ._stacked import stacked
from .copies import Copies
from .inspection import Inspection
from .on_device import OnDevice
from .parameters import LossName
from .sequences import Sequences
from .stepwise import Stepwise

_CORES: dict[str, type[_core.NetworkFloat32] | type[_core.NetworkFloat64]] = {
    "float32": _core.NetworkFloat32,
    "float64": _core.NetworkFloat64,
}


class Network(Inspection, Stepwise, Sequences, OnDevice, Copies):
    """A feed-forward network whose error returns through feedback matrices.

    Parameters
    ----------
    input : int or tuple of int
        Number of inputs, or their shape (H, W) or (C, H, W).
    layers : sequence of Dense, LocallyConnected2D, Conv2D, AvgPool2D, MaxPool2D and Dropout
        From the first hidden layer to the output. Those with weights are counted; what stands above
        them, pooling and dropout, belongs to the layer below it. One may be a :class:`Recurrent`, with
        dense layers above it: then the network learns from sequences, by `train_sequences`.
    feedback : str, Feedback, a sequence with one for each hidden layer, or NodePerturbation
        Hidden layers are those with weights. A name of ``fastfa.PRESETS`` (``"fa"``, ``"bp"``,
        ``"dfa"``, ``"kp"``, …), any :class:`Feedback`, an object with ``propagate(delta)`` (see there),
        or, for the network as a whole, :class:`NodePerturbation`. For a recurrent layer also ``"rflo"``,
        ``"bptt"`` and ``"random_bptt"``.
    loss : {"squared_error", "cross_entropy"}
        ``squared_error`` is ½ Σ e² per example, with output delta e ∘ σ′(a); ``cross_entropy``
        (logistic or softmax outputs) has output delta e, the paper's rule for MNIST. e is target minus
        output, so deltas point downhill.
    seed : int
        In [0, 2⁶⁴). Weights and feedback are Philox streams of (seed, purpose, layer): a network is the
        same whatever else was drawn, on any machine.
    dtype : {"float32", "float64"}
    device : str
        ``"cpu"``; ``"cuda"`` or ``"cuda:1"``: an NVIDIA GPU on Linux, if this build has CUDA
        (``fastfa.build_info()["cuda"]``). Weights, feedback and activations then live there; ``weights``
        and the other views still show and change them. Results equal the CPU's up to rounding.
    matmul_precision : {"float32", "bf16", "tf32"}
        ``"bf16"``, for float32 on the CPU: large products of dense layers and convolutions have factors
        rounded to bf16, 8 bits, and float32 sums; weights stay float32 (docs/precision.md).
        ``"tf32"``, for float32 on a GPU: products of matrices of at least 32 rows and columns on tensor
        cores, with factors rounded to 10 bits of mantissa (relative error about 1e-3) and float32 sums.
    matmul_library : {"fastfa", "cublas", "fastest"}
        Who forms the products of dense layers on a GPU: fastfa; NVIDIA's cuBLAS (12 or later, extra
        ``[cublas]``); or, for each shape of product, the one that takes less time, measured when it
        first occurs (up to rounding, results then depend on that).

    Raises
    ------
    ValueError, TypeError
        If an argument is unknown, outside its range, or doesn't fit the others.
    DeviceError
        If the device isn't to be had; it says what is missing.

    Notes
    -----
    Calls give the same bits at any number of threads. An input that is exactly zero in a whole batch
    contributes nothing, and costs nothing. Subnormal numbers count as zero.

    Copies (``copy``, ``pickle``, and so joblib, Dask and multiprocessing) share nothing with the network
    and go on in the same bits: they have all that `fastfa.save` keeps, and feedback objects of yours,
    if these can be pickled. A pickled network is made again on the same ``device``; a stream of yours
    doesn't go along.

    What a network was made with can be read under the same names. It can't be assigned: what changes
    are the values in `weights`, `biases` and `feedback_matrices`, and `set_feedback` changes the rule.

    ``class_names`` can be assigned: what the outputs stand for, in their order, ``()`` if that has no
    names. `Trainer.fit` assigns it where labels are names. With it, Y may be names wherever a method
    takes targets. Integers and truth values, (N,), may be given there too; they are labels, whose
    targets are 0 and 1, or −0.9 and 0.9 for tanh outputs.

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

    _checkpoint_kind: ClassVar[str] = "network"
    _SETTINGS = {"class_names": _arguments.class_names}  # noqa: RUF012 (Guarded's)
    _INSTEAD: ClassVar[dict[str, str]] = {
        "": "it is fixed when the network is made; make another Network, and give it this one's "
        "state_dict() if that fits",
        "feedback": "use set_feedback(feedback), which keeps the weights",
        "weights": "write into its arrays, net.weights[0][...] = array, or use load_state_dict",
        "biases": "write into its arrays, net.biases[0][...] = array, or use load_state_dict",
        "feedback_matrices": "write into its arrays, net.feedback_matrices[0][...] = array, or use "
        "set_feedback(fastfa.Feedback('array', array=array))",
        "recurrent_feedback_matrix": "it follows from the recurrent layer; make another Network",
        "feedback_scales": "it follows from the feedback; use set_feedback",
        "feedback_bytes": "it follows from the feedback; use set_feedback",
        "steps": "it counts the updates made; make another Network to begin at 0",
        "hidden_state": "write into it, net.hidden_state[...] = array, or use reset()",
        "state": "it shows the step in parts that is going on; use forward_step and feedback_step",
    }

    def __init__(
        self,
        input: int | Sequence[int],
        layers: Sequence[Layer],
        feedback: FeedbackLike = "fa",
        loss: LossName = "squared_error",
        seed: int = 0,
        dtype: Any = "float32",
        device: str = "cpu",
        matmul_precision: Literal["float32", "bf16", "tf32"] = "float32",
        matmul_library: Literal["fastfa", "cublas", "fastest"] = "fastfa",
    ) -> None:
        shape = _arguments.input_shape(input)
        weighted, dropout, pooling = _arguments.layers(layers)
        self._set(
            input_shape=shape,
            input_size=math.prod(shape),
            layers=weighted,
            dropout=dropout,
            pooling=pooling,
            loss=_check.choice("Network", "loss", loss, _core.LOSSES),
            seed=_check.integer("Network", "seed", seed, 0, 2**64 - 1),
            dtype=_arguments.dtype(dtype),
            device=_arguments.device(device),
            matmul_precision=_check.choice(
                "Network", "matmul_precision", matmul_precision, ("float32", "bf16", "tf32")
            ),
            matmul_library=_check.choice(
                "Network", "matmul_library", matmul_library, ("fastfa", "cublas", "fastest")
            ),
        )
        feedback = in_time(feedback, weighted, "Network")
        self._feedback = resolve(feedback, len(self.layers) - 1)
        built = stacked(shape, weighted, dropout, pooling)
        self._set(shapes=tuple(built.shapes), _below=tuple(built.below))
        self.class_names = ()
        matrices, perturbation = specs(self._feedback)
        self._net = _CORES[self.dtype.name](
            inputs=self.input_size,
            layers=built.specs,
            feedback=matrices,
            loss=self.loss,
            seed=self.seed,
            perturbation=perturbation,
            input_dropout=built.input_dropout,
            device=self.device,
        )
        if matmul_precision == "tf32":
            self._net.use_tf32(True)
        if matmul_precision == "bf16":
            self._net.use_bf16(True)
        if matmul_library != "fastfa":
            path = _cublas.path(self.device)
            self._net.use_cublas(path, matmul_library == "cublas")

    def _make(self, *given: Any, **options: Any) -> None:
        Network.__init__(self, *given, **options)

    def __repr__(self) -> str:
        sizes = "-".join(str(math.prod(shape)) for shape in self.shapes)
        given = self._feedback if isinstance(self._feedback, tuple) else (self._feedback,)
        rules = ", ".join(dict.fromkeys(map(repr, given))) or "no hidden layer"
        return f"<Network {sizes}, {self.loss}, {rules}, {self.dtype.name}, seed {self.seed}>"

    def _repr_html_(self) -> str:
        from .. import _html  # for notebooks alone

        return _html.network(self)

    def set_feedback(self, feedback: FeedbackLike) -> None:
        """Switch to other feedback; weights, biases and velocities stay.

        Random matrices are drawn from the network's seed, so switching away and back restores them.
        Arrays taken from ``feedback_matrices`` before stay valid, but are no longer in use.

        Raises
        ------
        ValueError, TypeError
            As for the constructor; the network is then unchanged.
        """
        feedback = in_time(feedback, self.layers, "set_feedback")
        rules = resolve(feedback, len(self.layers) - 1, "set_feedback")
        self._net.set_feedback(*specs(rules))
        self._feedback = rules

    def calibrate_feedback(
        self, X: Any, Y: Any, *, gain: float, growth: float = 1.0
    ) -> tuple[float, ...]:
        """Give B the size at which the errors on these examples have the magnitude that is asked for.

        Each hidden layer's B is multiplied by a number, so that the root mean square of δ, after ∘ σ′,
        is ``gain`` times that of the output's δ in the last hidden layer, and in each layer below it
        ``growth`` times that of the layer above. Weights stay, and so do the directions of B.

        Parameters
        ----------
        X, Y : array_like
            Inputs (N, n_in) and targets (N, n_out); a few hundred training examples will do.
        gain : float
            Above 0. Times η it acts as the hidden layers' learning rate.
        growth : float
            Above 0; 1 for errors of the same magnitude in all layers, the paper's rule (supplement,
            Note 5).

        Returns
        -------
        tuple of float
            The new ``feedback_scales``. ``feedback`` says them too: with ``scale=`` these numbers
            another network has the same B.

        Raises
        ------
        ValueError, TypeError
            If a layer's feedback has no size of its own (it follows the weights, sends nothing, or is
            an object of yours), if its δ is zero on all these examples, or if an argument is outside
            its range; the network is then unchanged.

        Notes
        -----
        Dropout doesn't act here, as in `deltas`. A B that has learned, or was written to, is multiplied
        as it is; one that was drawn is drawn again with the new scale.
        """
        where = "calibrate_feedback"
        x, y = self._xy(where, X, Y)
        gain = _check.real(where, "gain", gain, open_low=True)
        growth = _check.real(where, "growth", growth, open_low=True)
        scales = tuple(self._net.calibrate_feedback(x, y, gain, growth))
        self._feedback = tuple(
            rule._with_scale(scales[i])
            if rule.array is None
            else rule._changed(array=self._feedback_matrix(i))
            for i, rule in enumerate(self._rules)
        )
        return scales

    # ---- learning ------------------------------------------------------------------------------

    def step(self, X: Any, Y: Any, optimizer: Optimizer, *, sample_weight: Any = None) -> float:
        """One update by an optimizer from the batch X (N, n_in), Y (N, n_out).

        Parameters
        ----------
        X, Y : array_like
            Inputs and targets.
        optimizer : SGD, Adam, AdamW or RMSprop
        sample_weight : array_like, optional
            w (N,), in main memory: what each example counts, finite, from 0 to 1e14. None: 1 each, with
            the very same bits as an array of ones. w multiplies the example's loss and output delta.
            The hidden deltas are carried from there, so they have the weight too. With the route
            ``"target"``, which carries no error, w multiplies what is carried of the target, so that all
            deltas of an example have its weight. An example of weight 0 changes nothing. One of weight 2
            is the same as two in the batch's sum.

        Returns
        -------
        float
            Mean loss over the batch before the update: Σ wᵢ Lᵢ / Σ wᵢ, NaN if all weights are 0.

        Raises
        ------
        DivergenceError
            If a value is NaN, infinite or too large to go on, a delta also with its weight; the weights
            are those before the step.

        Notes
        -----
        The gradient Σ wᵢ δᵢ hᵢᵀ is divided by the number of examples N and not by Σ wᵢ (with
        ``reduction="sum"`` by nothing). So weights keep their meaning in a batch of one example, of one
        class or of one weight. Weight decay and momentum are the same with any weights.
        """
        spec = self._optimizer_spec("step", optimizer)
        if sample_weight is None:
            loss = self._net.step(X, Y, spec, self.loss == "cross_entropy")
            if loss is not None:
                return loss
        x, y = self._apart("step", self._xy("step", X, Y))
        if sample_weight is None:
            return self._net.train_epoch(x, y, spec, len(x), np.arange(len(x)))[0]
        weights = _arguments.sample_weight(self, "step", sample_weight, len(x))
        return self._net.train_epoch(x, y, spec, len(x), np.arange(len(x)), weights)[0]

    def train_epoch(
        self,
        X: Any,
        Y: Any,
        optimizer: Optimizer,
        *,
        batch_size: int,
        order: Any = None,
        sample_weight: Any = None,
    ) -> float:
        """One pass over the examples, batch by batch, inside the compiled core.

        Parameters
        ----------
        X, Y : array_like
            Inputs (N, n_in) and targets (N, n_out). Arrays of the network's dtype that are
            C-contiguous are used as they are; others are copied first. Arrays in the memory of the
            network's GPU, of any library with DLPack or ``__cuda_array_interface__``, are used where
            they are: they must have its dtype, and contiguous examples.
        optimizer : SGD, Adam, AdamW or RMSprop
        batch_size : int
            Examples per update; 1 learns online. The last batch may be short.
        order : array_like of int, optional
            Which examples, in which order: indices into X, of any number. Default 0 … N−1.
        sample_weight : array_like, optional
            (N,): what each row of X counts, as for :meth:`step`.

        Returns
        -------
        float
            Mean loss over the examples, each measured just before its own batch's update; with weights,
            their weighted mean.

        Raises
        ------
        DivergenceError
            If a value is NaN, infinite or too large to go on; the weights are those before that step.
        KeyboardInterrupt
            Within a second of Ctrl-C; the weights are those after the last whole step.
        """
        where = "train_epoch"
        x, y = self._apart(where, self._xy(where, X, Y))
        batch_size = _check.integer(where, "batch_size", batch_size, 1, 2**31 - 1)
        indices = np.arange(len(x)) if order is None else _arguments.order(order, len(x))
        weights = _arguments.sample_weight(self, where, sample_weight, len(x))
        return self._train_chunk(x, y, optimizer, batch_size, indices, sample_weight=weights)[0]

    def _train_chunk(
        self,
        X: np.ndarray,
        Y: np.ndarray,
        optimizer: Optimizer,
        batch_size: int,
        order: np.ndarray,
        sums: tuple[float, float, float] = (0.0, 0.0, 0.0),
        sample_weight: np.ndarray | None = None,
    ) -> tuple[float, tuple[float, float, float]]:
        """train_epoch on arrays that were checked before.

        Returns the mean loss, and ``sums`` with each example's loss, weight if it was wrong, and weight
        added in turn: the same wherever an epoch is cut.
        """
        spec = self._optimizer_spec("train_epoch", optimizer)
        loss, *rest = self._net.train_epoch(X, Y, spec, batch_size, order, sample_weight, *sums)
        return loss, (rest[0], rest[1], rest[2])
