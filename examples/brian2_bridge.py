"""A fastfa network beside spiking neurons in Brian 2: it reads their spikes and learns as they fire.

python examples/brian2_bridge.py [figure.png]        needs brian2 and matplotlib

`learner` makes a network operation. At each of its ticks the error of the output of the tick before is
applied, then what the neurons do now goes forward. So the error may be whatever became of that output.
"""

from __future__ import annotations

import sys

import brian2 as b2
import fastfa as fa
import numpy as np
from brian2 import ms, second

b2.prefs.codegen.target = "numpy"  # no compiler needed


def learner(net, optimizer, read, error, write, dt=5 * ms):
    """A network operation that steps ``net`` every ``dt``.

    ``read()`` gives what it sees (n_in,), ``write(y)`` takes its output (n_out,), and ``error(t)`` tells
    at the next tick how far that was from its target, or gives None: then nothing is learned.
    """
    begun = False

    def tick(t):
        nonlocal begun
        e = error(t) if begun else None
        if e is not None:
            net.apply_error(e, optimizer)
        write(net.forward_step(read()))
        begun = True

    return b2.NetworkOperation(tick, dt=dt)


def angle(t):
    """The stimulus, rad: it wanders around the circle."""
    return 2 * np.pi * 0.25 * t + 1.5 * np.sin(2 * np.pi * 0.11 * t)


def wanted(theta):
    """Twice the angle, as a point on the circle."""
    return np.array([np.cos(2 * theta), np.sin(2 * theta)])


def model(until=32.0, seed=5):
    """100 tuned neurons fire for an angle; from their spikes the network learns the doubled angle.

    Returns the Brian network, its spike monitor, the fastfa network, and a list of (t, target, output).
    """
    b2.seed(seed)
    spikes = b2.NeuronGroup(
        100,
        """rates = 100*Hz * exp(4 * (cos(theta - preferred) - 1)) : Hz
           theta : 1 (shared)
           preferred : 1 (constant)
           dactivity/dt = -activity / (50*ms) : 1""",
        threshold="rand() < rates * dt",
        reset="activity += 0.2",
        method="exact",
    )
    spikes.preferred = "2 * pi * i / N"
    outputs = b2.NeuronGroup(2, "y : 1")  # what other parts of a model would read
    monitor = b2.SpikeMonitor(spikes)
    layers = [fa.Dense(60, "tanh"), fa.Dense(2)]
    net = fa.Network(100, layers, fa.Feedback("uniform", scale=0.5), seed=2, dtype="float64")
    record = []

    def error(t):
        before = float(t / second) - 0.005  # when that output was made
        goal, y = wanted(angle(before)), np.array(outputs.y[:])
        record.append((before, goal, y))
        return goal - y if before <= until else None

    def write(y):
        outputs.y[:] = y

    def stimulate(t):
        spikes.theta = angle(float(t / second))

    drive = b2.NetworkOperation(stimulate, dt=1 * ms, when="start")
    learn = learner(net, fa.SGD(0.0005), lambda: np.array(spikes.activity[:]), error, write)
    return b2.Network(spikes, outputs, monitor, drive, learn), monitor, net, record


def main(path="brian2.png", duration=40.0):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    b2.defaultclock.dt = 1 * ms
    network, monitor, _, record = model(until=0.8 * duration)
    network.run(duration * second)
    t, goal, output = (np.array(column) for column in zip(*record, strict=True))
    error = np.sqrt(((goal - output) ** 2).sum(1))
    figure, axes = plt.subplots(4, 1, figsize=(8, 7.5), layout="constrained")
    axes[0].plot(monitor.t / second, monitor.i, "k.", ms=0.6)
    axes[0].set(
        ylabel="neuron", title="A network beside Brian 2's neurons learns from their spikes"
    )
    for axis, begin in ((axes[1], 0.0), (axes[2], duration - 8)):
        axis.plot(t, goal[:, 0], "0.6", lw=3, label="target, $\\cos 2\\theta$")
        axis.plot(t, output[:, 0], "C0", lw=1, label="fastfa network")
        axis.set(xlim=(begin, begin + 8), ylim=(-1.6, 1.6), ylabel="output 0")
    axes[1].legend(loc="lower right", ncols=2)
    axes[0].set_xlim(duration - 8, duration)
    axes[3].plot(t, np.sqrt(np.convolve(error**2, np.ones(200) / 200, "same")), "C3")
    axes[3].axvline(0.8 * duration, color="k", ls=":")
    axes[3].text(0.805 * duration, 1.0, "learning off")
    axes[3].set(xlabel="time (s)", ylabel="error, RMS over 1 s", ylim=(0, 1.5), xlim=(0, duration))
    figure.savefig(path, dpi=110)
    early, late = (np.sqrt((error[part] ** 2).mean()) for part in (t < 1, t > 0.8 * duration))
    print(f"error {early:.3f} in the first second, {late:.3f} with learning off; figure: {path}")
    return early, late


if __name__ == "__main__":
    main(*sys.argv[1:])
