"""A fastfa network inside a running Nengo model: it learns from the error that Nengo sends it.

python examples/nengo_bridge.py [figure.png [rflo]]        needs nengo and matplotlib

`Learner` is a Nengo process. Its input is what the network sees and, after it, the error; its output is
the network's. An error takes a time step to arrive, so in each step the error belongs to the output of
the step before: first it is applied, then the new input goes forward.

With ``rflo`` the network is a recurrent one, which filters the spikes itself and learns by random
feedback local online learning.
"""

from __future__ import annotations

import sys

import fastfa as fa
import nengo
import numpy as np


class Learner(nengo.Process):
    """A process with input (x, error) and output y that learns while the model runs.

    ``build()`` makes the network, anew for every simulator and every reset; those made are in
    ``networks``. ``until`` (s) is when it stops to learn.
    """

    def __init__(self, build, optimizer, until=np.inf):
        probe = build()
        size = probe.input_size + probe.output_size
        super().__init__(default_size_in=size, default_size_out=probe.output_size)
        self.build, self.optimizer, self.until = build, optimizer, until
        self.networks = []

    def make_state(self, shape_in, shape_out, dt, dtype=None):
        return {}  # what is kept is kept in the network

    def make_step(self, shape_in, shape_out, dt, rng, state):
        net = self.build()
        self.networks.append(net)
        n = net.input_size
        first = True

        def step(t, signal):
            nonlocal first
            if not first and t <= self.until:
                net.apply_error(signal[n:], self.optimizer)
            first = False
            return net.forward_step(signal[:n])

        return step


def connect(learner, x, target, size):
    """Node ``learner`` learns to turn ``x`` into ``target``; returns the node of the error."""
    error = nengo.Node(size_in=size)
    nengo.Connection(x, learner[:-size], synapse=None)
    nengo.Connection(target, error, synapse=None)
    nengo.Connection(learner, error, transform=-1, synapse=None)
    nengo.Connection(error, learner[-size:], synapse=0)  # one time step
    return error


def stimulus(t):
    return np.sin(2 * np.pi * 0.7 * t), np.sin(2 * np.pi * 0.45 * t + 1)


def wanted(x):
    return x[0] * x[1], x[0] ** 2 - 0.5


def build():
    """From the filtered spikes of 200 neurons to two numbers, with 100 units between."""
    layers = [fa.Dense(100, "tanh"), fa.Dense(2)]
    return fa.Network(200, layers, fa.Feedback("uniform", scale=0.5), seed=1, dtype="float64")


def build_recurrent():
    """The same by a recurrent layer whose units forget within 30 steps (ms)."""
    layers = [fa.Recurrent(100, tau=30.0, recurrent_scale=0.3), fa.Dense(2)]
    return fa.Network(200, layers, "rflo", seed=1, dtype="float64")


def model(until=40.0, build=build, filtered=0.03, lr=0.0003):
    """Spiking neurons see the stimulus, and the learner their activities: the model and its probes.

    ``filtered`` (s) is how long a spike is seen, ``lr`` the learning rate.
    """
    with nengo.Network(seed=3) as net:
        source = nengo.Node(stimulus)
        neurons = nengo.Ensemble(
            200, dimensions=2, radius=1.4, max_rates=nengo.dists.Uniform(50, 100)
        )
        nengo.Connection(source, neurons)
        rates = nengo.Node(size_in=200)
        nengo.Connection(neurons.neurons, rates, synapse=filtered, transform=0.01)
        target = nengo.Node(lambda t, x: wanted(x), size_in=2)
        nengo.Connection(source, target, synapse=0.03)  # as late as the rates
        process = Learner(build, fa.SGD(lr), until)
        learner = nengo.Node(process)
        error = connect(learner, rates, target, 2)
        probes = [nengo.Probe(o, sample_every=0.005) for o in (target, learner, error)]
    return net, process, probes


def main(path="nengo.png", rule="fa"):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    recurrent = {"build": build_recurrent, "filtered": 0.003, "lr": 0.0006}
    net, _, probes = model(**recurrent if rule == "rflo" else {})
    with nengo.Simulator(net, progress_bar=False) as sim:
        sim.run(48.0)
    t = sim.trange(sample_every=0.005)
    target, output, error = (sim.data[p] for p in probes)
    figure, axes = plt.subplots(3, 1, figsize=(8, 6.5), layout="constrained")
    for axis, begin in zip(axes, (0, 38), strict=False):
        axis.plot(t, target[:, 0], "0.6", lw=3, label="target, $x_0 x_1$")
        axis.plot(t, output[:, 0], "C0", lw=1, label="fastfa network")
        axis.set(xlim=(begin, begin + 8), ylim=(-1.4, 1.4), ylabel="output 0")
    axes[0].legend(loc="lower right", ncols=2)
    axes[2].plot(t, np.sqrt(np.convolve((error**2).sum(1), np.ones(200) / 200, "same")), "C3")
    axes[2].set(xlabel="time (s)", ylabel="error, RMS over 1 s", xlim=(0, 48), ylim=(0, None))
    for axis in axes[1:]:
        axis.axvline(40, color="k", ls=":")
        axis.text(40.15, axis.get_ylim()[1] * 0.8, "learning off")
    name = {"fa": "feedback alignment", "rflo": "RFLO"}[rule]
    axes[0].set_title(f"A network in a Nengo model learns by {name} from spikes")
    figure.savefig(path, dpi=110)
    early, late = (np.sqrt((error[a:b] ** 2).sum(1).mean()) for a, b in ((0, 200), (8000, None)))
    print(f"error {early:.3f} in the first second, {late:.3f} with learning off; figure: {path}")
    return early, late


if __name__ == "__main__":
    main(*sys.argv[1:])
