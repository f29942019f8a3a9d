"""The networks of an ensemble, as the trainer's loop wants one network."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from ..history import Record
from ..layers.recurrent import is_in_time
from ..network import Network
from ..network._arguments import default_targets
from .own_loss import Sums

if TYPE_CHECKING:
    from ..ensemble import Ensemble
    from ..optim import Optimizer
    from .examples import Examples


class Together:
    """An ensemble that learns and is measured in one call; each measure is an array (networks,)."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.ensemble = ensemble

    @property
    def networks(self) -> tuple[Network, ...]:
        return self.ensemble.networks

    def batches_at_once(self, x: np.ndarray, batch_size: int) -> int:
        """Batches in a call: all of an epoch, so that its losses have the same bits each time."""
        return sys.maxsize

    def state_dict(self) -> dict[str, np.ndarray]:
        """Of all networks, by the names that a checkpoint of the ensemble has."""
        return {
            f"networks.{i}.{name}": array
            for i, net in enumerate(self.networks)
            for name, array in net.state_dict().items()
        }

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        for i, net in enumerate(self.networks):
            start = f"networks.{i}."
            own = {n.removeprefix(start): a for n, a in state.items() if n.startswith(start)}
            net.load_state_dict(own)

    def evaluate(self, x: Any, y: Any, *, sample_weight: Any = None) -> np.ndarray:
        """Losses and error rates, (2, networks)."""
        return np.array(self.ensemble.evaluate(x, y, sample_weight=sample_weight)).T

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
        """As that of `Network`, with sums of every network."""
        found = self.ensemble._train("fit", x, y, optimizer, batch_size, order, sample_weight)
        return self._added(found, sums)

    @staticmethod
    def _added(found: np.ndarray, sums: Sums) -> tuple[Any, Sums]:
        """The losses; the sums with what was found: losses, weights of the wrong and of all, (n, 3)."""
        loss, missed, weight = found.T
        total = np.where(weight > 0, loss * weight, 0.0)
        return loss, (sums[0] + total, sums[1] + missed, sums[2] + weight[0])


def evaluated(learner: Any, measured: dict[str, Examples]) -> dict[str, Any]:
    """The loss and error rate of each set, by their keys in a record; of an ensemble arrays."""
    found = {}
    for name, (x, y, weights) in measured.items():
        own = learner.evaluate(x, y, sample_weight=weights)
        found[f"{name}_loss"], found[f"{name}_error"] = own
    return found


def records(
    learner: Any, errors: bool, measures: dict[str, Any], before: Record, after: Record
) -> list[Record]:
    """The records of an epoch: the means, and of an ensemble then each network's own."""
    networks = learner.networks if isinstance(learner, Together) else (learner,)
    if not errors:
        measures = {key: value for key, value in measures.items() if not key.endswith("_error")}
    found = [{key: float(np.mean(value)) for key, value in measures.items()}]
    if isinstance(learner, Together):
        for i in range(len(networks)):
            found.append({key: float(value[i]) for key, value in measures.items()})
    return [before | own | after for own in found]


def check_alike(ensemble: Ensemble) -> None:
    """Refuse networks that can't be given the same examples, made of the same labels."""
    first = ensemble.networks[0]
    for i, net in enumerate(ensemble.networks):
        for what, own, theirs in (
            ("input_shape", net.input_shape, first.input_shape),
            ("loss", net.loss, first.loss),
            ("class_names", net.class_names, first.class_names),
            ("a recurrent layer", is_in_time(net.layers), is_in_time(first.layers)),
            ("targets of labels", default_targets(net), default_targets(first)),
        ):
            if own != theirs:
                raise ValueError(
                    f"[Trainer] net.networks[{i}] has {what} {own!r}, and networks[0] {theirs!r}; they "
                    "must be the same, for all networks are given the same examples"
                )
