"""The paper's locally connected network on MNIST: test error under a rule, with or without distortions.

    FASTFA_DATA=/path/to/data python bench/local_train.py fa --distortions --out results.json
    python bench/local_train.py fa
    python bench/local_train.py fa --first dense
    python bench/local_train.py bp

784-3174-1500-1500-10 (Lillicrap et al. 2016, Supplementary Note 5: "6 maps", "6x6 patch", leaky units,
elastic distortions). The paper trained by SGD with the rate lowered on plateaus; here it is Adam with
fixed steps, with which the scale of B matters less, and the network ends with the mean of its weights
over the last epochs (fa.AveragedWeights). Everything was chosen on the last 10,000 training digits; the
test set is measured after each epoch and decides nothing. Two errors are told: the last epoch's and the
mean's.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

import fastfa as fa
import machine
import numpy as np

LOW, HIGH = -0.9, 0.9  # targets of the tanh outputs
GAIN = 0.1  # of B, relative to an output error: "equal_error"
RATES = {  # epoch: η
    ("fa", False): {1: 5e-5, 2: 1e-4, 18: 3e-5, 30: 1e-5},
    ("bp", False): {1: 5e-5, 2: 1e-4, 12: 3e-5, 20: 1e-5},
    ("fa", True): {1: 1e-4, 51: 3e-5},
    ("bp", True): {1: 1e-4, 51: 3e-5},
}
AVERAGED = {True: 30, False: 12}  # epochs at the end, by whether there are distortions
EPOCHS = {("fa", False): 36, ("bp", False): 24, ("fa", True): 80, ("bp", True): 80}


def make_network(rule: str, first: str, activation: str, seed: int) -> fa.Network:
    """784-3174-1500-1500-10; the first layer local, or dense with as many units."""
    below = (
        fa.LocallyConnected2D(6, 6, activation=activation)
        if first == "local"
        else fa.Dense(6 * 23 * 23, activation)
    )
    layers = [below, fa.Dense(1500, activation), fa.Dense(1500, activation), fa.Dense(10, "tanh")]
    feedback = fa.Feedback("uniform", gain=GAIN) if rule == "fa" else "bp"
    net = fa.Network((28, 28), layers, feedback, seed=seed)
    # Outputs begin at the targets' mean. From 0, nine errors of ten are -0.9 for every example: B sends
    # the same push to a hidden unit again and again, and many saturate before W has aligned with B.
    net.biases[-1][:] = np.arctanh(HIGH * 0.1 + LOW * 0.9)
    return net


def distortion_of(train: fa.data.Normalised) -> fa.data.Distortion:
    """What the images are trained with; outside of them is what black pixels became."""
    background = float(-np.mean(train.mean) / np.mean(train.sd))
    return fa.data.Distortion(alpha=20, sigma=4, translate=1, rotate=8, scale=0.08, fill=background)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rule", choices=["fa", "bp"])
    parser.add_argument("--first", choices=["local", "dense"], default="local")
    parser.add_argument("--distortions", action="store_true")
    parser.add_argument("--activation", choices=["leaky_relu", "tanh"])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    fa.set_num_threads(options.threads)

    data = fa.data.load("mnist")
    train = fa.data.normalise(data.train.x)
    test = fa.data.normalise(data.test.x, train.mean, train.sd)
    distortion = distortion_of(train)
    activation = options.activation or ("tanh" if options.distortions else "leaky_relu")
    rates = RATES[options.rule, options.distortions]
    epochs = options.epochs or EPOCHS[options.rule, options.distortions]
    mean = fa.AveragedWeights(max(1, epochs - AVERAGED[options.distortions] + 1))
    trainer = fa.Trainer(
        make_network(options.rule, options.first, activation, options.seed),
        fa.Adam(rates[1]),
        epochs=epochs,
        schedule=rates,
        seed=options.seed,
        augment=distortion if options.distortions else None,
        callbacks=[mean],
    )
    begun = time.perf_counter()
    history = trainer.fit((train.x, data.train.labels), test=(test.x, data.test.labels))
    result = {
        "command": f"bench/local_train.py {options.rule} --first {options.first}"
        + " --distortions" * options.distortions,
        "settings": {**vars(options), "out": None, "activation": activation, "rates": rates},
        "distortion": dataclasses.asdict(distortion) if options.distortions else None,
        "test_error": history["test_error"],
        "train_error": history["train_error"],
        "averaged_from_epoch": mean.begin,
        "averaged_test_error": fa.metrics.error_rate(trainer.net, test.x, data.test.labels),
        "seconds": time.perf_counter() - begun,
        "machine": machine.describe_machine(),
    }
    print(
        f"test error at the last epoch {100 * result['test_error'][-1]:.2f} %, of the mean of the last "
        f"{mean.epochs} epochs' weights {100 * result['averaged_test_error']:.2f} %"
    )
    if options.out:
        options.out.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
