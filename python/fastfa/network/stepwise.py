"""A step in parts, for simulators: forward now, the error later, feedback then, the update when told."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, _core
from ..optim import EXPECTED, Optimizer
from ..stepwise import StepState
from . import _arguments
from .parameters import Parameters


class Stepwise(Parameters):
    """The methods of :class:`Network` that do a step in parts.

    ``net.forward_step(x)``, then ``net.apply_error(target − output, optimizer)``, changes the network as
    ``net.step(x, target, optimizer)`` does, to the last bit. In between, calls that only look
    (``forward``, ``deltas``, ``metrics.alignment``, …) and ``set_feedback`` leave the pass alone. Calls
    that learn or load (``step``, ``train_epoch``, ``load_state_dict``) drop it. Weights written through
    views in between count from then on: feedback that follows the weights and the update take them as
    they are, activations stay those of the forward pass. Nothing is global: each network keeps its own
    pass, and calls from several threads follow one another.
    """

    _step_optimizer: Optimizer | None = None

    def forward_step(self, x: Any) -> np.ndarray:
        """The output for x, whose activations are kept for the error that comes later.

        Dropout drops, as in every step. A second call takes the place of the first.

        Parameters
        ----------
        x : array_like
            (N, n_in) or (N, *input_shape), or one example, (n_in,). A C-contiguous array of the
            network's dtype is read where it is, and fastest.

        Returns
        -------
        ndarray
            (N, n_out); for one example (n_out,).

        Raises
        ------
        ValueError, TypeError
            As for ``forward``; a pass that was kept before still is.
        DivergenceError
            If a value is NaN, infinite or too large to go on; no pass is kept then.
        """
        out = self._net.forward_step(x)
        if out is not None:
            return out
        given = _check.as_array("forward_step", "x", x)
        one = given.ndim == 1
        rows = _arguments.inputs(self, "forward_step", "x", given[None] if one else x)
        out = self._net.forward_step(rows)
        assert out is not None  # the core takes what was converted
        return out[0] if one else out

    def feedback_step(self, e: Any, *, target: Any = None) -> None:
        """Carry the error of the last ``forward_step`` down: every layer gets its δ, no weight changes.

        May be called again with another error, before ``update_step``.

        Parameters
        ----------
        e : array_like
            target − output, (N, n_out), or (n_out,) for one example. The output's δ is e ∘ σ′(a) with
            the loss ``squared_error``, and e itself with ``cross_entropy``. There are no weights here:
            an example that counts w times has its row of e (and of ``target``) multiplied by w.
        target : array_like, optional
            The target, shaped like e: needed where a layer's route is ``"target"`` (which carries that,
            and not the error), refused elsewhere.

        Raises
        ------
        RuntimeError
            If no pass is kept, or its update is done.
        ValueError, TypeError
            If an argument has the wrong shape or kind, or a value that is not finite, or if the network
            learns by NodePerturbation, for which there is no error to carry.
        DivergenceError
            If a value is NaN, infinite or too large to go on.

        In each case the pass is kept, and the call can be made again.
        """
        if not self._net.feedback_step(e, target):
            self._net.feedback_step(*self._step_arguments("feedback_step", e, target))

    def update_step(self, optimizer: Optimizer | None = None) -> None:
        """Change the weights, and feedback that learns, by the δ of the last ``feedback_step``.

        Parameters
        ----------
        optimizer : SGD, Adam, AdamW or RMSprop, optional
            Default: the one that was given last.

        Raises
        ------
        RuntimeError
            If there was no ``feedback_step``, or its update is done.
        ValueError, TypeError
            If the optimizer doesn't fit, or none was ever given.
        """
        self._net.update_step(self._step_rule("update_step", optimizer))

    def apply_error(
        self, e: Any, optimizer: Optimizer | None = None, *, target: Any = None
    ) -> None:
        """``feedback_step(e)`` and ``update_step(optimizer)`` in one: their arguments, their errors."""
        given, rule = self._converted
        if rule is None or optimizer is not given or optimizer is not self._step_optimizer:
            rule = self._step_rule("apply_error", optimizer)
        if not self._net.apply_error(e, rule, target):
            e, target = self._step_arguments("apply_error", e, target)
            self._net.apply_error(e, rule, target)

    @property
    def state(self) -> StepState | None:
        """What is kept of the last ``forward_step`` and of what followed; None if nothing is.

        It can be read at any time, until the next ``forward_step`` or until the pass is dropped.
        """
        found = self._net.step_state()
        return None if found is None else StepState(*found)

    def _step_rule(self, where: str, optimizer: Optimizer | None) -> _core.Optimizer:
        """The optimizer as the core takes it; None: the one that was given last."""
        if optimizer is None:
            optimizer = self._step_optimizer
        if optimizer is None:
            raise TypeError(f"[{where}] optimizer was None; it must be {EXPECTED}, the first time")
        spec = self._optimizer_spec(where, optimizer)
        if optimizer is not self._step_optimizer:  # to assign costs as much as the rest of this
            self._step_optimizer = optimizer
        return spec

    def _step_arguments(
        self, where: str, e: Any, target: Any
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The two as the core takes them, or an error that says what is wrong."""

        def one(name: str, value: Any) -> np.ndarray:
            value = _check.as_array(where, name, value)
            if value.ndim == 1:
                value = value[None]
            n = self._net.step_examples() or (len(value) if value.ndim else 1)
            return _arguments.outputs(self, where, name, value, n)

        return one("e", e), None if target is None else one("target", target)
