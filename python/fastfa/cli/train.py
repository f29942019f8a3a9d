"""``fastfa train``: a network, a dataset, a learning rule, and the files a run leaves."""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .build import build_augment, build_trainer, prepare
from .checks import check_settings, check_training, checkpoint_paths
from .settings import add_options, resolve_settings

if TYPE_CHECKING:
    from ..data import Dataset, Distortion
    from ..trainer import Trainer

_DESCRIPTION = """\
Train a network of dense and locally connected layers on a dataset and report its test error at
the last epoch. The test set is measured after each epoch and never used for a decision; for early
stopping and the plateau schedule, split off a validation set."""


def register(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser of `fastfa.cli`."""
    parser = subparsers.add_parser(
        "train", help="train a network on a dataset", description=_DESCRIPTION
    )
    parser.add_argument(
        "--config", metavar="FILE", help="settings as TOML, or an earlier run's config.json"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the results in --out and the file of --save",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the file of --save, if it is there, up to --epochs in all",
    )
    parser.add_argument("--quiet", action="store_true", help="print the result only")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train once, or ``--runs`` times, and print the result."""
    from .. import set_num_threads
    from ..data import load

    settings = resolve_settings(arguments)
    check_settings(settings)
    if settings.threads is not None:
        set_num_threads(settings.threads)
    data, background = prepare(settings, load(settings.dataset, root=settings.root))
    # Everything is built before anything is written, so that a wrong setting leaves no folder.
    may_replace = arguments.overwrite or arguments.resume
    folder = None if settings.out is None else _free_folder(settings.out, may_replace)
    seeds = range(settings.seed, settings.seed + settings.runs)
    saves = checkpoint_paths(settings, seeds, resume=arguments.resume, replace=may_replace)
    folders = [_run_folder(folder, seed, settings.runs) for seed in seeds]
    augment = build_augment(settings, data, background)
    trainers = [
        _trainer(settings, data, augment, seed, own, save, quiet=arguments.quiet)
        for seed, own, save in zip(seeds, folders, saves, strict=True)
    ]
    check_training(settings, data, trainers[0])
    if folder is not None:
        from .outputs import write_config

        folder.mkdir(parents=True, exist_ok=True)
        write_config(folder, settings, data, trainers[0])
    last = [
        _run_once(settings, data, trainer, own, save if arguments.resume else None)
        for trainer, own, save in zip(trainers, folders, saves, strict=True)
    ]
    if settings.runs > 1:
        _print_mean(settings, last)
        if folder is not None:
            from .outputs import write_runs

            write_runs(folder, last)
    if folder is not None:
        print(f"results in {folder}")
    return 0


def _free_folder(path: str, overwrite: bool) -> Path:
    """The folder for the results, if it doesn't hold those of another run."""
    from .outputs import CONFIG

    folder = Path(path)
    if (folder / CONFIG).exists() and not overwrite:
        raise ValueError(
            f"[train] out was {path!r}, which holds the results of a run; "
            "name another folder or give --overwrite"
        )
    return folder


def _run_folder(folder: Path | None, seed: int, runs: int) -> Path | None:
    """Where one run's files go: into the folder, or into one of its own there if there are more."""
    return folder if folder is None or runs == 1 else folder / f"seed-{seed}"


def _trainer(
    settings: argparse.Namespace,
    data: Dataset,
    augment: Distortion | None,
    seed: int,
    folder: Path | None,
    save: Path | None,
    *,
    quiet: bool,
) -> Trainer:
    from ..callbacks import Callback, EarlyStopping, JSONLLogger
    from ..checkpoint import Checkpoint
    from .report import EpochLines

    progress = not quiet and sys.stderr.isatty()
    callbacks: list[Callback] = []
    if settings.early_stopping is not None:
        callbacks.append(EarlyStopping(patience=settings.early_stopping))
    if folder is not None:
        callbacks.append(JSONLLogger(folder / "history.jsonl"))
    if save is not None:
        callbacks.append(Checkpoint(save))
    if not quiet:
        callbacks.append(EpochLines(progress))
    return build_trainer(settings, data, augment, seed, callbacks, progress=progress)


def _run_once(
    settings: argparse.Namespace,
    data: Dataset,
    trainer: Trainer,
    folder: Path | None,
    resumed: Path | None,
) -> dict[str, Any]:
    """Train one network, write its files, print its result; its last record, with its seed."""
    from ..errors import DivergenceError

    if folder is not None:
        folder.mkdir(exist_ok=True)
    begun = perf_counter()
    try:
        if resumed is not None and resumed.exists():
            sets = data.train, settings.validation, data.test
            type(trainer).resume(resumed, *sets, epochs=trainer.epochs, into=trainer)
        else:
            trainer.fit(data.train, validation=settings.validation, test=data.test)
    except (KeyboardInterrupt, DivergenceError):
        _write(folder, trainer)  # what there is: hours of training, perhaps
        raise
    _write(folder, trainer)
    _print_result(settings, trainer, perf_counter() - begun)
    return {"seed": trainer.seed} | trainer.history.records[-1]


def _write(folder: Path | None, trainer: Trainer) -> None:
    if folder is not None:
        from .outputs import write_results

        write_results(folder, trainer.net, trainer.history)


def _print_result(settings: argparse.Namespace, trainer: Trainer, wall: float) -> None:
    from ..callbacks import EarlyStopping

    history = trainer.history
    last, lowest = history.records[-1], history.best("test_error")
    samples = sum(r["seconds"] * r["samples_per_second"] for r in history)
    rate = samples / max(sum(history["seconds"]), 1e-9)
    seed = f"seed {trainer.seed}: " if settings.runs > 1 else ""
    print(
        f"{seed}test error {last['test_error']:.2%} at epoch {last['epoch']} "
        f"(lowest {lowest['test_error']:.2%} at epoch {lowest['epoch']}), "
        f"{rate:,.0f} samples/s, {wall:.1f} s"
    )
    for callback in trainer.callbacks:
        if isinstance(callback, EarlyStopping) and callback.best.epoch:
            kept = history.records[callback.best.epoch - 1]
            print(
                f"{seed}kept the weights of epoch {kept['epoch']}, of the lowest validation "
                f"error, {kept['validation_error']:.2%}: test error {kept['test_error']:.2%}"
            )


def _print_mean(settings: argparse.Namespace, last: list[dict[str, Any]]) -> None:
    errors = [record["test_error"] for record in last]
    each = ", ".join(f"{error:.2%}" for error in errors)
    print(
        f"test error at the last epoch over {settings.runs} seeds: "
        f"mean {statistics.mean(errors):.2%}, sd {statistics.stdev(errors):.2%} ({each})"
    )
