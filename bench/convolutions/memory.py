"""Peak memory of training a convolutional network, told as JSON: `memory.py NETWORK THREADS`.

Linux only: VmHWM and VmRSS of /proc/self/status.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main(name: str, threads: int) -> dict[str, Any]:
    import fastfa as fa
    import numpy as np

    from convolutions.networks import PLANS, batch_of
    from growing.memory import _status

    fa.set_num_threads(threads)
    # once with something small: threads, kernels and modules are not the network's memory
    small = fa.Network((1, 6, 6), [fa.Conv2D(2, 3), fa.MaxPool2D(2), fa.Dense(2)])
    small.step(*batch_of(small, 2), fa.SGD(0.1))
    shape, batch, layers = PLANS[name]
    x, y = batch_of(fa.Network(shape, layers, "fa"), batch)
    before = _status("VmRSS")
    net = fa.Network(shape, layers, "fa")
    for _ in range(2):
        net.step(x, y, fa.SGD(1e-4))
    peak = _status("VmHWM") - before
    # h and δ of each layer, and what pooling leaves and chooses of them
    sizes = [int(np.prod(s)) for s in net.shapes[1:]]
    for i, pooling in enumerate(net.pooling[1:]):
        sizes += [int(np.prod(each.output_shape(net.shapes[i + 1]))) for each in pooling]
    needed = {
        "weights": sum(w.nbytes for w in net.weights),
        "feedback": sum(net.feedback_bytes),
        "activations": 4 * 2 * batch * sum(sizes),
        "input": x.nbytes,
    }
    return {"needed_bytes": needed, "peak_bytes": peak, "ratio": peak / sum(needed.values())}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
