"""``fastfa demo``: feedback alignment learns handwritten digits next to backprop."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..data import Dataset
    from ..history import History
    from ..network import Network

# 784-1000-10 logistic units, online, as in Figure 2 of Lillicrap et al. (arXiv 1411.0247). The
# paper doesn't give omega and beta, and its learning rate of 1e-3 is for far longer training.
RULES = {"BP": "bp", "FA": "fa", "shallow": "shallow"}
HIDDEN = 1000
RATE = 0.05  # eta; a third of it from 7/12 and a tenth from 10/12 of the epochs on
WEIGHT_SCALE = 0.05  # omega
FEEDBACK_SCALE = 1.0  # beta
BATCH_SIZE = 1
EPOCHS = 12
PROBES = 100  # training images on which the angle is measured
ANGLES_PER_EPOCH = 30

_DESCRIPTION = """\
Train a 784-1000-10 network on mnist-mini (6,000 training and 1,000 test images, part of the
package) with backprop, with feedback alignment and with a frozen hidden layer (shallow), from the
same initial weights. Prints a table and draws the learning curves and the angle between feedback
alignment's hidden updates and backprop's."""


def register(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser of `fastfa.cli`."""
    parser = subparsers.add_parser(
        "demo", help="see feedback alignment learn next to backprop", description=_DESCRIPTION
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, metavar="N", help=f"default {EPOCHS}")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="of the compiled core; default: its own choice"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the first; default 0")
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="networks of each rule; default 1"
    )
    parser.add_argument(
        "--out", default="demo.png", metavar="FILE", help="the figure; default demo.png"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train the three networks, print the table and draw the figure."""
    from .. import _check, set_num_threads
    from ..data import load
    from .outputs import check_figure_path

    path = check_figure_path(arguments.out)
    _check.integer("demo", "seeds", arguments.seeds, 1)
    if arguments.threads is not None:
        set_num_threads(arguments.threads)
    data = load("mnist-mini")
    begun = perf_counter()
    histories: dict[str, list[History]] = {}
    rows: list[list[dict[str, Any]]] = []
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    for name in RULES:
        print(f"training {name} ...", flush=True)
        runs = [train(name, data, arguments.epochs, seed) for seed in seeds]
        histories[name] = [history for history, _ in runs]
        rows += [measured for _, measured in runs if measured]
    print_table(histories, rows)
    count = "three" if len(seeds) == 1 else str(3 * len(seeds))
    seconds = perf_counter() - begun
    print(f"{count} networks, {arguments.epochs} epochs each: {seconds:.1f} s in all")
    return 0 if _draw(histories, rows, path) else 1


def build_network(name: str, data: Dataset, seed: int) -> Network:
    """The network of one rule. Initial weights depend on the seed alone, so all start alike."""
    from .. import Dense, Feedback, Network

    return Network(
        data.train.x.shape[1],
        [
            Dense(HIDDEN, "logistic", weight_scale=WEIGHT_SCALE),
            Dense(data.classes, "logistic", weight_scale=WEIGHT_SCALE),
        ],
        feedback=Feedback("uniform", scale=FEEDBACK_SCALE) if name == "FA" else RULES[name],
        loss="cross_entropy",
        seed=seed,
    )


def train(name: str, data: Dataset, epochs: int, seed: int) -> tuple[History, list[dict[str, Any]]]:
    """One network: its history and, for FA, the angles to backprop's updates on the way.

    Parameters
    ----------
    name
        One of `RULES`.
    data
        The dataset; its first training images are the probe.
    epochs, seed
        As for `fastfa.Trainer`.
    """
    from .. import SGD, Trainer
    from ..callbacks import Alignment
    from ..data import one_hot

    probe = one_hot(data.train.labels[:PROBES], data.classes)
    every = max(1, len(data.train) // (BATCH_SIZE * ANGLES_PER_EPOCH))
    angles = Alignment(data.train.x[:PROBES], probe, every=every)
    trainer = Trainer(
        build_network(name, data, seed),
        SGD(RATE),
        batch_size=BATCH_SIZE,
        epochs=epochs,
        seed=seed,
        callbacks=[angles] if name == "FA" else [],
        schedule=_schedule(epochs),
        progress=sys.stderr.isatty(),
    )
    return trainer.fit(data.train, test=data.test), angles.rows


def _schedule(epochs: int) -> dict[int, float] | None:
    """Smaller steps toward the end, which steadies online learning; none in the first epoch."""
    steps = {1 + 7 * epochs // 12: RATE / 3, 1 + 10 * epochs // 12: RATE / 10}
    return {epoch: rate for epoch, rate in steps.items() if epoch > 1} or None


def print_table(histories: dict[str, list[History]], rows: list[list[dict[str, Any]]]) -> None:
    """Test error at the last epoch, speed, and how far FA's updates are from BP's: means over seeds."""
    first, last = (mean(each[at]["angle_bp"] for each in rows) for at in (0, -1))
    angles = {"BP": "0 (by definition)", "FA": f"{first:.1f} -> {last:.1f}", "shallow": "-"}
    print()
    print(f"{'rule':<9}{'test error':>11}{'samples/s':>12}   angle to BP's hidden update (degrees)")
    for name, runs in histories.items():
        seconds = sum(sum(history["seconds"]) for history in runs)
        samples = sum(r["seconds"] * r["samples_per_second"] for history in runs for r in history)
        error = mean(history["test_error"][-1] for history in runs)
        print(f"{name:<9}{error:>11.2%}{samples / seconds:>12,.0f}   {angles[name]}")
    if len(rows) > 1:
        print(f"means of {len(rows)} seeds")
    print()


def _draw(
    histories: dict[str, list[History]], rows: list[list[dict[str, Any]]], path: Path
) -> bool:
    """Whether the figure is there, or matplotlib isn't."""
    from .outputs import draw

    drawn = draw(path, lambda: _figure(histories, rows))
    if drawn:
        print(f"figure in {path}")
    return drawn is not False


def _figure(histories: dict[str, list[History]], rows: list[list[dict[str, Any]]]) -> Figure:
    from ..plots import new_figure, plot_angles, plot_learning_curves

    figure = new_figure(2)
    errors, angles = figure.axes
    plot_learning_curves(histories, errors)
    plot_angles(rows[0] if len(rows) == 1 else rows, angles)
    seeds = "" if len(rows) == 1 else f", {len(rows)} seeds"
    errors.set_title(f"mnist-mini, 784-1000-10{seeds}", fontsize="medium")
    angles.set_title("FA's hidden updates turn to BP's", fontsize="medium")
    return figure
