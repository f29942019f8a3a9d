"""Networks in time: those with a recurrent layer learn from sequences, and have a state."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from .. import _check, _core
from ..layers.recurrent import RecurrentFeedbackName, recurrent_place
from ..optim import Optimizer
from ..rules import IN_TIME, FeedbackLike, resolve, specs
from . import _arguments
from .inspection import Evaluation
from .parameters import Parameters


class Sequences(Parameters):
    """The methods of :class:`Network` for networks with a :class:`Recurrent` layer.

    ``forward_step(x)`` takes N examples one step on from the network's state, which begins with zero;
    ``apply_error`` then learns from that step by the traces that go with the state (RFLO,
    ``recurrent_feedback="zero"``).
    """

    def train_sequences(
        self,
        X: Any,
        Y: Any,
        optimizer: Optimizer,
        *,
        batch_size: int | None = None,
        order: Any = None,
        update: Literal["sequence", "step", "window"] = "sequence",
        window: int | None = None,
        mask: Any = None,
        lengths: Any = None,
        carry: bool = False,
    ) -> float:
        """One pass over sequences, inside the compiled core.

        Parameters
        ----------
        X : array_like
            Inputs (N, T, n_in), or (N, T, H, W) or (N, T, C, H, W) if such is the network's input.
        Y : array_like
            Targets (N, T, n_out), or (N, n_out) for the last step of each sequence alone.
        optimizer : SGD, Adam, AdamW or RMSprop
        batch_size : int, optional
            Sequences per update, or side by side in each step. Default: 1, or all with carry.
        order : array_like of int, optional
            Which sequences, in which order. Default 0 … N−1.
        update : {"sequence", "step", "window"}
            ``sequence``: one update for a batch of whole sequences, from the mean over its steps and
            sequences, by a scan back in time. ``step``: an update at every step, from the mean over the
            batch, by traces: for ``recurrent_feedback="zero"`` alone. η here is about η/T there. A layer
            below the recurrent one must then be frozen, or taught by the direct route. ``window``: as
            ``sequence``, for one window of the sequences after the other. The state goes on from window
            to window, errors don't go back beyond the beginning of theirs (truncated backprop through
            time, where B_rec isn't zero).
        window : int, optional
            Steps in a window, at least 1; the last has what is left. For ``update="window"`` alone.
        mask : array_like, optional
            (N, T), from 0 to 1e14: what each step counts, a factor on its loss and output delta.
        lengths : array_like of int, optional
            (N,), 1 … T: later steps count 0. Not with a mask, nor with carry.
        carry : bool
            False: every sequence begins with a state of zero. True: the N sequences, one batch, go on
            from the network's state and traces, until :meth:`reset`. With ``update="sequence"`` errors
            don't go back beyond the beginning of a call.

        Returns
        -------
        float
            Mean loss over the steps that count, each measured before its update.

        Raises
        ------
        ValueError, TypeError
            If an argument is wrong; nothing is then changed.
        DivergenceError
            If a value is NaN, infinite or too large to go on; weights are those before that update. Its
            ``time`` is the step of the sequences.
        """
        spec = self._optimizer_spec("train_sequences", optimizer)
        where, way = "train_sequences", (update, window, carry)
        plan = self._plan(where, X, Y, batch_size, order, way, mask, lengths)
        return self._net.train_sequences(optimizer=spec, **plan)[0]

    def _plan(
        self,
        where: str,
        X: Any,
        Y: Any,
        batch_size: int | None,
        order: Any,
        way: tuple[Any, Any, Any],
        mask: Any,
        lengths: Any,
    ) -> dict[str, Any]:
        """What the core trains with, but for the optimizer; X and Y as rows.

        ``way`` is (update, window, carry).
        """
        x, y, weights = self._sequences(where, X, Y, mask, lengths)
        indices = np.arange(len(x)) if order is None else _arguments.order(order, len(x), where)
        update, window, carry = checked_way(where, *way)
        if batch_size is None:
            batch_size = len(indices) if carry else 1
        batch_size = _check.integer(where, "batch_size", batch_size, 1, 2**31 - 1)
        if carry and lengths is not None:
            raise ValueError(
                f"[{where}] lengths was given with carry; it must be None, for sequences that go on"
            )
        return {
            "x": x.reshape(-1, x.shape[2]),
            "y": y,
            "times": x.shape[1],
            "update": update,
            "batch_size": batch_size,
            "order": indices,
            "carry": carry,
            "window": window or 0,
            "weight": weights,
        }

    def forward_sequences(self, X: Any) -> np.ndarray:
        """Outputs (N, T, n_out) for inputs X (N, T, n_in), from a state of zero; the own one stays."""
        x = self._inputs_in_time("forward_sequences", X)
        out = self._net.forward_sequences(x.reshape(-1, x.shape[2]), x.shape[1])
        return out.reshape(*x.shape[:2], -1)

    def evaluate_sequences(
        self, X: Any, Y: Any, *, mask: Any = None, lengths: Any = None
    ) -> Evaluation:
        """Mean loss and error rate over the steps that count, from a state of zero.

        X, Y, mask and lengths are as for :meth:`train_sequences`.
        """
        where = "evaluate_sequences"
        x, y, weights = self._sequences(where, X, Y, mask, lengths)
        _arguments.check_some_weight(where, "mask", weights)
        rows = x.reshape(-1, x.shape[2])
        loss, missed, total = self._net.evaluate_sequences(rows, y, x.shape[1], weights)
        return Evaluation(loss, missed / total if self.output_size > 1 else math.nan)

    def deltas_sequences(
        self,
        X: Any,
        Y: Any,
        feedback: FeedbackLike | None = None,
        *,
        recurrent_feedback: RecurrentFeedbackName | None = None,
        mask: Any = None,
        lengths: Any = None,
    ) -> np.ndarray:
        """d of the recurrent layer, (N, T, n): what its weights learn from, step by step, downhill.

        The gradient of the loss is −Σ d zᵀ, z = [x, h⁻], if both matrices are transposes. So
        ``metrics.angle(net.deltas_sequences(X, Y), net.deltas_sequences(X, Y, "bptt"))`` is the angle
        to backprop through time at each step, (N, T).

        Parameters
        ----------
        X, Y, mask, lengths : array_like
            As for :meth:`train_sequences`.
        feedback : optional
            Another feedback for this call only; ``"rflo"`` and ``"bptt"`` also say which B_rec.
        recurrent_feedback : {"zero", "transpose", "random"}, optional
            Another B_rec for this call only; ``"random"`` only where the layer has it.

        Raises
        ------
        ValueError, TypeError, DivergenceError
            As for :meth:`train_sequences`.
        """
        where = "deltas_sequences"
        x, y, weights = self._sequences(where, X, Y, mask, lengths)
        through = recurrent_feedback
        if through is not None:
            through = _check.choice(  # type: ignore[assignment]
                where, "recurrent_feedback", through, _core.RECURRENT_FEEDBACKS
            )
        given: list[_core.FeedbackSpec] | None = None
        if feedback is not None:
            if isinstance(feedback, str) and feedback in IN_TIME:
                feedback, named = IN_TIME[feedback]
                through = through or named
            given, noise = specs(resolve(feedback, len(self.layers) - 1, where))
            if noise.sigma:
                raise ValueError(f"[{where}] feedback was {feedback!r}; it must have a matrix")
        rows = x.reshape(-1, x.shape[2])
        found = self._net.deltas_sequences(rows, y, x.shape[1], given, through, weights)
        return found.reshape(*x.shape[:2], -1)

    def reset(self, state: Any = None) -> None:
        """Forget the state and the traces: the next step begins with zero, or with ``state``.

        Parameters
        ----------
        state : array_like, optional
            h of the recurrent layer, (N, n).

        Raises
        ------
        ValueError, TypeError
            If the network has no recurrent layer, or the state another shape or a value that isn't
            finite; nothing is then changed.
        """
        if state is None:
            self._net.reset()
            return
        units = self.shapes[self._check_in_time("reset") + 1][0]
        h = _check.numeric("reset", "state", state, self.dtype)
        if h.ndim != 2 or h.shape[1] != units or not len(h):
            raise ValueError(f"[reset] state has shape {np.shape(state)}; it must be (N, {units})")
        _check.finite("reset", "state", h)
        self._net.begin_state(len(h))
        view = self._net.state()
        assert view is not None  # it was just made
        view[...] = h

    @property
    def hidden_state(self) -> np.ndarray | None:
        """h of the recurrent layer as it goes on, (N, n), a writable view; None before the first step.

        It is what ``forward_step`` and ``train_sequences(…, carry=True)`` begin with. :meth:`reset`, or
        training without carry, replaces it.
        """
        return self._net.state()

    def _check_in_time(self, where: str) -> int:
        """The place of the recurrent layer, which must be there."""
        place = recurrent_place(self.layers)
        if place is None:
            raise ValueError(
                f"[{where}] the network has no recurrent layer; it must have a Recurrent"
            )
        return place

    def _inputs_in_time(self, where: str, X: Any, of: str = "") -> np.ndarray:
        self._check_in_time(where)
        x = _check.numeric(where, f"{of}X", X, self.dtype)
        if x.ndim > 3 and x.shape[2:] == self.input_shape:
            x = x.reshape(*x.shape[:2], -1)
        if x.ndim != 3 or x.shape[2] != self.input_size or 0 in x.shape:
            images = (
                f" or (N, T, {str(self.input_shape)[1:-1]})" if len(self.input_shape) > 1 else ""
            )
            raise ValueError(
                f"[{where}] {of}X has shape {np.shape(X)}; it must be (N, T, {self.input_size}){images}"
                ", with N and T at least 1"
            )
        _check.finite(where, f"{of}X", x)
        return x

    def _sequences(
        self, where: str, X: Any, Y: Any, mask: Any, lengths: Any, of: str = ""
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """X (N, T, n_in), and as rows Y and what each counts; ``of`` stands before their names."""
        x = self._inputs_in_time(where, X, of)
        n, times, k = *x.shape[:2], self.output_size
        if mask is not None and lengths is not None:
            raise ValueError(f"[{where}] mask and lengths were given; it must be one of them")
        ends = _lengths(where, lengths, n, times)
        y = _check.numeric(where, f"{of}Y", Y, self.dtype)
        at_end = y.shape == (n, k)
        if not at_end and y.shape != (n, times, k):
            raise ValueError(
                f"[{where}] {of}Y has shape {np.shape(Y)}; for X {x.shape} and {k} outputs it must be "
                f"({n}, {times}, {k}), or ({n}, {k}) for the last steps"
            )
        _check.finite(where, f"{of}Y", y)
        _arguments.check_probabilities(self, where, f"{of}Y", float(y.min()), float(y.max()))
        if at_end and mask is not None:
            raise ValueError(
                f"[{where}] {of}mask was given with Y {y.shape}, of the last steps; it must be None"
            )
        if at_end:
            weights = (np.arange(times) == ends[:, None] - 1).astype(self.dtype).ravel()
            return x, np.repeat(y, times, axis=0), weights
        weights = None
        if lengths is not None:
            weights = (np.arange(times) < ends[:, None]).astype(self.dtype).ravel()
        elif mask is not None:
            given = _check.as_array(where, f"{of}mask", mask)
            if given.shape != (n, times):
                raise ValueError(
                    f"[{where}] {of}mask has shape {given.shape}; it must be {(n, times)}, a number for "
                    "each step"
                )
            weights = _arguments.sample_weight(self, where, given.ravel(), n * times, f"{of}mask")
        return x, y.reshape(-1, k), weights


def checked_way(where: str, update: Any, window: Any, carry: Any) -> tuple[str, int | None, bool]:
    """When networks in time learn, in how large windows, and whether sequences go on."""
    update = _check.choice(where, "update", update, _core.TIME_UPDATES)
    if update == "window":
        window = _check.integer(where, "window", window, 1, 2**31 - 1)
    elif window is not None:
        raise ValueError(
            f"[{where}] window was {window!r} with update {update!r}; it must be None, or update "
            "'window'"
        )
    return update, window, _check.flag(where, "carry", carry)


def _lengths(where: str, value: Any, n: int, times: int) -> np.ndarray:
    """How many steps of each sequence count, (n,); None: all."""
    if value is None:
        return np.full(n, times)
    given = _check.as_array(where, "lengths", value)
    if given.shape != (n,) or given.dtype.kind not in "iu":
        raise ValueError(
            f"[{where}] lengths was an array of {given.dtype} and shape {given.shape}; it must be of "
            f"integers, {(n,)}"
        )
    if given.min() < 1 or given.max() > times:
        wrong = given.min() if given.min() < 1 else given.max()
        raise ValueError(f"[{where}] lengths has {wrong}; each must be in [1, {times}]")
    return given
