"""One process per contestant, for `--isolate`: no shared thread pools, allocators or modules.

The processes live side by side and wait on a pipe, so rounds stay interleaved and ratios paired;
only one of them ever works at a time.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

from contestants import Entry, entries_for
from tasks.workloads import WORKLOADS, make_task

_STARTUP_SECONDS = 600.0  # importing a peer, drawing the task, compiling


class RemoteSeat:
    """A `LocalSeat` in a process of its own; calls go there and back over a pipe."""

    def __init__(self, entry: Entry, workload: str, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, entry.name, workload, threads), daemon=True
        )
        self._process.start()
        theirs.close()
        self._answer()

    def check(self) -> float | None:
        return self._call("check")

    def calibrate(self, seconds: float) -> int:
        return self._call("calibrate", seconds)

    def sample(self, passes: int) -> float:
        return self._call("sample", passes)

    def close(self) -> None:
        self._pipe.close()  # the other end sees the end of its input and leaves
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()

    def _call(self, method: str, *arguments: Any) -> Any:
        self._pipe.send((method, arguments))
        return self._answer()

    def _answer(self) -> Any:
        if not self._pipe.poll(_STARTUP_SECONDS):
            raise TimeoutError(f"no answer within {_STARTUP_SECONDS:g} s")
        ok, value = self._pipe.recv()
        if not ok:
            raise RuntimeError(value)
        return value


def _serve(pipe: Connection, name: str, workload: str, threads: int) -> None:
    """The other process: answer calls until the pipe closes. The environment is the parent's."""
    from measuring.harness import LocalSeat

    try:
        (entry,) = entries_for(WORKLOADS[workload], [name])
        seat = LocalSeat(entry, make_task(WORKLOADS[workload]), threads)
        pipe.send((True, None))
        while True:
            method, arguments = pipe.recv()
            pipe.send((True, getattr(seat, method)(*arguments)))
    except EOFError:
        return
    except Exception as failure:
        pipe.send((False, f"{type(failure).__name__}: {failure}"))
