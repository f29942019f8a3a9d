"""Tasks for recurrent networks, made: the periodic task, the add task, delayed XOR."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .. import _check
from .sequences import SequenceDataset, Sequences, sequence_dataset

_MOST = 10**7


def periodic_task(steps: int = 100, *, level: float = 0.1) -> Sequences:
    """One sequence, to be produced without a cue: a sum of three sines.

    ``y = sin(φ) + sin(2φ)/2 + sin(4φ)/4`` with ``φ = 2πt/T``, the target of the author's example of RFLO
    (Murray, eLife 8:e43299, 2019; github.com/murray-lab/rflo-learning).

    Parameters
    ----------
    steps : int
        T, one period.
    level : float
        The input, the same at all steps. There it is 0, and the state begins with 0.1; here the state
        begins with 0, from where a network without biases moves only if it has an input.

    Returns
    -------
    Sequences
        x (1, T, 1) and y (1, T, 1), float64.

    Raises
    ------
    TypeError, ValueError
        An argument is outside its range.
    """
    steps = _check.integer("periodic_task", "steps", steps, 1, _MOST)
    level = _check.real("periodic_task", "level", level, low=-np.inf)
    t = 2 * np.pi * np.arange(steps) / steps
    y = np.sin(t) + 0.5 * np.sin(2 * t) + 0.25 * np.sin(4 * t)
    return Sequences(np.full((1, steps, 1), level), y[None, :, None])


def add_task(
    n: int = 100, steps: int = 100, *, first: int = 6, second: int = 10, seed: int = 0
) -> Sequences:
    """Coin flips, whose weighted sum at two places in the past is asked at every step.

    ``y_t = 0.5 + 0.5 x_{t − first} − 0.25 x_{t − second}``, where x is 0 or 1, each half of the time,
    and 0 before the sequence begins. It is the add task of Marschall, Cho & Savin (JMLR 21:135,
    2020; github.com/omarschall/vanilla-rtrl), with one input and one output and y itself as the target.

    Parameters
    ----------
    n, steps : int
        N and T.
    first, second : int
        The two delays, from 0.
    seed : int
        Of the flips, which are bits of Philox.

    Returns
    -------
    Sequences
        x (N, T, 1) and y (N, T, 1), float64. A network that remembers nothing has a loss of about
        0.039 at best, one that knows the first place alone 0.008.

    Raises
    ------
    TypeError, ValueError
        An argument is outside its range.
    """
    where = "add_task"
    n = _check.integer(where, "n", n, 1, _MOST)
    steps = _check.integer(where, "steps", steps, 1, _MOST)
    x = _bits(where, n * steps, seed).reshape(n, steps)
    y = np.full((n, steps), 0.5)
    for name, delay, weight in (("first", first, 0.5), ("second", second, -0.25)):
        delay = _check.integer(where, name, delay, 0, _MOST)
        y[:, delay:] += weight * x[:, : max(steps - delay, 0)]
    return Sequences(x[:, :, None], y[:, :, None])


def delayed_xor_task(
    n: int = 100, *, pulse: int = 5, delay: int = 10, report: int = 5, seed: int = 0
) -> Sequences:
    """Two pulses of either sign, one after another; then the network says whether they differed.

    A pulse, a delay, a pulse, a delay, a report. The target is 1 if the signs differ and −1 if not, and
    only the report counts (`mask`). It is the delayed nonmatch-to-sample task of Miconi (eLife 6:e20899,
    2017), with one input of two signs in place of two inputs. The lengths are ours.

    Parameters
    ----------
    n : int
        N.
    pulse, delay, report : int
        Steps of each pulse and of the report, at least 1, and of each delay.
    seed : int
        Of the signs, which are bits of Philox.

    Returns
    -------
    Sequences
        x (N, T, 1), y (N, T, 1) and mask (N, T), float64, with T = 2 pulse + 2 delay + report.

    Raises
    ------
    TypeError, ValueError
        An argument is outside its range.
    """
    where = "delayed_xor_task"
    n = _check.integer(where, "n", n, 1, _MOST)
    pulse = _check.integer(where, "pulse", pulse, 1, _MOST)
    delay = _check.integer(where, "delay", delay, 0, _MOST)
    report = _check.integer(where, "report", report, 1, _MOST)
    signs = 2 * _bits(where, 2 * n, seed).reshape(n, 2) - 1
    steps = 2 * pulse + 2 * delay + report
    x, y, mask = np.zeros((n, steps, 1)), np.zeros((n, steps, 1)), np.zeros((n, steps))
    x[:, :pulse, 0] = signs[:, :1]
    x[:, pulse + delay : 2 * pulse + delay, 0] = signs[:, 1:]
    y[:, -report:, 0] = -(signs[:, :1] * signs[:, 1:])
    mask[:, -report:] = 1
    return Sequences(x, y, mask=mask)


def _bits(where: str, count: int, seed: int) -> npt.NDArray[np.float64]:
    """So many zeros and ones; raw words of Philox, which no version of NumPy draws otherwise."""
    seed = _check.integer(where, "seed", seed, 0, 2**64 - 1)
    return (np.random.Philox(seed).random_raw(count) >> np.uint64(63)).astype(np.float64)


def load_task(name: str) -> SequenceDataset:
    """The task of this name as a dataset, the same each time."""
    if name == "periodic":
        parts = periodic_task(), periodic_task()
    elif name == "add":
        parts = add_task(1000), add_task(200, seed=1)
    else:
        parts = delayed_xor_task(1000), delayed_xor_task(200, seed=1)
    return sequence_dataset(name, *parts)
