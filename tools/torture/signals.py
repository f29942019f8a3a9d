"""Ctrl-C, SIGTERM and SIGHUP at random moments."""

from __future__ import annotations

import contextlib
import random
import signal
from pathlib import Path

import fastfa as fa
import numpy as np
from kills import same_run
from lives import Life, command, digest, digits, expect, leftovers, lived, net, trainer, training


def fit(folder: Path, count: int) -> str:
    """Ctrl-C in Trainer.fit: KeyboardInterrupt, a usable network; resumed, the same bits."""
    examples = digits()

    def whole(path: Path) -> str:
        if path.exists():
            return digest(fa.Trainer.resume(path, examples).net)
        one = trainer(12, fa.Checkpoint(path))
        one.fit(examples)
        return digest(one.net)

    def cut(path: Path) -> int:
        one = None
        try:
            one = trainer(12, fa.Checkpoint(path))
            one.fit(examples)
        except KeyboardInterrupt:
            if one is None:
                return 9
            expect(len(one.history) == one.epoch, "the history has another length")
            expect(np.isfinite(one.net.forward(examples[0])).all(), "the network can't be used")
            one.net.step(np.zeros((1, 12)), np.eye(3)[:1], fa.SGD(0.1))
            return 9
        return 0

    path, first = folder / "cut.safetensors", Life(folder, whole, folder / "whole.safetensors")
    expect(first.end() == 0, first.told)
    draw, heard = random.Random(4), 0
    for _ in range(2 * count):
        path.unlink(missing_ok=True)
        one = Life(folder, cut, path)
        status = one.signalled(draw.uniform(0.02, first.seconds), signal.SIGINT)
        # Before the function or after its end the interrupt is the harness's.
        early = "KeyboardInterrupt" in one.told and status == 70
        expect(
            status in (0, 9) or early or status == -signal.SIGINT, f"status {status}:\n{one.told}"
        )
        expect(not leftovers(folder), f"left behind: {leftovers(folder)}")
        if status == 9:
            heard += 1
            expect(lived(folder, whole, path) == first.value, "it went on to other bits")
        if heard == count:
            break
    return f"{heard} interrupts heard"


def train(folder: Path, count: int) -> str:
    """`fastfa train` by each of the three: it says so, leaves weights, and goes on to the same bits."""

    first = Life(folder, command, *training(folder / "whole", 8))
    expect(first.end() == 0, first.told)
    draw, told = random.Random(5), {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        heard = 0
        for attempt in range(4 * count):
            out = folder / f"{number.name}-{attempt}"
            one = Life(folder, command, *training(out, 8))
            with contextlib.suppress(ProcessLookupError):
                status = one.signalled(draw.uniform(0.1, first.seconds), number)
            began = (out / "history.jsonl").exists()
            if status == 128 + number and began:
                heard += 1
                expect("Traceback" not in one.told and "interrupted" in one.told, one.told)
                with np.load(out / "weights.npz", allow_pickle=False) as arrays:
                    expect(
                        all(np.isfinite(arrays[name]).all() for name in arrays),
                        "weights aren't finite",
                    )
                expect(lived(folder, command, *training(out, 8)) == 0, "it can't go on")
                same_run(folder / "whole", out)
            else:
                expect(status == 0 or not began, f"status {status} of {number.name}:\n{one.told}")
            expect(not leftovers(folder), f"left behind: {leftovers(folder)}")
            if heard == count:
                break
        told[number.name] = heard
    return ", ".join(f"{heard} {name}" for name, heard in told.items())


def usable() -> fa.Network:
    """For the tests of these tests."""
    return net()
