"""Learning from windows: errors end where a window begins, the state goes on."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference_recurrent as ref
from test_sequences import close, data, made, weights
from trainer_cases import assert_same_bits

SHAPES = [(1, 7, 1, 1, 6, 1.0, 4), (3, 20, 2, 3, 11, 5.0, 3), (2, 17, 5, 2, 5, 2.5, 1)]


@pytest.mark.parametrize("back", ["zero", "transpose", "random"])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_window_is_learned_from_where_the_one_before_ended(shape, back):
    m, n, k, N, T, tau, window = shape
    net, rule = made(m, n, k, tau=tau, back=back)
    x, y, mask = data(m, k, N, T)
    p, h = weights(net), np.zeros((N, n))
    for t in range(0, T, window):
        part = np.s_[:, t : t + window]
        if back == "transpose":
            rule.b_rec = p.w[:, m:].T
        change = ref.at_end(p, rule, x[part], y[part], mask[part], h)
        h = ref.forward(p, rule, x[part], h)[1][-1]
        p = p.plus(change, 0.1 / mask[part].size)
    net.train_sequences(x, y, fa.SGD(0.1), batch_size=N, update="window", window=window, mask=mask)
    close(net, p, 1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_windows_are_calls_that_carry_the_state(dtype):
    x, y, _ = data(3, 2, 4, 10)
    optimizer = fa.SGD(0.1, momentum=0.5)
    one, other = (made(3, 20, 2, dtype, tau=3.0, back="transpose")[0] for _ in range(2))
    one.train_sequences(x, y, optimizer, batch_size=2, update="window", window=4)
    for pair in (slice(0, 2), slice(2, 4)):
        other.reset()
        for t in (slice(0, 4), slice(4, 8), slice(8, 10)):
            other.train_sequences(x[pair, t], y[pair, t], optimizer, carry=True)
    assert_same_bits(one, other)
    assert (one.hidden_state == other.hidden_state).all()


@pytest.mark.parametrize("window", [6, 7, 10**9])
def test_a_window_that_holds_all_is_the_sequence(window):
    x, y, mask = data(2, 2, 3, 6)
    one, other = (made(2, 9, 2, tau=4.0, back="random")[0] for _ in range(2))
    a = one.train_sequences(x, y, fa.SGD(0.1), update="window", window=window, mask=mask)
    b = other.train_sequences(x, y, fa.SGD(0.1), mask=mask)
    assert a == b
    assert_same_bits(one, other)


def test_threads_ensembles_and_trainers_make_the_same_bits(restore_threads):
    x, y, _ = data(2, 2, 5, 9)

    def net():
        return made(2, 33, 2, "float32", tau=4.0, back="transpose")[0]

    how = {"update": "window", "window": 4}
    found = []
    for threads in (1, 2, 3):
        fa.set_num_threads(threads)
        found.append(net())
        found[-1].train_sequences(x, y, fa.SGD(0.1), batch_size=3, **how)
    together = fa.Ensemble([net(), net()])
    together.train_sequences(x, y, fa.SGD(0.1), batch_size=3, **how)
    trained = net()
    trainer = fa.Trainer(
        trained, fa.SGD(0.1), batch_size=3, epochs=1, shuffle=False, progress=False, **how
    )
    trainer.fit((x, y))
    assert (trainer.update, trainer.window) == ("window", 4)
    for each in (*found[1:], *together.networks, trained):
        assert_same_bits(found[0], each)


def test_a_trainer_of_windows_is_saved_and_resumed(tmp_path):
    x, y, _ = data(2, 2, 4, 9)

    def trainer():
        net = made(2, 9, 2, tau=4.0, b=np.zeros((9, 2)) + 0.3)[0]
        return fa.Trainer(
            net, fa.Adam(0.01), batch_size=2, epochs=2, progress=False, update="window", window=4
        )  # fmt: skip

    whole, cut = trainer(), trainer()
    whole.fit((x, y))
    whole.fit((x, y))
    cut.fit((x, y))
    fa.save(tmp_path / "t.safetensors", cut)
    again = fa.load(tmp_path / "t.safetensors")
    assert again.window == 4
    again.fit((x, y))
    assert_same_bits(whole.net, again.net)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"update": "window"}, r"window was None; it must be an integer"),
        ({"update": "window", "window": 0}, r"window was 0; it must be an integer in \[1, "),
        ({"update": "window", "window": 2.5}, r"window was 2.5; it must be an integer"),
        (
            {"window": 3},
            r"window was 3 with update 'sequence'; it must be None, or update 'window'",
        ),
        ({"update": "step", "window": 3}, r"window was 3 with update 'step'; it must be None"),
    ],
)
def test_what_does_not_go_is_refused_by_name(how, words):
    x, y, _ = data(2, 2, 3, 6)
    net, _ = made(2, 9, 2)
    with pytest.raises((ValueError, TypeError), match=rf"\[train_sequences\] {words}"):
        net.train_sequences(x, y, fa.SGD(0.1), **how)
    with pytest.raises((ValueError, TypeError), match=rf"\[Trainer\] {words}"):
        fa.Trainer(net, fa.SGD(0.1), epochs=1, **how)
    dense = fa.Network(2, [fa.Dense(2)])
    with pytest.raises(ValueError, match="update was 'window' for a network without a recurrent"):
        fa.Trainer(dense, fa.SGD(0.1), epochs=1, update="window", window=3)
    assert net.hidden_state is None
