"""A disk that fails: each call that changes a file fails once by each error, and is a crash once."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fastfa as fa
import numpy as np
from kills import same_run
from lives import (
    Faults,
    Life,
    command,
    digest,
    digits,
    expect,
    leftovers,
    lived,
    net,
    trainer,
    training,
)

KINDS = ((errno.ENOSPC, True), (errno.EIO, False), (errno.EACCES, False), (errno.EROFS, True))


def _numbers(most: int) -> Iterator[int]:
    """1, 2, 3 … and, if there are to be few, with growing distance."""
    number = 1.0
    while True:
        yield int(number)
        number = max(number + 1, number * (1 + 8 / most))


def _each(
    folder: Path,
    most: int,
    make: Callable[[], None],
    work: Callable[[], object],
    look: Callable[[int, bool], None],
) -> int:
    """Do the work while its nth call fails, for each n until it has no so many; how many failed.

    ``make`` puts what was there before; ``look`` is given the exit status, and whether it was a crash.
    """
    faults, done = Faults(), 0
    for error, stays in (*KINDS, (0, False)):
        for nth in itertools.islice(_numbers(most), most):
            make()

            def life(nth: int = nth, error: int = error, stays: bool = stays) -> int:
                faults.arm(folder / "place", nth, error, stays=stays)
                try:
                    status = work()
                    return status if isinstance(status, int) else 0
                except OSError as failed:
                    expect(failed.errno == error, f"errno {failed.errno} in place of {error}")
                    return 1
                finally:
                    reached = faults.calls() >= nth
                    faults.disarm()
                    (folder / "reached").write_text(json.dumps(reached), encoding="utf-8")

            one = Life(folder, life)
            status = one.end()
            crashed = status == -signal.SIGKILL
            expect(
                status in (0, 1) or (crashed and error == 0),
                f"call {nth}, errno {error}: {status}:\n{one.told}",
            )
            expect("Traceback" not in one.told, f"call {nth}, errno {error}:\n{one.told}")
            if not crashed and not json.loads((folder / "reached").read_text()):
                break
            try:
                look(status, crashed)
            except AssertionError as failure:
                raise AssertionError(
                    f"call {nth}, errno {error}, status {status}: {failure}\n{one.told}"
                ) from None
            done += 1
    return done


def _place(folder: Path) -> Path:
    place = folder / "place"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    return place


def files(folder: Path, count: int) -> str:
    """fa.save, C's fastfa_save, histories, IDX: the old file or the new one, whole."""
    old, new = net(), net(seed=4)
    history = fa.History([{"epoch": 1, "train_loss": 0.5}])
    works: dict[str, Callable[[Path], object]] = {
        "net": lambda path: fa.save(path, new),
        "csv": history.to_csv,
        "jsonl": history.to_jsonl,
        "compared": _comparison(history).to_csv,
        "idx": lambda path: fa.data.write_idx(path, np.zeros((3, 4), np.uint8)),
        "c": _c_saver(),
    }
    fa.save(folder / "old", old)
    for name, work in works.items():
        work(folder / name)
    expected = {name: (folder / name).read_bytes() for name in ("old", *works)}
    done = 0
    for name, work in works.items():
        for before in (None, expected["old"]):
            path = folder / "place" / name

            def make(before: bytes | None = before, path: Path = path) -> None:
                _place(folder)
                if before is not None:
                    path.write_bytes(before)

            def look(
                status: int,
                crashed: bool,
                before: bytes | None = before,
                path: Path = path,
                name: str = name,
            ) -> None:
                found = path.read_bytes() if path.exists() else None
                right = (before, expected[name])
                expect(found in right, f"{name}: neither the old nor the new file is there")
                if status == 0:
                    expect(found == expected[name], f"{name} was said to be saved")
                expect(crashed or not leftovers(folder), f"left behind: {leftovers(folder)}")

            done += _each(folder, count, make, lambda work=work, path=path: work(path), look)
    return f"{done} failures"


def _comparison(history: fa.History) -> fa.Comparison:
    return fa.Comparison(
        contestants=("fa",),
        seeds=(0,),
        base="fa",
        measure="train_loss",
        histories={"fa": {0: history}},
        diverged={"fa": {}},
        angles=[],
    )


def _c_saver() -> Callable[[Path], int]:
    """fastfa_save of a network of C's: 0, or 1 where the system refused."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))
    import capi

    network = capi.Network(3, [capi.Layer(units=4), capi.Layer(units=2)])

    def save(path: Path) -> int:
        status = network.call("save", os.fsencode(path))
        return {0: 0, capi.STATUS["IO"]: 1}.get(status, 71)

    return save


def checkpoint(folder: Path, count: int) -> str:
    """A training whose Checkpoint can't be written ends by that error; what was saved before goes on."""

    def fit(path: Path) -> str:
        examples = digits()
        if path.exists():
            return digest(fa.Trainer.resume(path, examples).net)
        one = trainer(4, fa.Checkpoint(path), fa.JSONLLogger(path.with_suffix(".jsonl")))
        one.fit(examples)
        return digest(one.net)

    path = folder / "place" / "run.safetensors"
    _place(folder)
    whole = lived(folder, fit, path)

    def look(status: int, crashed: bool) -> None:
        expect(crashed or not leftovers(folder), f"left behind: {leftovers(folder)}")
        expect(lived(folder, fit, path) == whole, "it went on to other bits")
        expect(
            len(fa.History.from_jsonl(path.with_suffix(".jsonl"))) == 4, "history.jsonl isn't whole"
        )

    done = _each(folder, count, lambda: (_place(folder), None)[1], lambda: (fit(path), 0)[1], look)
    return f"{done} failures"


def train(folder: Path, count: int) -> str:
    """`fastfa train --save`: an error that is told, or all results; the same results afterwards."""
    out = folder / "place" / "out"

    expect(lived(folder, command, *training(folder / "whole", 2)) == 0, "the first run failed")

    def look(status: int, crashed: bool) -> None:
        left = leftovers(folder / "place")
        expect(crashed or not left, f"left behind: {left}")
        if status == 0:
            same_run(folder / "whole", out)
        expect(lived(folder, command, *training(out, 2)) == 0, "it can't be repeated")
        same_run(folder / "whole", out)
        with np.load(out / "weights.npz", allow_pickle=False) as arrays:
            expect(all(np.isfinite(arrays[name]).all() for name in arrays), "weights aren't finite")

    done = _each(
        folder, count, lambda: (_place(folder), None)[1], lambda: command(*training(out, 2)), look
    )
    return f"{done} failures"


if __name__ == "__main__":  # started by torture.py, with faults.so in LD_PRELOAD
    name, where, number = sys.argv[1:]
    try:
        print(globals()[name](Path(where), int(number)))
    except AssertionError as failure:
        sys.exit(str(failure))
