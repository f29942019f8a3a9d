"""Peak memory of training the paper's local network, in a process that does nothing else."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

EXAMPLES = 2000
BATCH = 100


def measure(threads: int) -> dict[str, Any]:
    """Call before the parent loads its libraries: a child's ru_maxrss begins with the parent's size."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(there, threads), daemon=True)
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        return {"status": "failed", "reason": "the process ended without an answer"}
    finally:
        process.join()


def _child(pipe: Any, threads: int) -> None:
    import fastfa as fa
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.standard_normal((EXAMPLES, 784), np.float32)
    y = np.where(np.arange(10) == rng.integers(0, 10, (EXAMPLES, 1)), 0.9, -0.9).astype(np.float32)
    fa.set_num_threads(threads)
    before = _resident()
    layers = [
        fa.LocallyConnected2D(6, 6, activation="tanh"),
        fa.Dense(1500, "tanh"),
        fa.Dense(1500, "tanh"),
        fa.Dense(10, "tanh"),
    ]
    net = fa.Network((28, 28), layers, "fa", loss="squared_error", dtype="float32")
    built = _peak()
    for _ in range(2):
        net.train_epoch(x, y, fa.SGD(0.01), batch_size=BATCH)
    trained = _peak()
    if before is None:
        pipe.send({"status": "missing", "reason": "this system does not tell resident memory"})
        return
    units = [int(np.prod(shape)) for shape in net.shapes[1:]]
    needed = {  # float32
        "weights": 4 * (sum(w.size for w in net.weights) + sum(units)),
        "feedback": 4 * sum(n * above for n, above in pairwise(units)),
        "activations": 4 * 2 * BATCH * sum(units),  # h and δ
    }
    total = sum(needed.values())
    pipe.send(
        {
            "status": "ok",
            "needed_bytes": needed,
            "needed_total": total,
            "resident_before": before,
            "peak_built": built - before,
            "peak_trained": trained - before,
            "feedback_bytes": net.feedback_bytes,
            "ratio": round((trained - before) / total, 4),
        }
    )


def _peak() -> int:
    """Bytes of the process's largest resident size so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _resident() -> int | None:
    """Bytes resident now. Not ru_maxrss: an earlier peak would hide what the network takes."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return None
