"""Threads and forks: at the interpreter's end, around a training, and eight at once on one network."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import fastfa as fa
import numpy as np
from lives import Life, digest, digits, expect, lived

_DAEMON = """
import threading, time, numpy as np, fastfa as fa
net = fa.Network(50, [fa.Dense(200, "tanh"), fa.Dense(3)])
x, y = np.ones((200, 50)), np.ones((200, 3))
def work():
    while True:
        {what}
for _ in range({threads}):
    threading.Thread(target=work, daemon=True).start()
time.sleep({seconds})
"""
_CALLS = (
    "net.train_epoch(x, y, fa.SGD(1e-3), batch_size=10)",
    "net.forward(x)",
    "fa.metrics.alignment(net, x, y)",
    "fa.Network(50, [fa.Dense(200)]).step(x, np.ones((200, 200)), fa.SGD(1e-3))",
)


def daemons(folder: Path, count: int) -> str:
    """Daemon threads in the core when the interpreter ends: status 0, nothing on standard error."""
    for i in range(count):
        source = _DAEMON.format(
            what=_CALLS[i % len(_CALLS)], threads=1 + i % 3, seconds=0.05 + 0.02 * (i % 5)
        )
        done = subprocess.run(
            [sys.executable, "-c", source], capture_output=True, text=True, timeout=60
        )
        expect(
            done.returncode == 0,
            f"{_CALLS[i % len(_CALLS)]}: status {done.returncode}\n{done.stderr}",
        )
        expect(not done.stderr, done.stderr)
    return f"{count} ends"


def forks(folder: Path, count: int) -> str:
    """A fork while another thread trains: the child may use other networks, and is told of that one."""

    def parent() -> list[int]:
        x, labels = digits(200)
        y = np.eye(3)[labels]
        busy, other = (
            fa.Network(12, [fa.Dense(300, "tanh"), fa.Dense(3)]),
            fa.Network(12, [fa.Dense(3)]),
        )
        expected = digest(_stepped(other, x, y))
        ending = threading.Event()

        def work() -> None:
            while not ending.is_set():
                busy.train_epoch(x, y, fa.SGD(1e-4), batch_size=1)

        worker = threading.Thread(target=work)
        worker.start()
        said = [_child(busy, x, y, expected) for _ in range(count)]
        ending.set()
        worker.join()
        return said

    said = lived(folder, parent)
    hung = [status for status in said if status == -signal.SIGALRM]
    expect(not hung, f"{len(hung)} of {count} children hung in the network's lock")
    expect(set(said) <= {0, 3}, f"children ended with {sorted(set(said))}")
    return f"{said.count(3)} of {count} children were told, {said.count(0)} could use it"


def _stepped(net: fa.Network, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    same = fa.Network(12, [fa.Dense(20, "tanh"), fa.Dense(3)], seed=7)
    same.train_epoch(x, y, fa.SGD(0.01), batch_size=10)
    return dict(same.state_dict())


def _child(busy: fa.Network, x: np.ndarray, y: np.ndarray, expected: str) -> int:
    """0: it could use the network; 3: it was told; else what went wrong."""
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(10)
            if digest(_stepped(busy, x, y)) != expected:
                os._exit(71)
            try:
                busy.forward(x)
                status = 0
            except RuntimeError as error:
                status = 3 if "fork" in str(error) else 72
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def eight(folder: Path, count: int) -> str:
    """Eight threads on one network: as if their calls had come one after another."""

    def run(threads: int) -> str:
        net = fa.Network(12, [fa.Dense(60, "tanh"), fa.Dense(3)], feedback="kp", seed=2)
        x, labels = digits(40)
        y = np.eye(3)[labels]
        failures: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(count // threads):
                    net.step(x, y, fa.SGD(1e-3, momentum=0.5))
                    net.forward(x), net.evaluate(x, y), net.state_dict()
                    expect(net.steps >= 1, "steps went back")
            except BaseException as error:
                failures.append(error)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        expect(not failures, f"{failures}")
        expect(net.steps == count, f"{net.steps} steps of {count}")
        return digest(net)

    count = max(8, count // 8 * 8)
    one, many = Life(folder, run, 1), None
    expect(one.end() == 0, one.told)
    many = lived(folder, run, 8)
    expect(many == one.value, "other bits than one thread")
    return f"{count} steps of each kind"
