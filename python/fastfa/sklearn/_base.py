"""What the two estimators share: parameters, training, and how they travel between processes."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import _check
from ..callbacks import EarlyStopping
from ..history import History
from ..interop._matrices import changed
from ..layers import ActivationName, Dense, Layer
from ..network import Network, _arguments
from ..network.parameters import LossName
from ..optim import BY_NAME, OPTIMIZERS, Optimizer, owners
from ..rules import resolve
from ..trainer import Trainer
from ._going_on import check_unchanged, kept, same
from ._own_names import own_names
from ._weights import checked, relative

PARAMETERS = """
    hidden_layer_sizes : int or sequence
        Units of each hidden layer; layers of fastfa's (``LocallyConnected2D``, ``Conv2D``,
        ``Dropout``, …) may stand among them and are taken as they are.
    activation : str, optional
        Of the hidden layers that are given as numbers; as for ``fastfa.Dense``. Default "relu"; of a
        classifier with the route "target" (drtp) "tanh", for targets of classes are never negative and
        would push relu units until they die.
    feedback : str, Feedback, a sequence with one for each hidden layer, or NodePerturbation
        As for ``fastfa.Network``: "fa", "bp", "dfa", …
    gain : float, optional
        Of the feedback, where its scale is "equal_error".
    weight_scale : float, optional
        The paper's ω; default 1/√n_in.
    optimizer : {"sgd", "adam", "adamw", "rmsprop"}, or an optimizer of fastfa
        One such as ``fastfa.AdamW(0.001, beta2=0.99)`` says all by itself: then ``learning_rate`` and
        ``weight_decay`` must be None, and ``momentum`` 0.
    learning_rate : float, optional
        η; default 0.1 for SGD, 0.001 for the others.
    momentum : float
        α in [0, 1), for SGD; by name, the others ignore it.
    weight_decay : float, optional
        γ; default 0.01 for AdamW, 0 for the others.
    schedule : optional
        As for ``fastfa.Trainer``: how η changes from epoch to epoch.
    batch_size : int
        Examples per update; 1 learns online.
    max_epochs : int
        Epochs that one ``fit`` trains at most.
    shuffle : bool
        Whether each epoch takes the examples in an order of its own.
    early_stopping : bool
        Whether ``validation_fraction`` of the examples is held out, and the loss on them decides when
        to end; the network then ends with its best weights. Else the training loss decides.
    validation_fraction : float
        In (0, 1).
    n_iter_no_change : int or None
        Training ends when the loss hasn't fallen by more than ``tol`` below its best for this many
        epochs in a row. None: it runs for ``max_epochs``.
    tol : float
        In units of the loss.
    image_shape : (H, W) or (C, H, W), optional
        What a row of X is, for layers that look at patches of an image.
    dtype : {"float32", "float64"}, optional
        In which the network computes; default that of X, float64 if X is neither.
    matmul_precision : {"float32", "bf16"}
        As of `fastfa.Network`; bf16 needs the dtype float32.
    random_state : int, RandomState or None
        Seed of weights, feedback, shuffles and the validation split. An integer is the seed of the
        network itself.
    warm_start : bool
        Whether another ``fit`` goes on with the network of the one before. The notes say which
        parameters may have changed in between.
    verbose : bool
        Whether to show a progress bar.
"""

NOTES = """
    A sample weight, times the class weight, multiplies an example's output error: it is the
    ``sample_weight`` of ``fastfa.Network.step``.

    ``fit`` divides weights by their mean over the examples that it trains on. So the learning rate means
    the same with any weights. Rows of weight 0 are left out. In a batch that holds all examples, whole
    numbers are the same as repeated rows.

    ``partial_fit`` takes weights as they are, as scikit-learn's SGDClassifier does, for one batch can't
    know the mean of all. So batches of one class, or of one weight, keep what they weigh.

    Losses are weighted means, also that by which ``early_stopping`` judges. ``weight_decay`` is the same
    with any weights.

    With ``warm_start``, and in ``partial_fit``, a network goes on learning. A changed parameter is
    then honoured: ``feedback`` and ``gain`` by new feedback matrices. Those from which the network was
    built are refused by a ValueError: its layers and their first weights, ``image_shape``, ``dtype``,
    ``matmul_precision``, ``random_state``, and what its output and loss are.

    Copies and pickles of an estimator carry its network with the optimizer's memory: they go on in the
    same bits.
"""

# What a network is built from, and can't change.
BUILT_FROM = (
    "hidden_layer_sizes",
    "activation",
    "weight_scale",
    "image_shape",
    "dtype",
    "matmul_precision",
    "random_state",
)


class FeedbackAlignment(BaseEstimator):
    """The part that doesn't depend on what y is; see its two subclasses."""

    _built_from: tuple[str, ...] = BUILT_FROM
    network_: Network
    history_: History
    _seed_: int

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: ActivationName | None = None,
        *,
        feedback: Any = "fa",
        gain: float | None = None,
        weight_scale: float | None = None,
        optimizer: str | Optimizer = "adam",
        learning_rate: float | None = None,
        momentum: float = 0.0,
        weight_decay: float | None = None,
        schedule: Any = None,
        batch_size: int = 32,
        max_epochs: int = 200,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = 10,
        tol: float = 1e-4,
        image_shape: Sequence[int] | None = None,
        dtype: str | None = None,
        matmul_precision: Any = "float32",
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.feedback = feedback
        self.gain = gain
        self.weight_scale = weight_scale
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.image_shape = image_shape
        self.dtype = dtype
        self.matmul_precision = matmul_precision
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    # ---- training --------------------------------------------------------------------------------

    def _validated(self, X: Any, y: Any, *, reset: bool, **options: Any) -> tuple[Any, Any]:
        """X (N, n_in), C-contiguous and of the network's dtype, and y."""
        self._unmasked(X=X, y=y)
        dtype: Any
        if not reset:
            dtype = self.network_.dtype
        elif self.dtype is None:
            dtype = [np.float64, np.float32]  # the first, unless X is the second
        else:
            dtype = np.dtype(_check.choice("fit", "dtype", self.dtype, ("float32", "float64")))
        return validate_data(self, X, y, reset=reset, dtype=dtype, order="C", **options)

    def _unmasked(self, **arrays: Any) -> None:
        for name, value in arrays.items():
            _check.unmasked(type(self).__name__, name, value)

    def _weights(self, sample_weight: Any, X: np.ndarray) -> np.ndarray | None:
        if sample_weight is None:
            return None
        self._unmasked(sample_weight=sample_weight)
        return _check_sample_weight(sample_weight, X, dtype=np.float64)

    def _learn(
        self,
        X: np.ndarray,
        Y: np.ndarray,
        weights: np.ndarray | None,
        *,
        fresh: bool,
        epochs: int | None = None,
        strata: np.ndarray | None = None,
    ) -> None:
        """Train on Y (N, n_out), a new network if ``fresh``; ``epochs`` is partial_fit's."""
        if weights is not None:
            weights = checked(weights, some=epochs is None)
        if fresh:
            seed, rules = self._seed(), None
            network, history = self._network(X, Y.shape[1], seed), History()
        else:
            seed, network, history = self._seed_, self.network_, self.history_
            rules = self._other_feedback()
        train, validation, callbacks = (X, Y, weights), None, []
        if epochs is None:
            train, validation = self._parts(X, Y, weights, seed, strata)
        if epochs is None and self.n_iter_no_change is not None:
            loss = "train_loss" if validation is None else "validation_loss"
            with own_names(min_delta="tol", patience="n_iter_no_change"):
                callbacks = [EarlyStopping(loss, self.n_iter_no_change, self.tol, bool(validation))]
        with own_names(epochs="max_epochs", lr="learning_rate"):
            trainer = Trainer(
                network,
                self._optimizer(),
                batch_size=self.batch_size,
                epochs=self.max_epochs if epochs is None else epochs,
                shuffle=self.shuffle,
                seed=seed,
                schedule=self.schedule,
                callbacks=callbacks,
                progress=bool(self.verbose),
            )
        trainer.history, trainer.epoch = history, len(history)  # shuffles and schedule go on
        if rules is not None:
            network.set_feedback(rules)
        if weights is None or weights.any():  # else there is nothing to learn
            trainer.fit(train, validation=validation)
        self._seed_, self.network_, self.history_ = seed, network, history
        self._made_with_ = {name: kept(value) for name, value in self.get_params(False).items()}
        self.n_iter_ = len(history)
        self.loss_ = history.records[-1]["train_loss"] if len(history) else np.nan

    def _parts(
        self,
        X: np.ndarray,
        Y: np.ndarray,
        weights: np.ndarray | None,
        seed: int,
        strata: np.ndarray | None,
    ) -> tuple[Any, Any]:
        """What `fit` trains on and what it holds out, of the examples that count, with their weights."""
        rows, held = np.arange(len(X)), None
        if weights is not None:
            rows = np.flatnonzero(weights)
        if self.early_stopping:
            fraction = self.validation_fraction
            if isinstance(fraction, numbers.Integral):  # to scikit-learn, a number of examples
                raise TypeError(
                    f"[fit] validation_fraction was {fraction!r}; it must be a float in (0, 1)"
                )
            fraction = _check.real(
                "fit", "validation_fraction", fraction, high=1, open_low=True, open_high=True
            )
            rows, held = train_test_split(
                rows,
                test_size=fraction,
                random_state=seed % 2**32,
                stratify=None if strata is None else strata[rows],
            )

        def part(rows: np.ndarray) -> tuple[Any, ...]:
            own = None if weights is None else relative(weights[rows])
            return (X, Y, own) if len(rows) == len(X) else (X[rows], Y[rows], own)

        return part(rows), None if held is None else part(held)

    def _other_feedback(self) -> Any:
        """What the network is to learn by from now on; None: as before."""
        now = self.get_params(False)
        before = self._made_with_
        check_unchanged(before, now, self._built_from)
        if all(same(before[name], kept(now[name])) for name in ("feedback", "gain")):
            return None
        return self._rules(len(self.network_.layers) - 1)

    def _rules(self, hidden: int) -> Any:
        """The feedback of each hidden layer, with the gain that was asked for."""
        if self.gain is None:
            return self.feedback
        rules = resolve(self.feedback, hidden, "fit")
        if not isinstance(rules, tuple):
            raise ValueError(f"[fit] gain was {self.gain!r} for {rules!r}; it must be None there")
        return [changed(rule, gain=self.gain) for rule in rules]

    def _seed(self) -> int:
        given = self.random_state
        state = check_random_state(given)
        return int(given) if isinstance(given, numbers.Integral) else int(state.randint(2**31))

    def _optimizer(self) -> Optimizer:
        given = {"weight_decay": self.weight_decay} if self.weight_decay is not None else {}
        if self.momentum != 0:
            given["momentum"] = self.momentum
        kind, rate = self.optimizer, self.learning_rate
        if isinstance(kind, OPTIMIZERS):
            for name, value in (
                given if rate is None else {"learning_rate": rate, **given}
            ).items():
                raise ValueError(
                    f"[fit] {name} was {value!r} beside optimizer={kind!r}; it must not be given: the "
                    "optimizer says it"
                )
            return kind
        name = _check.choice("fit", "optimizer", kind, tuple(BY_NAME))
        own = {setting: value for setting, value in given.items() if name in owners(setting)}
        return BY_NAME[name](BY_NAME[name]._rate if rate is None else rate, **own)

    def _network(self, X: np.ndarray, outputs: int, seed: int) -> Network:
        given = self.hidden_layer_sizes
        sizes: list[Any] = [given] if isinstance(given, numbers.Integral) else list(given)
        activation, loss = self._output()
        hidden = self._usual() if self.activation is None else self.activation
        with own_names(units="hidden_layer_sizes"):
            layers = [
                size
                if isinstance(size, Layer)
                else Dense(size, hidden, weight_scale=self.weight_scale)
                for size in sizes
            ]
        with own_names(activation="output_activation"):
            layers.append(Dense(outputs, activation, weight_scale=self.weight_scale))
        with own_names():
            feedback = self._rules(len(_arguments.layers(layers)[0]) - 1)
        shape = X.shape[1] if self.image_shape is None else tuple(self.image_shape)
        network = Network(
            shape,
            layers,
            feedback,
            loss=loss,
            seed=seed,
            dtype=X.dtype,
            matmul_precision=self.matmul_precision,
        )
        if network.input_size != X.shape[1]:
            raise ValueError(
                f"[fit] image_shape was {self.image_shape!r}; X has {X.shape[1]} features, and its "
                "sizes must multiply to that"
            )
        return network

    def _usual(self) -> ActivationName:
        """The activation of hidden layers, where none is given."""
        return "relu"

    def _output(self) -> tuple[ActivationName, LossName]:
        """Activation of the output, and loss."""
        raise NotImplementedError

    # ---- use -------------------------------------------------------------------------------------

    def _outputs(self, X: Any) -> np.ndarray:
        """The network's outputs, (N, n_out)."""
        check_is_fitted(self)
        self._unmasked(X=X)
        x: np.ndarray = validate_data(self, X, reset=False, dtype=self.network_.dtype, order="C")
        return self.network_.forward(x)

    @property
    def loss_curve_(self) -> list[float]:
        """The mean training loss of every epoch."""
        check_is_fitted(self)
        return self.history_["train_loss"]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")
