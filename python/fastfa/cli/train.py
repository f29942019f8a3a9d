"""``fastfa train``: a network, a dataset, a learning rule, and the files a run leaves."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, final

from .build import build_augment, build_trainer, prepare
from .checks import check_settings, check_training, checkpoint_paths
from .settings import add_options, resolve_settings

if TYPE_CHECKING:
    from ..data import Dataset, Distortion
    from ..trainer import Trainer
    from .report import Begun, Unfailing

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
    """Train once, or ``--runs`` times, and print the result; the exit status."""
    from .. import set_num_threads
    from ..data import load
    from ..data._digest import digest
    from .folder import claimed, claimed_file, place

    settings = resolve_settings(arguments)
    check_settings(settings)
    if settings.threads is not None:
        set_num_threads(settings.threads)
    raw = load(settings.dataset, root=settings.root)
    data, background = prepare(settings, raw)
    # Everything is built before anything is written, so that a wrong setting leaves no folder.
    may_replace = arguments.overwrite or arguments.resume
    seeds = range(settings.seed, settings.seed + settings.runs)
    saves = checkpoint_paths(settings, seeds, resume=arguments.resume, replace=may_replace)
    augment = build_augment(settings, data, background)
    job = _Job(settings, data, augment, arguments.resume, arguments.quiet)
    out = None if settings.out is None else place("train", "out", settings.out)
    first = job.trainer(seeds[0], _run_folder(out, seeds[0], settings.runs), saves[0])
    check_training(settings, data, first.trainer)
    with contextlib.ExitStack() as stack:
        for save in filter(None, saves):
            stack.enter_context(claimed_file("train", "save", save))
        # Once more: who had the file before may have written it meanwhile.
        checkpoint_paths(settings, seeds, resume=arguments.resume, replace=may_replace)
        if settings.out is None:
            return 0 if job.run_all(first, seeds, None, saves) else 1
        from .outputs import write_config
        from .replace import check_free, replacing

        mark = digest(raw)
        folder = stack.enter_context(claimed("train", settings.out))
        check_free(folder, settings, mark, overwrite=arguments.overwrite, resume=arguments.resume)
        with replacing(folder) as replaced:
            write_config(folder, settings, data, mark, first.trainer)
            replaced.whole = job.run_all(first, seeds, folder, saves)
        print(f"results in {folder}")
        return 0 if replaced.whole else 1


class _Run(NamedTuple):
    """One training, those of its callbacks that tell of it, and where its files go."""

    trainer: Trainer
    begun: Begun
    writers: list[Unfailing]
    folder: Path | None
    save: Path | None


@final
@dataclasses.dataclass(frozen=True)
class _Job:
    """What all runs have in common."""

    settings: argparse.Namespace
    data: Dataset
    augment: Distortion | None
    resume: bool
    quiet: bool

    def trainer(self, seed: int, folder: Path | None, save: Path | None) -> _Run:
        """One run with this seed, ready to be trained."""
        from ..callbacks import Callback, EarlyStopping, JSONLLogger
        from ..checkpoint import Checkpoint
        from .report import Begun, EpochLines, Unfailing

        progress = not self.quiet and sys.stderr.isatty()
        begun, writers = Begun(), []
        callbacks: list[Callback] = [begun]
        if self.settings.early_stopping is not None:
            callbacks.append(EarlyStopping(patience=self.settings.early_stopping))
        if folder is not None:
            callbacks.append(history := JSONLLogger(folder / "history.jsonl"))
            writers.append(Unfailing(history, history.path))
        if save is not None:
            callbacks.append(checkpoint := Checkpoint(save))
            writers.append(Unfailing(checkpoint, save))
        if not self.quiet:
            callbacks.append(EpochLines(progress))
        trainer = build_trainer(
            self.settings, self.data, self.augment, seed, callbacks, progress=progress
        )
        return _Run(trainer, begun, writers, folder, save)

    def run_all(
        self, first: _Run, seeds: range, folder: Path | None, saves: Sequence[Path | None]
    ) -> bool:
        """Train with each seed; whether everything could be written."""
        last, whole = [], True
        for seed, save in zip(seeds, saves, strict=True):
            own = _run_folder(folder, seed, len(seeds))
            run = first if seed == seeds[0] else self.trainer(seed, own, save)
            record, written = self._run_once(run)
            last.append(record)
            whole = whole and written
        if len(seeds) > 1:
            _print_mean(self.settings, last)
            if folder is not None:
                from .outputs import write_runs

                whole = write_runs(folder, last) and whole
        return whole

    def _run_once(self, run: _Run) -> tuple[dict[str, Any], bool]:
        """Train one network, write its files, print its result; its last record, with its seed, and
        whether all of its files could be written."""
        trainer, folder, save = run.trainer, run.folder, run.save
        if folder is not None:
            folder.mkdir(exist_ok=True)
        begun = perf_counter()
        try:
            if self.resume and save is not None and save.exists():
                sets = self.data.train, self.settings.validation, self.data.test
                type(trainer).resume(save, *sets, epochs=trainer.epochs, into=trainer)
            else:
                trainer.fit(
                    self.data.train, validation=self.settings.validation, test=self.data.test
                )
        except BaseException:
            if run.begun.begun:
                _write(run)  # what there is: hours of training, perhaps
            raise
        written = _write(run)
        _print_result(self.settings, trainer, perf_counter() - begun)
        return {"seed": trainer.seed} | trainer.history.records[-1], written


def _run_folder(folder: Path | None, seed: int, runs: int) -> Path | None:
    """Where one run's files go: into the folder, or into one of its own there if there are more."""
    return folder if folder is None or runs == 1 else folder / f"seed-{seed}"


def _write(run: _Run) -> bool:
    """The files of a run; whether all of them, also those written as it went, are as they should be."""
    from .interrupt import held
    from .outputs import write_results

    with held():  # a signal that comes now waits for the files
        saved = not any(writer.failed for writer in run.writers if not writer.is_history)
        if run.folder is None:
            return saved
        log = any(writer.failed for writer in run.writers if writer.is_history)
        return write_results(run.folder, run.trainer.net, run.trainer.history, log=log) and saved


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
