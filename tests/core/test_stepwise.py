"""A step in parts has the bits of step()."""

from __future__ import annotations

import devices
import fastfa as fa
import numpy as np
import pytest
from parity_cases import ALL_RULES, HIDDEN, OUTPUTS, Case, bits, draw_data, plain_case, twins

OPTIMIZERS = {
    "sgd": fa.SGD(0.05, weight_decay=1e-3),
    "plain": fa.SGD(0.05),
    "sum": fa.SGD(0.02, reduction="sum"),
    "momentum": fa.SGD(0.02, momentum=0.9),
    "adam": fa.Adam(0.01),
    "nesterov": fa.SGD(0.02, momentum=0.9, nesterov=True),
    "adamw": fa.AdamW(0.01),
    "rmsprop": fa.RMSprop(0.01),
    "limited": fa.SGD(0.05, clip_norm=0.1),
}
SIZES = {
    "tiny": (7, 6, 5, 4),  # all of a step in one operation
    "small": (40, 70, 33, 10),  # more than four vectors of units
    "wide": (90, 300, 130, 10),
}


def target_of(net: fa.Network, y: np.ndarray) -> np.ndarray | None:
    wanted = any(f.route == "target" and f.matrix != "zero" for f in net.feedback)
    return y if wanted else None


def assert_alike(case: Case, dtype: str, optimizer, batch: int, steps: int = 6) -> None:
    """The same examples through step() and in parts: the same bits in all that is state."""
    whole, parts = twins(case, dtype)
    x, y = draw_data(case, steps * batch, dtype, np.random.default_rng(1))
    x[:, ::3] *= np.random.default_rng(2).random((len(x), 1)) < 0.5  # inputs of zero are skipped
    for i in range(steps):
        rows = slice(i * batch, (i + 1) * batch)
        whole.step(x[rows], y[rows], optimizer)
        out = parts.forward_step(x[rows])
        parts.apply_error(y[rows] - out, optimizer, target=target_of(parts, y[rows]))
        assert bits(whole) == bits(parts), (case, i)
    assert whole.steps == parts.steps == steps


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("rule", ALL_RULES)
def test_the_parts_are_a_step_under_every_rule(rule, optimizer, batch):
    case = plain_case(SIZES["tiny"], rules=(rule,), hidden=("tanh", "logistic"))
    assert_alike(case, "float32", OPTIMIZERS[optimizer], batch)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 2, 32])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("output", OUTPUTS, ids="-".join)
def test_the_parts_are_a_step_for_every_loss(output, size, batch, dtype):
    for optimizer in OPTIMIZERS.values():
        case = plain_case(SIZES[size], output=output, hidden=("relu", "tanh"))
        assert_alike(case, dtype, optimizer, batch, 4)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("batch", [1, 5])
def test_the_parts_are_a_step_for_every_activation(batch, hidden):
    for rule in ("fa", "bp", "dfa", "shallow"):
        case = plain_case(SIZES["small"], hidden=(hidden,), rules=(rule,))
        assert_alike(case, "float64", OPTIMIZERS["momentum"], batch, 3)
        assert_alike(case, "float64", OPTIMIZERS["plain"], batch, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"bias": (False, True, True)},
        {"trainable": (False, True, True)},
        {"trainable": (True, False, True)},
        {"density": (0.5, 1.0, 0.7)},
        {"rules": ("bp", "dfa")},
        {"rules": ("fa", "shallow")},
        {"rules": ("direct kp", "wm fast")},
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [1, 6])
def test_the_parts_are_a_step_in_unusual_networks(batch, changes):
    for optimizer in OPTIMIZERS.values():
        assert_alike(plain_case(SIZES["small"], **changes), "float32", optimizer, batch, 4)


def dropping(local: bool) -> tuple[fa.Network, fa.Network]:
    below = [fa.LocallyConnected2D(3, 2, activation="tanh")] if local else [fa.Dense(30, "tanh")]
    layers = [
        *(fa.Dropout(0.2), *below, fa.Dropout(0.5)),
        *(fa.Dense(20, "relu"), fa.Dropout(0.3), fa.Dense(4, "softmax")),
    ]
    return tuple(fa.Network((1, 5, 4), layers, loss="cross_entropy", seed=4) for _ in range(2))


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("batch", [1, 9])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_parts_are_a_step_with_dropout_and_local_layers(optimizer, batch, local, rng):
    whole, parts = dropping(local)
    for _ in range(5):
        x = rng.standard_normal((batch, 1, 5, 4)).astype("float32")
        y = np.eye(4, dtype="float32")[rng.integers(0, 4, batch)]
        whole.step(x, y, OPTIMIZERS[optimizer])
        parts.apply_error(y - parts.forward_step(x), OPTIMIZERS[optimizer])
        assert bits(whole) == bits(parts)


def test_a_tiny_epoch_online_has_the_bits_of_its_steps_in_parts(rng):
    whole, parts = twins(plain_case(SIZES["tiny"]), "float32")
    x, y = draw_data(plain_case(SIZES["tiny"]), 50, "float32", rng)
    whole.train_epoch(x, y, OPTIMIZERS["plain"], batch_size=1)
    for one, wanted in zip(x, y, strict=True):
        parts.apply_error(wanted - parts.forward_step(one), OPTIMIZERS["plain"])
    assert bits(whole) == bits(parts)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_nothing(threads, restore_threads):
    fa.set_num_threads(threads)
    assert_alike(plain_case((200, 700, 10)), "float32", OPTIMIZERS["sgd"], 1, 3)
    assert_alike(plain_case((200, 700, 10)), "float32", OPTIMIZERS["sgd"], 64, 3)


@devices.emulated
@pytest.mark.parametrize("rule", ["fa", "drtp", "wm", "brsf"])
@pytest.mark.parametrize("batch", [1, 5])
def test_the_parts_are_a_step_on_a_device(batch, rule, rng):
    """The emulated one, whose memory and launches are as a GPU's."""
    layers = [fa.Dense(20, "tanh"), fa.Dropout(0.3), fa.Dense(9, "relu"), fa.Dense(4, "softmax")]
    whole, parts = (
        fa.Network(7, layers, rule, loss="cross_entropy", seed=2, device=devices.ORDERS[0])
        for _ in range(2)
    )
    for _ in range(3):
        x = rng.standard_normal((batch, 7)).astype("f4")
        y = np.eye(4, dtype="f4")[rng.integers(0, 4, batch)]
        whole.step(x, y, OPTIMIZERS["momentum"])
        out = parts.forward_step(x)
        assert [len(h) for h in parts.state.activations] == [batch] * 3
        parts.forward(np.ones((50, 7), "f4"))  # looking, in spare buffers
        parts.apply_error(y - out, OPTIMIZERS["momentum"], target=target_of(parts, y))
        assert bits(whole) == bits(parts)
        np.testing.assert_allclose(parts.state.deltas[-1], y - out, rtol=1e-6)


# --- what is kept -------------------------------------------------------------------------------
