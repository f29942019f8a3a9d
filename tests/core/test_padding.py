"""The rule of docs/dev/memory.md on storage: what pads rows of W, b and B is zero and stays zero.

Whatever a unit's σ(0) is, and whatever moves its weights. Seen through the strides of the views.
"""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from local_cases import Patches, local_case
from parity_cases import ALL_RULES, build, draw_data, plain_case

OPTIMIZERS = [
    fa.SGD(0.05, weight_decay=0.1),
    fa.SGD(0.005, momentum=0.9, reduction="sum"),
    fa.Adam(0.01, weight_decay=0.1),
    fa.AdamW(0.01, weight_decay=0.1),
    fa.RMSprop(0.01, weight_decay=0.1),
    fa.SGD(0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
]


def padding(view: np.ndarray) -> np.ndarray:
    """What lies between the rows of the core's memory: rows are a view's first axis."""
    if view.ndim == 1:
        stored = -(-len(view) // 16) * 16
        return np.lib.stride_tricks.as_strided(view, (stored,), view.strides)[len(view) :]
    if view.ndim == 6:
        return between(view)
    rows, columns = view.shape
    assert view.strides[0] == view.itemsize
    stored = view.strides[1] // view.itemsize if columns > 1 else -(-rows // 16) * 16
    return np.lib.stride_tricks.as_strided(view, (stored, columns), view.strides)[rows:]


def between(view: np.ndarray) -> np.ndarray:
    """What a locally connected layer's view leaves out of the memory that it spans."""
    strides = [s // view.itemsize for s in view.strides]
    outermost = int(np.argmax(strides))
    memory = np.lib.stride_tricks.as_strided(
        view, (view.shape[outermost] * strides[outermost],), (view.itemsize,)
    )
    seen = np.zeros(memory.shape, dtype=bool)
    places = sum(n * s for n, s in zip(np.indices(view.shape), strides, strict=True))
    assert len(np.unique(places)) == view.size  # no two weights share a place
    seen[places.ravel()] = True
    return memory[~seen]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", ["bp", "fa", "dfa", "kp", "usf", "frsf", "brsf", "perturbed"])
def test_padding_of_local_layers_stays_zero(rule, dtype):
    options = {"perturbation": 0.3} if rule == "perturbed" else {"rules": (rule,)}
    for stack in ([Patches(3, 2), Patches(5, 3, 2, "same")], [Patches(17, (1, 3)), Patches(1, 2)]):
        for hidden, batch in (("logistic", 1), ("logistic", 5), ("tanh", 17)):
            case = local_case((2, 5, 6), stack, 3, hidden=(hidden,), **options)
            rng = np.random.default_rng(3)
            net = build(case, dtype, rng)
            x, y = draw_data(case, 25, dtype, rng)
            for optimizer in OPTIMIZERS:
                net.train_epoch(x, y, optimizer, batch_size=batch)
            net.deltas(x, y), net.evaluate(x, y), fa.metrics.alignment(net, x, y)
            stored = [net._arrays()[k] for k in net.state_dict() if k.startswith("feedback")]
            for array in [*net.weights, *net.biases, *stored]:
                assert padding(array).size > 0
                assert not padding(array).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", [*ALL_RULES, "perturbed"])
def test_padding_stays_zero(rule, dtype):
    options = {"perturbation": 0.3} if rule == "perturbed" else {"rules": (rule,)}
    for hidden, density, batch in (("logistic", 1.0, 1), ("logistic", 0.5, 5), ("tanh", 1.0, 5)):
        case = plain_case((9, 21, 35, 5), hidden=(hidden,), density=(density,), **options)
        rng = np.random.default_rng(3)
        net = build(case, dtype, rng)
        x, y = draw_data(case, 25, dtype, rng)
        for optimizer in OPTIMIZERS:
            net.train_epoch(x, y, optimizer, batch_size=batch)
        net.deltas(x, y), net.evaluate(x, y), fa.metrics.alignment(net, x, y)
        stored = [b for b in net.feedback_matrices if b.flags.writeable]
        for array in [*net.weights, *net.biases, *stored]:
            assert padding(array).size > 0
            assert not padding(array).any()


def test_padding_can_be_seen():
    """The test above looks at the right memory: rows of 5 are stored in 16 places."""
    net = fa.Network(3, [fa.Dense(5, "tanh"), fa.Dense(2)])
    assert padding(net.weights[0]).shape == (11, 3)
    assert padding(net.biases[0]).shape == (11,)
    inside = np.lib.stride_tricks.as_strided(net.weights[0], (16, 3), net.weights[0].strides)
    np.testing.assert_array_equal(inside[:5], net.weights[0])
