"""Ensembles: many networks trained in one call on the same examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from . import _check, _core
from ._attributes import Guarded, Whole
from .errors import DivergenceError
from .network import Network, _arguments, _device_arrays
from .optim import Optimizer


def _numbered(device: str) -> tuple[str, int]:
    return device.partition(":")[0], _device_arrays.ordinal(device)


class Ensemble(Whole, Guarded):
    """Networks that see the same examples in the same order: other seeds, scales, rules or rates.

    Each learns as it would alone, to rounding, with the same bits at any number of threads. As many as
    there are threads learn at a time; six or more tiny networks of one kind that learn online go
    through the lanes of the processor's vectors together. What makes a kind are the sizes, activations
    and routes; seeds, weights, B and η may differ. On a GPU, tiny networks that learn online all learn
    at once, in one launch, each in a block of its own; others one after another.

    Parameters
    ----------
    networks : sequence of Network
        Any number of different `Network` objects of the same dtype, device and numbers of inputs and
        outputs.
        They stay usable on their own, and are trained in place.

    Attributes
    ----------
    networks : tuple of Network

    Raises
    ------
    ValueError, TypeError
        If ``networks`` is empty, has something else in it, one network twice, or networks that can't
        share examples.

    Examples
    --------
    >>> import fastfa as fa, numpy as np
    >>> nets = [fa.Network(30, [fa.Dense(20), fa.Dense(10)], "fa", seed=s) for s in range(20)]
    >>> X = np.random.default_rng(0).standard_normal((1000, 30)); Y = X[:, :10]
    >>> losses = fa.Ensemble(nets).train_epoch(X, Y, fa.SGD(1e-3), batch_size=1)
    >>> losses.shape
    (20,)
    """

    networks: tuple[Network, ...]

    _checkpoint_kind: ClassVar[str] = "ensemble"
    _INSTEAD: ClassVar[dict[str, str]] = {"": "make another Ensemble of the same networks"}

    def __init__(self, networks: Sequence[Network]) -> None:
        if isinstance(networks, Network | str) or not isinstance(networks, Sequence):
            raise TypeError(f"[Ensemble] networks was {networks!r}; it must be a list of Network")
        self._set(networks=tuple(networks))
        if not self.networks:
            raise ValueError("[Ensemble] networks was empty; it must have at least one Network")
        first: dict[int, int] = {}
        for i, net in enumerate(self.networks):
            if not isinstance(net, Network):
                raise TypeError(f"[Ensemble] networks[{i}] was {net!r}; it must be a Network")
            if id(net) in first:
                raise ValueError(
                    f"[Ensemble] networks[{i}] was the same object as networks[{first[id(net)]}]; "
                    "each must be a network of its own"
                )
            first[id(net)] = i
            for what in ("dtype", "input_size", "output_size"):
                mine, theirs = getattr(net, what), getattr(self.networks[0], what)
                if mine != theirs:
                    raise ValueError(
                        f"[Ensemble] networks[{i}].{what} was {mine}; networks[0] has "
                        f"{theirs}, and it must be the same"
                    )
            if _numbered(net.device) != _numbered(self.networks[0].device):
                raise ValueError(
                    f"[Ensemble] networks[{i}].device was {net.device!r}; networks[0] has "
                    f"{self.networks[0].device!r}, and it must be the same"
                )

    def __len__(self) -> int:
        return len(self.networks)

    def __repr__(self) -> str:
        return f"Ensemble({len(self)} networks)"

    def _repr_html_(self) -> str:
        from . import _html  # for notebooks alone

        return _html.ensemble(self)

    def train_epoch(
        self,
        X: Any,
        Y: Any,
        optimizer: Optimizer | Sequence[Optimizer],
        *,
        batch_size: int,
        order: Any = None,
        sample_weight: Any = None,
    ) -> np.ndarray:
        """One pass over the examples for every network.

        Parameters
        ----------
        X, Y : array_like
            Inputs (N, n_in) and targets (N, n_out), as for `Network.train_epoch`.
        optimizer : SGD, Adam, AdamW or RMSprop, or one of them for each network
        batch_size : int
            Examples per update; 1 learns online.
        order : array_like of int, optional
            Which examples, in which order. Default 0 … N−1.
        sample_weight : array_like, optional
            (N,): what each row of X counts, as for `Network.step`, for all networks.

        Returns
        -------
        numpy.ndarray
            (n,): each network's mean loss, measured before each update.

        Raises
        ------
        DivergenceError
            If some networks diverged, after all others have finished; the message names them, and
            ``stopped`` maps each one's index to its own error. They have the weights of before the step
            that could not be done.
        KeyboardInterrupt
            After Ctrl-C. All networks have then made the same steps.
        """
        batch_size = _check.integer("train_epoch", "batch_size", batch_size, 1, 2**31 - 1)
        return self._train("train_epoch", X, Y, optimizer, batch_size, order, sample_weight)[:, 0]

    def _train(
        self,
        where: str,
        X: Any,
        Y: Any,
        optimizer: Optimizer | Sequence[Optimizer],
        batch_size: int | None,
        order: Any,
        sample_weight: Any,
    ) -> np.ndarray:
        """`train_epoch`, or another call by this name; without ``batch_size`` all are one batch.

        Returns (n, 3): mean loss, weight of the examples that were wrong, weight of all.
        """
        net = self.networks[0]
        x = _arguments.inputs(net, where, "X", X, there=True)
        y = _arguments.targets(net, where, "Y", Y, len(x), there=True)
        for network in self.networks:
            x, y = network._apart(where, (x, y))
        batch_size = len(x) if batch_size is None else batch_size
        indices = np.arange(len(x)) if order is None else _arguments.order(order, len(x))
        weights = _arguments.sample_weight(net, where, sample_weight, len(x))
        rules = self._rules(where, optimizer)
        rows = _core.train_together(
            [network._net for network in self.networks], x, y, rules, batch_size, indices, weights
        )
        return self._finished(rows)

    def _rules(
        self, where: str, optimizer: Optimizer | Sequence[Optimizer]
    ) -> list[_core.Optimizer]:
        """One for each network, as the core takes them."""
        given: Sequence[Optimizer]
        if isinstance(optimizer, Optimizer):
            given = [optimizer] * len(self)
        elif isinstance(optimizer, Sequence | np.ndarray) and len(optimizer) == len(self):
            given = list(optimizer)
        else:
            raise ValueError(
                f"[{where}] optimizer was {optimizer!r}; it must be one, or one for each of "
                f"the {len(self)} networks"
            )
        return [_arguments.optimizer(where, each) for each in given]

    def _finished(
        self, rows: Sequence[tuple[float, float, float] | tuple[str, int, int, int]]
    ) -> np.ndarray:
        """(n, 3) of what the core returned, or the error of those that diverged."""
        stopped = {
            i: DivergenceError(*row) for i, row in enumerate(rows) if isinstance(row[0], str)
        }
        if stopped:
            i, first = next(iter(stopped.items()))
            message = f"{len(stopped)} of {len(self)} networks: network {i}, {first}"
            error = DivergenceError(message, first.layer, first.step, first.time)
            error.stopped = stopped
            raise error
        return np.array(rows, np.float64)

    def train_sequences(
        self,
        X: Any,
        Y: Any,
        optimizer: Optimizer | Sequence[Optimizer],
        *,
        batch_size: int | None = None,
        order: Any = None,
        update: Literal["sequence", "step", "window"] = "sequence",
        window: int | None = None,
        mask: Any = None,
        lengths: Any = None,
        carry: bool = False,
    ) -> np.ndarray:
        """`Network.train_sequences` of every network, as many at a time as there are threads.

        Arguments, results and errors are as there and for `train_epoch`: (n,) losses, and a
        DivergenceError that names the networks which diverged.
        """
        where = "train_sequences"
        rules = self._rules(where, optimizer)
        for network in self.networks:
            network._check_in_time(where)
        way = (update, window, carry)
        plan = self.networks[0]._plan(where, X, Y, batch_size, order, way, mask, lengths)
        nets = [network._net for network in self.networks]
        found = _core.train_sequences_together(nets, optimizers=rules, **plan)
        return self._finished(found)[:, 0]

    def step(
        self,
        X: Any,
        Y: Any,
        optimizer: Optimizer | Sequence[Optimizer],
        *,
        sample_weight: Any = None,
    ) -> np.ndarray:
        """One update of every network from all examples as one batch; the losses (n,) before it."""
        return self._train("step", X, Y, optimizer, None, None, sample_weight)[:, 0]

    def evaluate(self, X: Any, Y: Any, *, sample_weight: Any = None) -> list[Any]:
        """`Network.evaluate` of every network."""
        return [net.evaluate(X, Y, sample_weight=sample_weight) for net in self.networks]
