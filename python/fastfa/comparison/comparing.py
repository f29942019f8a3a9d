"""`compare`: every contestant is trained with every seed, on the same examples in the same order."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import _check
from .._bar import progress_bar
from ..callbacks import Alignment, Callback, check_fit
from ..errors import DivergenceError
from ..history import History, Record
from ..interop._peers import need
from ..layers import Layer
from ..optim import Optimizer
from ..trainer import Trainer
from ..training.settings import check_rates
from .contestants import Contestant, read_contestants
from .examples import Sets, read_sets
from .result import Comparison

PROBES = 100  # training examples on which angles are measured


def compare(
    contestants: Mapping[str, Any] | Sequence[str],
    data: Any,
    *,
    validation: Any = None,
    test: Any = None,
    layers: Sequence[Layer] | None = None,
    loss: str | None = None,
    optimizer: Optimizer | None = None,
    batch_size: int = 20,
    epochs: int = 10,
    schedule: Any = None,
    augment: Any = None,
    targets: tuple[float, float] | None = None,
    dtype: Any = "float32",
    seeds: int | Sequence[int] = 5,
    base: str | None = None,
    measure: str | None = None,
    angles: bool = True,
    progress: bool = True,
) -> Comparison:
    """Train networks that differ in one thing, each with several seeds, and say what differs.

    With the same seed all contestants see the same examples in the same order, and those of the same
    layers begin with the same weights; so they are compared in pairs. Each network is trained alone, by
    a `Trainer`: its numbers are those that it would have without the others, to the bit, and the
    seconds are its own.

    Parameters
    ----------
    contestants
        A dict. Its keys are names, and each value is one of these: a feedback rule, as for `Network`
        ("bp", a `Feedback`, one for each hidden layer, an object with ``propagate``, a
        `NodePerturbation`); a function of the seed that makes a `Network`; a dict of settings in place
        of the common ones, with the keys ``feedback``, ``layers``, ``loss``, ``dtype`` or ``network``
        (such a function), and ``optimizer``, ``batch_size``, ``epochs``, ``schedule``, ``augment``,
        ``targets``, ``update``, ``window``. Or a list of names of rules. An object of your own is shared
        by all seeds.
    data
        The name of a data set, a `fastfa.data.Dataset`, or training examples as `Trainer.fit` takes
        them: a `Split`, (X, labels) or (X, Y), with X (N, n_in) or (N, H, W) or (N, C, H, W), labels
        (N,) integers from 0, Y (N, n_out). Or `Sequences`, for layers with a `Recurrent`.
    validation
        None, a fraction of the training examples, or examples. A fraction is split off by the seed, so
        each seed has other ones. If there is nothing else to measure on, it is 0.2.
    test
        None (of a data set its own), or examples.
    layers, loss, dtype
        Of the networks, as for `Network`. None: 200 tanh units, above them softmax units with
        cross-entropy for labels, linear ones with squared error for targets. With layers, the loss is
        cross-entropy by default where the outputs are softmax, or logistic and there are labels.
    optimizer, batch_size, epochs, schedule, augment, targets
        As for `Trainer`. The optimizer is ``Adam(0.001)`` by default. The best rate of one rule isn't
        that of another: for a fair comparison search it for each, on validation examples, and give
        contestants optimizers of their own.
    seeds
        How many, counting from 0, or a list of different ones. Of weights, feedback, order and a
        validation that is split off.
    base
        The contestant that others are compared with; None: the first.
    measure
        The column of the records that is compared, at the last epoch. None: the error rate of the test
        examples, or of the validation examples if there are no others; where the loss is squared error
        and there are no labels, the loss.
    angles
        Whether to measure Δh∠Δh_BP after each epoch, in each hidden layer, on 100 training examples.
        Not of networks in time.
    progress
        Whether to show a progress bar.

    Returns
    -------
    Comparison
        Print it, or let a notebook show it. Nothing was chosen by the test examples: all numbers are
        those of the last epoch. A network that diverged is told, and has no part in means. After Ctrl-C
        it has the networks that were finished, with a warning.

    Raises
    ------
    ValueError, TypeError
        Before any training, naming the argument; of functions the networks for the first seed are
        looked at.
    ImportError
        Without SciPy, which computes intervals: ``pip install "fastfa[compare]"``.
    KeyboardInterrupt
        On Ctrl-C before any network was finished.

    Examples
    --------
    >>> import fastfa as fa
    >>> found = fa.compare(["bp", "fa"], "mnist-mini", epochs=1, seeds=2, progress=False)
    >>> [row["n"] for row in found.table()]
    [2, 2]
    """
    sets = read_sets(data, validation, test)
    common = {
        "layers": layers,
        "loss": loss,
        "dtype": dtype,
        "optimizer": optimizer,
        "batch_size": batch_size,
        "epochs": epochs,
        "schedule": schedule,
        "augment": augment,
        "targets": targets,
        "update": "sequence",
        "window": None,
    }
    made = read_contestants(contestants, common, sets)
    return run(
        made,
        sets,
        check_seeds(seeds),
        base=base,
        measure=measure,
        angles=_check.flag("compare", "angles", angles),
        progress=_check.flag("compare", "progress", progress),
        stopped=_warn,
    )


def _warn(stop: KeyboardInterrupt) -> None:
    told = "[compare] interrupted: what was finished before is compared"
    warnings.warn(told, RuntimeWarning, stacklevel=4)


def check_seeds(value: Any) -> tuple[int, ...]:
    """The seeds: so many from 0 on, or those that are listed."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return tuple(range(_check.integer("compare", "seeds", value, 1, 10**6)))
    found = [
        _check.integer("compare", f"seeds[{i}]", seed, 0, 2**64 - 1) for i, seed in enumerate(value)
    ]
    if not found or len(set(found)) < len(found):
        raise ValueError(
            f"[compare] seeds was {_check.shown(value)}; it must be a number or a list of "
            "different seeds"
        )
    return tuple(found)


def run(
    contestants: Sequence[Contestant],
    sets: Sets,
    seeds: Sequence[int],
    *,
    base: str | None = None,
    measure: str | None = None,
    angles: bool = True,
    progress: bool = False,
    told: Callable[[str, int, History, str], None] | None = None,
    stopped: Callable[[KeyboardInterrupt], None],
) -> Comparison:
    """Check all contestants, train them, and say what came of it.

    ``told`` hears of each network that ended, ``stopped`` of a Ctrl-C after the first of them. It goes
    seed by seed, so that what is there by then can be compared.
    """
    names = [contestant.name for contestant in contestants]
    base = names[0] if base is None else _check.choice("compare", "base", base, names)
    columns, epochs = _check_all(contestants, sets, seeds[0])
    measure = _measure(measure, columns, sets)
    need("compare", "scipy", "SciPy", "compare")
    histories: dict[str, dict[int, History]] = {name: {} for name in names}
    diverged: dict[str, dict[int, str]] = {name: {} for name in names}
    rows: list[Record] = []
    with progress_bar(progress, total=epochs * len(seeds), unit=" epochs") as bar:
        try:
            for seed in seeds:
                for contestant in contestants:
                    name = contestant.name
                    bar.set_description(f"{name}, seed {seed}")
                    trainer = contestant.make(seed)
                    measured = (
                        _probe(trainer, sets) if angles and len(trainer.net.layers) > 1 else []
                    )
                    trainer.callbacks = [*trainer.callbacks, *measured, _Tick(bar)]
                    words = ""
                    try:
                        trainer.fit(sets.train, sets.validation, sets.test)
                    except DivergenceError as error:  # a result like others
                        words = diverged[name][seed] = str(error)
                    histories[name][seed] = trainer.history
                    where = {"contestant": name, "seed": seed}
                    rows += [where | row for callback in measured for row in callback.rows]
                    if told is not None:
                        told(name, seed, trainer.history, words)
        except KeyboardInterrupt as stop:
            if not any(histories.values()):
                raise
            stopped(stop)
    return Comparison(
        contestants=tuple(names),
        seeds=tuple(seeds),
        base=base,
        measure=measure,
        histories=histories,
        diverged=diverged,
        angles=rows,
        data=sets.name,
    )


class _Tick(Callback):
    """Moves the bar."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def on_epoch_done(self, trainer: Trainer) -> None:
        self.bar.update()


def _check_all(
    contestants: Sequence[Contestant], sets: Sets, seed: int
) -> tuple[dict[str, list[str]], int]:
    """Refuse what a fit would, of each contestant's first network.

    What columns the records have in common, with the losses that they are of, and all epochs.
    """
    losses: list[str] = []
    names: list[str] = []
    epochs, classes = 0, True
    for contestant in contestants:
        try:
            trainer = contestant.make(seed)
            found = trainer._prepare(sets.train, sets.validation, sets.test)
            check_rates(trainer, len(found["train"].x))
            check_fit(trainer, {name: part for name, part in found.items() if name != "train"})
        except (TypeError, ValueError) as error:
            text = str(error).replace("[fit] train ", "[compare] data ", 1)
            text = text.replace("[fit] ", "[compare] ", 1)
            raise type(error)(f"{text} (of contestant {contestant.name!r})") from None
        names, losses = list(found), [*losses, trainer.net.loss]
        epochs, classes = epochs + trainer.epochs, classes and trainer._has_errors
    kinds = ("loss", "error") if classes else ("loss",)
    columns = {
        f"{name}_{kind}": losses if kind == "loss" else [] for name in names for kind in kinds
    }
    return columns, epochs


def _measure(given: Any, columns: Mapping[str, Sequence[str]], sets: Sets) -> str:
    """The column to compare by; losses of two kinds can't be."""
    name = "validation" if sets.test is None else "test"
    labelled = sets.labelled or {*columns[f"{name}_loss"]} == {"cross_entropy"}
    classes = labelled and f"{name}_error" in columns
    measure = f"{name}_{'error' if classes else 'loss'}"
    if given is not None:
        measure = _check.choice("compare", "measure", given, list(columns))
    if len(kinds := sorted(set(columns[measure]))) > 1:
        raise ValueError(
            f"[compare] measure was {measure!r} of networks with the losses {' and '.join(kinds)}; it "
            "must be one that means the same for all"
        )
    return measure


def _probe(trainer: Trainer, sets: Sets) -> list[Alignment]:
    if sets.in_time:
        return []
    examples = trainer._prepare(sets.train, sets.validation, None)["train"]
    return [
        Alignment(examples.x[:PROBES].copy(), examples.y[:PROBES].copy(), measures=["angle_bp"])
    ]
