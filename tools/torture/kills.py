"""SIGKILL at random moments: what was there, or what was to be there, and nothing else is left."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path

import fastfa as fa
import numpy as np
from lives import (
    PATIENCE,
    Life,
    command,
    digest,
    digits,
    expect,
    leftovers,
    lived,
    net,
    table,
    trainer,
    training,
    without_timing,
)

_STEPS = 60


def _step(which: fa.Network) -> None:
    x, labels = digits(20)
    which.step(x, np.eye(3, dtype=np.float32)[labels], fa.SGD(0.05, momentum=0.9))


def _saves(path: Path) -> None:
    which = net()
    for _ in range(_STEPS):
        _step(which)
        fa.save(path, which)


def _states() -> list[str]:
    which, found = net(), []
    for _ in range(_STEPS):
        _step(which)
        found.append(digest(which))
    return found


def save(folder: Path, count: int) -> str:
    """A loop of steps and saves: the file is always that of a whole step."""
    path = folder / "net.safetensors"
    states = lived(folder, _states)
    life = Life(folder, _saves, path)
    expect(life.end() == 0, life.told)
    draw, killed, seen = random.Random(1), 0, set()
    while killed < count:
        if draw.random() < 0.1:
            path.unlink(missing_ok=True)
        death = Life(folder, _saves, path).signalled(draw.uniform(0, life.seconds), signal.SIGKILL)
        killed += death == -signal.SIGKILL
        if path.exists():
            steps, found = lived(folder, lambda: ((there := fa.load(path)).steps, digest(there)))
            seen.add(steps)
            expect(states[steps - 1] == found, f"the file of step {steps} isn't what was saved")
    lived(folder, fa.save, path, net())
    told = f"{killed} kills, files of {len(seen)} different steps"
    left = leftovers(folder)
    expect(not left, f"{told}; {len(left)} temporary files after the next save")
    return told


def _fit(path: Path, epochs: int) -> str:
    x, labels = digits()
    if path.exists():
        done = fa.Trainer.resume(path, (x, labels), validation=0.2)
    else:
        done = trainer(epochs, fa.Checkpoint(path), fa.BestWeights())
        done.fit((x, labels), validation=0.2)
    return digest(done.net)


def checkpoint(folder: Path, count: int) -> str:
    """A training with the Checkpoint callback, killed and resumed until it ends: the same bits."""
    whole = Life(folder, _fit, folder / "whole.safetensors", 12)
    expect(whole.end() == 0, whole.told)
    path, killed, trainings, draw = folder / "cut.safetensors", 0, 0, random.Random(2)
    while killed < count or path.exists():
        life = Life(folder, _fit, path, 12)
        death = (
            life.signalled(draw.uniform(0, whole.seconds), signal.SIGKILL)
            if killed < count
            else life.end()
        )
        if death == -signal.SIGKILL:
            killed += 1
            continue
        expect(death == 0, f"status {death}:\n{life.told}")
        expect(life.value == whole.value, "a resumed training ended in other bits")
        trainings += 1
        path.unlink()
    lived(folder, fa.save, path, net())
    told = f"{killed} kills, {trainings} trainings came to their end"
    left = leftovers(folder)
    expect(not left, f"{told}; {len(left)} temporary files after the next save")
    return told


def _until_done(
    folder: Path,
    count: int,
    words: Callable[[Path], list[str]],
    compare: Callable[[Path, Path], None],
) -> str:
    """One command again and again until it ends, in the same folder, then once more in another."""
    whole = Life(folder, command, *words(folder / "whole"))
    expect(whole.end(10 * PATIENCE) == 0, whole.told)
    draw, killed, ended = random.Random(3), 0, 0
    left: list[str] = []
    while killed < count or (folder / f"cut-{ended}").exists():
        own = folder / f"cut-{ended}"
        life = Life(folder, command, *words(own))
        death = (
            life.signalled(draw.uniform(0, whole.seconds), signal.SIGKILL)
            if killed < count
            else life.end()
        )
        if death == -signal.SIGKILL:
            killed += 1
            continue
        expect(death == 0, f"status {death}:\n{life.told}")
        compare(folder / "whole", own)
        left += leftovers(own)
        ended += 1
    told = f"{killed} kills, {ended} came to their end"
    expect(not left, f"{told}; {len(left)} temporary files after them")
    return told


def train(folder: Path, count: int) -> str:
    """`fastfa train --resume`: weights and history are those of a run that nobody killed."""

    return _until_done(folder, count, lambda out: training(out, 6), same_run)


def same_run(whole: Path, own: Path) -> None:
    """Whether two folders of `fastfa train` hold the same results."""
    for name in ("config.json", "weights.npz", "history.csv", "history.jsonl"):
        expect((own / name).exists(), f"{name} is missing")
    with np.load(whole / "weights.npz") as a, np.load(own / "weights.npz") as b:
        expect(digest(dict(a)) == digest(dict(b)), "weights differ")
    expect(table(whole / "history.csv") == table(own / "history.csv"), "history.csv differs")
    lines = [without_timing((each / "history.jsonl").read_text()) for each in (whole, own)]
    expect(lines[0] == lines[1], f"history.jsonl differs: {lines}")


def _settings(folder: Path, own: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(
        f'dataset = "mnist-mini"\nhidden = [8]\nepochs = 1\nbatch_size = 600\nfeedback = "dfa"\n{own}',
        encoding="utf-8",
    )
    return path


def sweep(folder: Path, count: int) -> str:
    """`fastfa sweep`: each run is there once, with the same weights."""
    path = _settings(folder, "[sweep]\nseeds = 4\nlr = [0.1, 0.3]\n")

    def words(out: Path) -> list[str]:
        return ["sweep", str(path), "--out", str(out), "--jobs", "1", "--threads", "1", "--quiet"]

    def same(whole: Path, own: Path) -> None:
        lines = [without_timing((each / "runs.jsonl").read_text()) for each in (whole, own)]
        by_run = [sorted(each, key=lambda line: line["run"]) for each in lines]
        expect(by_run[0] == by_run[1], "runs.jsonl differs")
        expect(table(whole / "summary.csv") == table(own / "summary.csv"), "summary.csv differs")

    return _until_done(folder, count, words, same)


def tune(folder: Path, count: int) -> str:
    """`fastfa tune`: the search is the one that nobody killed."""
    path = _settings(folder, "[search]\nlr = { low = 0.01, high = 1.0, log = true }\n")

    def words(out: Path) -> list[str]:
        return ["tune", str(path), "--out", str(out), "--trials", "6", "--pruner", "none"]

    def same(whole: Path, own: Path) -> None:
        expect(table(whole / "trials.csv") == table(own / "trials.csv"), "trials.csv differs")
        best = [(each / "best.toml").read_text() for each in (whole, own)]
        expect(best[0] == best[1], "best.toml differs")

    return _until_done(folder, count, words, same)
