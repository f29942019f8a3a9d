"""The bridges to Nengo and Brian 2, in the real simulators: what a plain loop would have learned."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path

import fastfa as fa
import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SGD = fa.SGD(0.05)


def bridge(name: str, simulator: str, monkeypatch):
    """An example's module, if its simulator is there."""
    if not EXAMPLES.exists():
        pytest.skip("the tests are not beside the repository's examples")
    with warnings.catch_warnings():  # what a simulator's own imports complain of isn't ours
        warnings.simplefilter("ignore")
        pytest.importorskip(simulator, reason=f"{simulator} is not installed")
        monkeypatch.syspath_prepend(str(EXAMPLES))
        return importlib.import_module(name)


def build() -> fa.Network:
    return fa.Network(3, [fa.Dense(8, "tanh"), fa.Dense(2)], seed=4, dtype="float64")


def build_recurrent() -> fa.Network:
    return fa.Network(3, [fa.Recurrent(8, tau=4.0), fa.Dense(2)], "rflo", seed=4, dtype="float64")


both = pytest.mark.parametrize("build", [build, build_recurrent])


def learned(build, x: np.ndarray, target: np.ndarray, until: int) -> tuple[np.ndarray, fa.Network]:
    """What a network makes of x (T, 3) if each error is applied one step later, before step `until`."""
    net, outputs = build(), []
    for i, now in enumerate(x):
        if 0 < i < until:
            net.apply_error(target[i - 1] - outputs[-1], SGD)
        outputs.append(net.forward_step(now))
    return np.array(outputs), net


@both
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_nengo_process_learns_as_a_loop_would(build, monkeypatch):
    nb = bridge("nengo_bridge", "nengo", monkeypatch)
    import nengo

    with nengo.Network() as model:
        source = nengo.Node(lambda t: [np.sin(20 * t), np.cos(31 * t), t])
        target = nengo.Node(lambda t: [np.sin(20 * t) ** 2, -t])
        process = nb.Learner(build, SGD, until=0.1505)
        learner = nengo.Node(process)
        nb.connect(learner, source, target, 2)
        x, y, output = nengo.Probe(source), nengo.Probe(target), nengo.Probe(learner)
    with nengo.Simulator(model, progress_bar=False) as sim:
        sim.run(0.2)
        expected, net = learned(build, sim.data[x], sim.data[y], 150)
        np.testing.assert_allclose(sim.data[output], expected, rtol=1e-9, atol=1e-12)
        assert np.abs(net.weights[-1] - build().weights[-1]).max() > 0.05  # it did learn
        assert net.steps == process.networks[-1].steps == 149
        sim.reset()
        sim.run(0.2)
        np.testing.assert_allclose(sim.data[output], expected, rtol=1e-9, atol=1e-12)
    with nengo.Simulator(model, progress_bar=False) as other:  # another simulator, another network
        other.run(0.2)
        np.testing.assert_allclose(other.data[output], expected, rtol=1e-9, atol=1e-12)
    assert len({id(n) for n in process.networks}) == len(process.networks) == 3


@pytest.mark.parametrize("name", ["build", "build_recurrent"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_nengo_model_of_the_figure_learns(name, monkeypatch):
    nb = bridge("nengo_bridge", "nengo", monkeypatch)
    import nengo

    build = getattr(nb, name)
    net, process, (_, _, error) = nb.model(until=5.0, build=build)
    with nengo.Simulator(net, progress_bar=False) as sim:
        sim.run(2.0)
    assert process.networks[-1].steps == 1999
    assert np.isfinite(sim.data[error]).all()
    before = build()
    moved = np.abs(process.networks[-1].weights[0] - before.weights[0])
    assert moved.max() > 0.003


@both
@pytest.mark.filterwarnings("ignore")
def test_a_brian_network_operation_learns_as_a_loop_would(build, monkeypatch):
    bb = bridge("brian2_bridge", "brian2", monkeypatch)
    import brian2 as b2

    b2.defaultclock.dt = 1 * b2.ms
    b2.seed(3)
    group = b2.PoissonGroup(3, rates=200 * b2.Hz)
    reader = b2.NeuronGroup(3, "dv/dt = -v / (20*ms) : 1", method="exact")
    synapses = b2.Synapses(group, reader, on_pre="v += 0.3")
    synapses.connect(j="i")
    seen, made, goals = [], [], []
    net = build()

    def read():
        seen.append(np.array(reader.v[:]))
        goals.append(np.array([seen[-1].sum(), -seen[-1][0]]))
        return seen[-1]

    def error(t):
        return goals[-1] - made[-1] if len(seen) < 80 else None

    operation = bb.learner(net, SGD, read, error, made.append, dt=2 * b2.ms)
    b2.Network(group, reader, synapses, operation).run(200 * b2.ms)
    assert len(made) == 100
    assert np.ptp(seen, axis=0).min() > 0.1  # there were spikes
    expected, same = learned(build, np.array(seen), np.array(goals), 80)
    np.testing.assert_array_equal(np.array(made), expected)
    assert net.steps == same.steps == 79
    for left, right in zip(net.weights, same.weights, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.filterwarnings("ignore")
def test_the_brian_model_of_the_figure_learns(monkeypatch):
    bb = bridge("brian2_bridge", "brian2", monkeypatch)
    import brian2 as b2

    b2.defaultclock.dt = 1 * b2.ms
    network, monitor, net, record = bb.model(until=0.5025)
    network.run(1 * b2.second)
    assert monitor.num_spikes > 500
    assert len(record) == 199
    assert net.steps == 101  # errors of the outputs at 0, 5, …, 500 ms
    assert all(np.isfinite(output).all() for _, _, output in record)
