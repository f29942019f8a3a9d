"""The rules by name, ensembles of networks in time, and the experiment."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from fastfa.experiments import rflo
from fastfa.rules import IN_TIME

X = np.random.default_rng(0).normal(size=(4, 6, 2))
Y = np.random.default_rng(1).normal(size=(4, 6, 1))


@pytest.mark.parametrize(
    ("name", "source"),
    [("rflo", "murray2019"), ("bptt", "werbos1990"), ("random_bptt", "murray2019")],
)
def test_a_name_stands_for_both_matrices_and_its_paper(name, source):
    rule, back = IN_TIME[name]
    layers = [fa.Recurrent(5, recurrent_feedback=back), fa.Dense(1)]
    nets = [fa.Network(2, layers, feedback, seed=1) for feedback in (name, rule)]
    assert source in fa.citation(nets[0])
    for net in nets:
        net.train_sequences(X, Y, fa.SGD(0.1))
    assert (nets[0].weights[0] == nets[1].weights[0]).all()
    nets[0].set_feedback(name)
    other = next(each for each in IN_TIME if IN_TIME[each][1] != back)
    with pytest.raises(ValueError, match="must have a Recurrent with recurrent_feedback"):
        nets[0].set_feedback(other)


@pytest.mark.parametrize("update", ["sequence", "step"])
def test_an_ensemble_learns_as_each_network_alone(update):
    def nets():
        return [fa.Network(2, [fa.Recurrent(n), fa.Dense(1)], "dfa", seed=n) for n in (5, 20, 70)]

    together, alone = nets(), nets()
    losses = fa.Ensemble(together).train_sequences(X, Y, fa.SGD(0.05), update=update)
    for net, twin, loss in zip(alone, together, losses, strict=True):
        assert loss == net.train_sequences(X, Y, fa.SGD(0.05), update=update)
        assert (net.weights[0] == twin.weights[0]).all()


def test_an_ensemble_names_the_network_that_diverged():
    nets = [fa.Network(2, [fa.Recurrent(5, "linear"), fa.Dense(1)], seed=s) for s in range(2)]
    nets[1].weights[0][...] = 1e10
    before = nets[0].weights[0].copy()
    with pytest.raises(fa.DivergenceError, match="network 1") as caught:
        fa.Ensemble(nets).train_sequences(X, Y, fa.SGD(0.05))
    assert list(caught.value.stopped) == [1]
    assert (nets[0].weights[0] != before).any()


def test_the_periodic_task_is_learned_by_every_rule():
    example = rflo.EXPERIMENT.presets["quick"]["example"] | {"trials": 600, "points": 4}
    rows = {rule: rflo.run({"example": example}, f"example {rule}", 0) for rule in rflo.RULES}
    for rule, row in rows.items():
        assert row["loss"][-1] < 0.5 * 0.328, rule  # half the loss of an output of zero
    assert rows["rflo"]["cosine"][-1] > 0.3
