"""Peak memory of training 64-w-w-10, told as JSON: `memory.py WIDTH OPTIMIZER THREADS`.

Linux only: VmHWM and VmRSS of /proc/self/status.
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

BATCH = 100
STATE = {"sgd": 0, "momentum": 1, "adam": 2}  # numbers kept per parameter


def main(width: int, optimizer: str, threads: int) -> dict[str, Any]:
    import fastfa as fa
    import numpy as np

    sizes = [64, width, width, 10]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((10 * BATCH, sizes[0]), np.float32)
    y = rng.uniform(-0.9, 0.9, (10 * BATCH, sizes[-1])).astype(np.float32)
    how = {"sgd": fa.SGD(1e-3), "momentum": fa.SGD(1e-3, momentum=0.9), "adam": fa.Adam(1e-4)}
    fa.set_num_threads(threads)
    # once with something tiny: threads, kernels and modules are not the network's memory
    fa.Network(64, [fa.Dense(10, "tanh"), fa.Dense(10)]).step(x[:2], y[:2], how[optimizer])
    before = _status("VmRSS")
    net = fa.Network(sizes[0], [fa.Dense(n, "tanh") for n in sizes[1:]])
    net.train_epoch(x, y, how[optimizer], batch_size=BATCH)
    peak = _status("VmHWM") - before
    parameters = sum(n * n_out + n_out for n, n_out in pairwise(sizes))
    needed = {
        "weights": 4 * parameters,
        "feedback": sum(net.feedback_bytes),
        "optimizer": 4 * STATE[optimizer] * parameters,
        "activations": 4 * 2 * BATCH * sum(sizes[1:]),  # h and δ
    }
    return {
        "width": width,
        "parameters": parameters,
        "needed_bytes": needed,
        "peak_bytes": peak,
        "ratio": round(peak / sum(needed.values()), 4),
    }


def _status(key: str) -> int:
    """Bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {key}")


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
