"""``fastfa train``: a network, a dataset, a learning rule, and the files a run leaves."""

from __future__ import annotations

import argparse
import dataclasses
import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, final

from .build import build_augment, build_trainer, early_stopping
from .checks import check_settings, check_training, checkpoint_paths
from .dataset import Prepared, load_data, measured, prepare, settled
from .settings import add_options, resolve_settings

if TYPE_CHECKING:
    from ..data import CropFlip, Dataset, Distortion
    from ..trainer import Trainer
    from .report import Unfailing

_DESCRIPTION = """\
Train a network of dense, convolutional, locally connected or recurrent layers on a dataset and
report its test error at the last epoch. The test set is measured after each epoch and never used
for a decision; for early stopping and the plateau schedule, split off a validation set."""


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
    from ..data._digest import digest
    from .folder import claimed, place

    settings = resolve_settings(arguments)
    check_settings(settings)
    if settings.threads is not None:
        set_num_threads(settings.threads)
    raw = load_data(settings)
    settings = settled(settings, raw)
    mark = "" if settings.out is None else digest(raw)
    prepared = prepare(settings, raw)
    data = prepared.data
    if raw.origin and not arguments.quiet:
        print(raw.origin, flush=True)
    # Everything is built before anything is written, so that a wrong setting leaves no folder.
    may_replace = arguments.overwrite or arguments.resume
    seeds = range(settings.seed, settings.seed + settings.runs)
    saves = checkpoint_paths(settings, seeds, resume=arguments.resume, replace=may_replace)
    augment = build_augment(settings, data, prepared.background)
    job = _Job(settings, prepared, augment, arguments.resume, may_replace, arguments.quiet)
    out = None if settings.out is None else place("train", "out", settings.out)
    first = job.run(seeds[0], _run_folder(out, seeds[0], settings.runs), saves[0])
    check_training(settings, data, first.trainer)
    if settings.out is None:
        job.train_all(first, None, saves)
        return 0 if job.whole else 1
    from .outputs import write_config
    from .replace import check_free, replacing

    with claimed("train", settings.out) as folder:
        check_free(folder, settings, mark, overwrite=arguments.overwrite, resume=arguments.resume)
        with replacing(folder) as replaced:
            write_config(folder, settings, prepared, mark, first.trainer)
            job.train_all(first, folder, saves)
            replaced.whole = job.whole
        print(f"results in {folder}")
    return 0 if job.whole and job.drawn else 1


class _Run(NamedTuple):
    """One training, those of its callbacks that tell of it, and where its files go."""

    trainer: Trainer
    writers: list[Unfailing]
    folder: Path | None
    save: Path | None


@final
@dataclasses.dataclass
class _Job:
    """What all runs have in common, and whether what they leave is whole."""

    settings: argparse.Namespace
    prepared: Prepared
    augment: Distortion | CropFlip | None
    resume: bool
    may_replace: bool
    quiet: bool
    whole: bool = True  # every file but figures could be written
    drawn: bool = True

    @property
    def data(self) -> Dataset:
        return self.prepared.data

    def run(self, seed: int, folder: Path | None, save: Path | None) -> _Run:
        """One run with this seed, ready to be trained."""
        from ..callbacks import Callback, JSONLLogger
        from ..checkpoint import Checkpoint
        from .report import EpochLines, Unfailing

        progress = not self.quiet and sys.stderr.isatty()
        callbacks: list[Callback] = []
        writers = []
        if self.settings.early_stopping is not None:
            callbacks.append(early_stopping(self.settings, self.data))
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
        return _Run(trainer, writers, folder, save)

    def train_all(self, first: _Run, folder: Path | None, saves: Sequence[Path | None]) -> None:
        """Train with each seed, and write and print what is found."""
        last = [self._train(first)]
        del first  # a network may take much of the memory
        for number, save in enumerate(saves[1:], start=1):
            seed = self.settings.seed + number
            last.append(self._train(self.run(seed, _run_folder(folder, seed, len(saves)), save)))
        if len(last) > 1:
            _print_mean(self.settings, self.prepared, last)
            if folder is not None:
                from .outputs import write_runs

                self.whole = write_runs(folder, last) and self.whole

    def _train(self, run: _Run) -> dict[str, Any]:
        """Train one network, write its files, print its result; its last record, with its seed."""
        from .checks import check_save
        from .folder import claimed_file

        if run.save is None:
            return self._train_claimed(run)
        with claimed_file("train", "save", run.save):
            check_save(self.settings.save, run.save, replace=self.may_replace)  # as it is now
            return self._train_claimed(run)

    def _train_claimed(self, run: _Run) -> dict[str, Any]:
        trainer, data = run.trainer, self.data
        if run.folder is not None:
            run.folder.mkdir(exist_ok=True)
        begun = perf_counter()
        try:
            if self.resume and run.save is not None and run.save.exists():
                sets = data.train, self.settings.validation, data.test
                type(trainer).resume(run.save, *sets, epochs=trainer.epochs, into=trainer)
            else:
                trainer.fit(data.train, validation=self.settings.validation, test=data.test)
        except BaseException:
            if any(writer.begun for writer in run.writers):
                self._write(run)  # what there is: hours of training, perhaps
            raise
        self._write(run)
        _print_result(self.settings, self.prepared, trainer, perf_counter() - begun)
        return {"seed": trainer.seed} | trainer.history.records[-1]

    def _write(self, run: _Run) -> None:
        """The files of a run that are written in its end; a signal that comes now waits for them."""
        from .._interrupts import held
        from .outputs import draw, write_predictions, write_results

        failed = {writer.is_history for writer in run.writers if writer.failed}
        net, history = run.trainer.net, run.trainer.history
        with held():
            self.whole = self.whole and False not in failed
            if run.folder is not None:
                self.whole = (
                    write_results(run.folder, net, history, log=True in failed) and self.whole
                )
                if self.data.origin:
                    self.whole = write_predictions(run.folder, net, self.prepared) and self.whole
        if run.folder is not None and len(history):
            self.drawn = draw(run.folder / "curve.png", history.plot) is not False and self.drawn


def _run_folder(folder: Path | None, seed: int, runs: int) -> Path | None:
    """Where one run's files go: into the folder, or into one of its own there if there are more."""
    return folder if folder is None or runs == 1 else folder / f"seed-{seed}"


def _print_result(
    settings: argparse.Namespace, prepared: Prepared, trainer: Trainer, wall: float
) -> None:
    from ..callbacks import EarlyStopping

    history = trainer.history
    last = history.records[-1]
    key = measured(last, "test")[0]
    lowest = history.best(key)
    samples = sum(r["seconds"] * r["samples_per_second"] for r in history)
    rate = samples / max(sum(history["seconds"]), 1e-9)
    seed = f"seed {trainer.seed}: " if settings.runs > 1 else ""
    print(
        f"{seed}{key.replace('_', ' ')} {_value(prepared, last, 'test')} at epoch {last['epoch']} "
        f"(lowest {measured(lowest, 'test')[2]} at epoch {lowest['epoch']}), "
        f"{rate:,.0f} samples/s, {wall:.1f} s"
    )
    for callback in trainer.callbacks:
        if isinstance(callback, EarlyStopping) and callback.best.epoch:
            kept = history.records[callback.best.epoch - 1]
            words = key.replace("test_", "")
            print(
                f"{seed}kept the weights of epoch {kept['epoch']}, of the lowest validation {words}, "
                f"{measured(kept, 'validation')[2]}: test {words} {measured(kept, 'test')[2]}"
            )


def _value(prepared: Prepared, record: dict[str, Any], part: str) -> str:
    """The measure as text; of regression with the root mean square error in the target's own units."""
    _, value, text = measured(record, part)
    if not prepared.data.is_regression:
        return text
    sd = 1.0 if prepared.statistics is None else prepared.statistics.target_sd
    error = sd * math.sqrt(2 * value / prepared.data.outputs)
    return f"{text} (root mean square error {error:.4g})"


def _print_mean(
    settings: argparse.Namespace, prepared: Prepared, last: list[dict[str, Any]]
) -> None:
    key = measured(last[0], "test")[0]
    shown = "{:.4g}" if prepared.data.is_regression else "{:.2%}"
    values = [record[key] for record in last]
    each = ", ".join(shown.format(value) for value in values)
    mean, sd = (
        shown.format(value) for value in (statistics.mean(values), statistics.stdev(values))
    )
    print(
        f"{key.replace('_', ' ')} at the last epoch over {settings.runs} seeds: "
        f"mean {mean}, sd {sd} ({each})"
    )
