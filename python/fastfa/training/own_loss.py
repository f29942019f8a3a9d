"""A loss of the caller's own: a network that learns and is measured by it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _check
from ..network import Network

if TYPE_CHECKING:
    from ..optim import Optimizer

Loss = Callable[[np.ndarray, np.ndarray], Any]
Sums = tuple[Any, Any, Any]  # Σ w L, Σ w over the wrong, Σ w: numbers, or of an ensemble arrays


class Learner:
    """What stands for one network in the trainer's loop."""

    def __init__(self, net: Network) -> None:
        self.net, self.output_size = net, net.output_size

    def state_dict(self) -> dict[str, np.ndarray]:
        return self.net.state_dict()

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        self.net.load_state_dict(state)


class WithLoss(Learner):
    """A network with a loss of the caller's, as the trainer's loop wants a network.

    Each batch is a step in parts: forward in the core, the loss in Python, the error's way back and the
    update in the core. With the network's own loss, these are the bits of `Network.train_epoch`; with
    weights of examples, which here multiply the error before σ′ and there after, it is so to rounding.
    """

    def __init__(self, net: Network, loss: Loss) -> None:
        super().__init__(net)
        self.loss = loss

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
        carries_target = any(rule.route == "target" for rule in self.net._rules)
        for begin in range(0, len(order), batch_size):
            part = order[begin : begin + batch_size]
            target = y[part]
            weights = None if sample_weight is None else sample_weight[part]
            output = self.net.forward_step(x[part])
            wrong = output.argmax(1) != target.argmax(1)
            losses, error = self._asked(output, target)
            sums = _added(sums, losses, wrong, weights)
            if weights is not None:
                error, target = error * weights[:, None], target * weights[:, None]
            self.net.apply_error(error, optimizer, target=target if carries_target else None)
        return math.nan, sums

    def evaluate(self, x: Any, y: Any, *, sample_weight: Any = None) -> tuple[float, float]:
        """The mean loss and error rate."""
        output = self.net.forward(x)
        wrong = output.argmax(1) != y.argmax(1)
        total, missed, weight = _added(
            (0.0, 0.0, 0.0), self._asked(output, y)[0], wrong, sample_weight
        )
        return total / weight, missed / weight

    def _asked(self, output: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The losses (N,), float64, and the error (N, n_out) that the loss answers with."""
        n, given = len(output), target.view()
        given.flags.writeable = False
        answer = self.loss(output, given)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise TypeError(
                f"[fit] loss returned {type(answer).__name__}; it must be a pair (losses, error)"
            )
        losses = _check.numeric("fit", "loss's losses", answer[0], np.dtype(np.float64))
        error = _check.numeric("fit", "loss's error", answer[1], self.net.dtype)
        for name, array, shape in (
            ("losses", losses, (n,)),
            ("error", error, (n, self.output_size)),
        ):
            if array.shape != shape:
                raise ValueError(
                    f"[fit] loss returned {name} of shape {array.shape}; here it must be {shape}"
                )
            _check.finite("fit", f"loss's {name}", array)
        return losses, error


def _added(sums: Sums, losses: np.ndarray, wrong: np.ndarray, weights: np.ndarray | None) -> Sums:
    """Each example's terms added one after another: the same wherever an epoch is cut."""
    w = np.ones(len(losses)) if weights is None else weights.astype(np.float64)
    terms = zip(sums, (w * losses, w * wrong, w), strict=True)
    total, missed, weight = (float(np.add.accumulate([s, *values])[-1]) for s, values in terms)
    return total, missed, weight
