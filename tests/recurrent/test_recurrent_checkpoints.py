"""What is saved of a network in time goes on in the same bits."""

from __future__ import annotations

import pickle

import fastfa as fa
import numpy as np
import pytest

X = np.random.default_rng(0).normal(size=(2, 12, 3)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(2, 12, 2)).astype(np.float32)
OPTIMIZER = fa.SGD(0.05, momentum=0.5)


def network(**more):
    layers = [fa.Recurrent(9, tau=4.0, recurrent_scale=1.5), fa.Dense(2)]
    return fa.Network(3, layers, "fa", seed=2, **more)


def learn(net, part):
    net.train_sequences(X[:, part], Y[:, part], OPTIMIZER, batch_size=2, update="step", carry=True)


def by_file(net, tmp_path):
    fa.save(tmp_path / "net.ckpt", net)
    return fa.load(tmp_path / "net.ckpt")


@pytest.mark.parametrize("travel", [by_file, lambda net, _: pickle.loads(pickle.dumps(net))])
def test_a_sequence_cut_in_two_is_learned_in_the_same_bits(travel, tmp_path):
    whole, cut = network(), network()
    learn(whole, slice(0, 12))
    learn(cut, slice(0, 5))
    cut = travel(cut, tmp_path)
    learn(cut, slice(5, 12))
    for a, b in zip(whole.weights, cut.weights, strict=True):
        assert (a == b).all()
    assert (whole.hidden_state == cut.hidden_state).all()
    assert (whole._net.traces() == cut._net.traces()).all()


def test_a_network_before_its_first_step_has_no_state_in_the_file(tmp_path):
    net = network()
    again = by_file(net, tmp_path)
    assert again.hidden_state is None
    assert again.layers == net.layers
    net.train_sequences(X, Y, OPTIMIZER, batch_size=2)  # a state, and no traces
    assert (by_file(net, tmp_path).hidden_state == net.hidden_state).all()
