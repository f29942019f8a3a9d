"""A network and examples that keep a thread team busy."""

from __future__ import annotations

import threading

import fastfa as fa
import numpy as np

SHAPES = {  # wide enough that the work is really split, odd enough that it does not split evenly
    "mnist": (784, 1000, 10),
    "deep": (300, 517, 401, 130, 3),
    "narrow": (7, 5, 2),
    "local": (
        (2, 15, 13),
        fa.LocallyConnected2D(7, (5, 4), stride=(2, 1), activation="logistic"),
        fa.LocallyConnected2D(19, 3, padding="same", activation="tanh"),
        33,
        3,
    ),
    "local, by rows": (
        (2, 15, 29),
        fa.LocallyConnected2D(7, (5, 4), stride=(2, 1), activation="logistic"),
        33,
        3,
    ),
}


def network(widths, dtype, rule="fa", seed=0, density=1.0):
    layers = [
        fa.Dense(n, "logistic", density=density) if isinstance(n, int) else n for n in widths[1:]
    ]
    return fa.Network(widths[0], layers, rule, loss="cross_entropy", seed=seed, dtype=dtype)


def data(widths, count, dtype, seed=0):
    rng = np.random.default_rng(seed)
    n = int(np.prod(widths[0]))
    x = rng.random((count, n)) * (rng.random((count, n)) < 0.3)
    return x.astype(dtype), rng.random((count, widths[-1])).astype(dtype)


MOMENTUM = fa.SGD(0.1, momentum=0.5, weight_decay=1e-4)


def run_all(jobs) -> None:
    """Each job in a Python thread of its own; re-raises what any of them raised."""
    errors: list[BaseException] = []

    def guarded(job):
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    if errors:
        raise errors[0]
