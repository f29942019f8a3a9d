"""Networks in time, as the trainer's loop wants a network: its examples are whole sequences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _check, _core
from .._class_names import is_text, numbered
from ..data import Sequences
from ..layers import Recurrent
from ..network import Network, _arguments
from ..network.inspection import Evaluation
from ..network.sequences import checked_way
from .own_loss import Learner
from .together import Together

if TYPE_CHECKING:
    from ..ensemble import Ensemble
    from ..optim import Optimizer
    from .own_loss import Sums

_OPERATIONS = 1 << 28  # of one call: about a quarter of a second


class Way:
    """How networks in time learn: by what `Network.train_sequences` is told too."""

    update: str
    window: int | None
    carry: bool

    def _given(
        self,
        x: np.ndarray,
        y: np.ndarray,
        batch_size: int,
        order: np.ndarray,
        weights: np.ndarray | None,
    ) -> dict[str, Any]:
        """What the core is given."""
        return {
            "x": x.reshape(-1, x.shape[2]),
            "y": y.reshape(-1, y.shape[2]),
            "times": x.shape[1],
            "update": self.update,
            "batch_size": batch_size,
            "order": order,
            "carry": self.carry,
            "window": self.window or 0,
            "weight": None if weights is None else weights.ravel(),
        }


class InTime(Learner, Way):
    """A network with a recurrent layer; x is (N, T, n_in), y (N, T, n_out), weights (N, T)."""

    def __init__(self, net: Network, way: tuple[str, int | None, bool]) -> None:
        super().__init__(net)
        self.update, self.window, self.carry = way

    def batches_at_once(self, x: np.ndarray, batch_size: int) -> int:
        return _batches_at_once((self.net,), x, batch_size)

    def _train_chunk(
        self,
        x: np.ndarray,
        y: np.ndarray,
        optimizer: Optimizer,
        batch_size: int,
        order: np.ndarray,
        sums: Sums,
        sample_weight: np.ndarray | None,
    ) -> tuple[float, Sums]:
        """As that of `Network`."""
        spec = _arguments.optimizer("fit", optimizer)
        loss, missed, weight = self.net._net.train_sequences(
            optimizer=spec, **self._given(x, y, batch_size, order, sample_weight)
        )
        total = loss * weight if weight > 0 else 0.0
        return loss, (sums[0] + total, sums[1] + missed, sums[2] + weight)

    def evaluate(self, x: Any, y: Any, *, sample_weight: Any = None) -> Evaluation:
        return _evaluated(self.net, x, y, sample_weight)


class TogetherInTime(Together, Way):
    """An ensemble of such networks."""

    def __init__(self, ensemble: Ensemble, way: tuple[str, int | None, bool]) -> None:
        super().__init__(ensemble)
        self.update, self.window, self.carry = way

    def batches_at_once(self, x: np.ndarray, batch_size: int) -> int:
        return _batches_at_once(self.networks, x, batch_size)

    def evaluate(self, x: Any, y: Any, *, sample_weight: Any = None) -> np.ndarray:
        return np.array([_evaluated(net, x, y, sample_weight) for net in self.networks]).T

    def _train_chunk(
        self,
        x: np.ndarray,
        y: np.ndarray,
        optimizer: Optimizer,
        batch_size: int,
        order: np.ndarray,
        sums: Sums,
        sample_weight: np.ndarray | None,
    ) -> tuple[Any, Sums]:
        found = _core.train_sequences_together(
            [net._net for net in self.networks],
            optimizers=self.ensemble._rules("fit", optimizer),
            **self._given(x, y, batch_size, order, sample_weight),
        )
        return self._added(self.ensemble._finished(found), sums)


def _batches_at_once(networks: tuple[Network, ...], x: np.ndarray, batch_size: int) -> int:
    """Batches in a call. This doesn't follow the clock: an epoch's loss has the same bits each time."""
    weights = sum(w.size for net in networks for w in net.weights)
    return max(1, _OPERATIONS // (min(batch_size, len(x)) * x.shape[1] * 4 * weights))


def _evaluated(
    net: Network, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None
) -> Evaluation:
    rows = x.reshape(-1, x.shape[2]), y.reshape(-1, y.shape[2])
    loss, missed, total = net._net.evaluate_sequences(
        *rows, x.shape[1], None if weights is None else weights.ravel()
    )
    return Evaluation(loss, missed / total if net.output_size > 1 else math.nan)


def check_way(
    networks: tuple[Network, ...], update: Any, window: Any, carry: Any
) -> tuple[str, int | None, bool]:
    """How networks are to learn in time, if they are to.

    Raises
    ------
    ValueError, TypeError
        If an argument is wrong, or isn't for these networks.
    """
    update, window, carry = checked_way("Trainer", update, window, carry)
    for net in networks:
        layer = next((layer for layer in net.layers if isinstance(layer, Recurrent)), None)
        if layer is None:
            for name, value, plain in (("update", update, "sequence"), ("carry", carry, False)):
                if value != plain:
                    raise ValueError(
                        f"[Trainer] {name} was {value!r} for a network without a recurrent layer; it "
                        f"must be {plain!r}"
                    )
        elif update == "step" and layer.recurrent_feedback != "zero":
            raise ValueError(
                f"[Trainer] update was 'step' for a network whose recurrent_feedback is "
                f"{layer.recurrent_feedback!r}, which needs whole sequences; it must be 'sequence'"
            )
    return update, window, carry


def prepared(
    net: Network,
    source: Any,
    name: str,
    targets: tuple[float, float],
    names: Any = (),
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """x (N, T, n_in), y (N, T, n_out) and what each step counts, from Sequences or a pair (X, Y).

    As `fastfa.training.examples.prepare`.
    """
    y: Any
    if isinstance(source, Sequences):
        x, y, mask, lengths, weights = source.x, source.y, source.mask, source.lengths, None
        if source.class_names:
            y = _as_targets(source, names, name, targets)
    elif isinstance(source, tuple | list) and len(source) in (2, 3):
        (x, y, weights), mask, lengths = (*source, None)[:3], None, None
        y = _check.as_array("fit", f"{name} Y", y)
        if is_text(y):
            y = numbered("fit", f"{name} labels", y, names)
        if _arguments.are_labels(net, y):
            numbers = _arguments.labels(net, "fit", f"{name} Y", y, len(x))
            y = _arguments.of_labels(net, "fit", "targets", numbers, targets)
        if np.ndim(weights) == 2:
            mask, weights = weights, None
    else:
        shape = getattr(source, "shape", None)
        what = type(source).__name__ if shape is None else f"an array of shape {shape}"
        raise TypeError(
            f"[fit] {name} was {what}; for a network in time it must be fastfa.data.Sequences, or a "
            "pair (X, Y) of X (N, T, n_in), or such a pair with what each sequence or step counts "
            "as a third"
        )
    x, y, steps = net._sequences("fit", x, y, mask, lengths, f"{name} ")
    n, times = x.shape[:2]
    counts = None if steps is None else steps.reshape(n, times)
    own = _arguments.sample_weight(net, "fit", weights, n, f"{name} weights")
    if own is not None:
        counts = np.repeat(own[:, None], times, axis=1) if counts is None else counts * own[:, None]
    return x, y.reshape(n, times, -1), counts


def _as_targets(
    source: Sequences, names: Any, name: str, targets: tuple[float, float]
) -> np.ndarray:
    """Targets of classes, with columns in the order of ``names``."""
    y, own, (low, high) = source.y.astype(np.float64), source.class_names, targets
    if names and own != tuple(names):
        if set(own) != set(names):
            raise ValueError(
                f"[fit] {name} has class_names {_check.shown(own)}; they must be those of the network, "
                f"{_check.shown(tuple(names))}"
            )
        y = y[..., [own.index(each) for each in names]]
    return low * (1.0 - y) + high * y


def check_carry(learner: Any, x: np.ndarray, batch_size: int, source: Any) -> None:
    """Refuse sequences that can't go on from epoch to epoch, if they are to."""
    if not getattr(learner, "carry", False):
        return
    n = len(x)
    if n > batch_size:
        raise ValueError(
            f"[fit] train has {n} sequences, with carry; it must have at most batch_size={batch_size}, "
            "for all go on side by side"
        )
    if getattr(source, "lengths", None) is not None:
        raise ValueError("[fit] train has lengths, with carry; its sequences must be of one length")
    for net in learner.networks if isinstance(learner, Together) else (learner.net,):
        state = net.hidden_state
        if state is not None and len(state) != n:
            raise ValueError(
                f"[fit] train has {n} sequences, with carry, and the network the state of {len(state)}; "
                "call net.reset() first"
            )
