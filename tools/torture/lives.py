"""What the tortures share: lives in processes of their own, deaths, and what is left behind."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastfa as fa
import numpy as np

HERE = Path(__file__).resolve().parent
PATIENCE = 120.0  # seconds after which a life that should have ended counts as a hang


class Life:
    """A forked process that calls a function. What it prints goes to ``told``."""

    def __init__(self, folder: Path, function: Callable[..., Any], *arguments: Any) -> None:
        self._told = folder / ".told"
        result, send = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(result)
            _live(self._told, send, function, arguments)
        os.close(send)
        self._result = result

    def end(self, patience: float = PATIENCE) -> int:
        """Wait; its exit status, negative for a signal. That it doesn't end is an AssertionError."""
        self.seconds = 0.0  # counted: a machine that sleeps meanwhile moves its clocks on
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if self.seconds > patience:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise AssertionError(f"a process didn't end within {patience:.0f} s:\n{self.told}")
            time.sleep(0.002)
            self.seconds += 0.002
        with os.fdopen(self._result, "rb") as pipe:
            data = pipe.read()
        self.value = pickle.loads(data) if data else None  # our own child's
        return os.waitstatus_to_exitcode(status)

    def signalled(self, after: float, number: int) -> int:
        """Send it a signal after so many seconds; its exit status."""
        time.sleep(after)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        return self.end()

    @property
    def told(self) -> str:
        return self._told.read_text(encoding="utf-8", errors="replace")


def _live(told: Path, send: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    status = 70
    try:
        out = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(out, 1), os.dup2(out, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        value = function(*arguments)
        sys.stdout.flush(), sys.stderr.flush()
        with os.fdopen(send, "wb") as pipe:
            pipe.write(pickle.dumps(value))
        status = value if isinstance(value, int) and not isinstance(value, bool) else 0
    except BaseException as error:
        import traceback

        traceback.print_exception(error)
        sys.stderr.flush()
    finally:
        os._exit(status)


def lived(folder: Path, function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's value, from a process of its own, which must end well."""
    life = Life(folder, function, *arguments)
    status = life.end()
    expect(status == 0 or isinstance(life.value, int), f"status {status}:\n{life.told}")
    return life.value


def expect(right: Any, told: str) -> None:
    """assert, also under -O."""
    if not right:
        raise AssertionError(told)


def leftovers(folder: Path) -> list[str]:
    """Temporary files of writes that never came to their end."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*.tmp"))


def digest(what: Any) -> str:
    """SHA-256 of a network's state, or of a dict of arrays."""
    state = what.state_dict() if isinstance(what, fa.Network) else what
    found = hashlib.sha256()
    for name, array in sorted(state.items()):
        found.update(
            f"{name} {array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes()
        )
    return found.hexdigest()


def command(*words: str) -> int:
    """`fastfa` with these arguments, in this process."""
    from fastfa import cli

    return cli.main(list(words))


def training(out: Path, epochs: int) -> list[str]:
    """The words of a `fastfa train` that goes on where it was cut off."""
    words = f"train mnist-mini --hidden 16 --epochs {epochs} --batch-size 500 --quiet --resume"
    return [*words.split(), "--out", str(out), "--save", f"{out}.safetensors"]


def digits(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Examples of three classes that can be learned."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 12)).astype(np.float32)
    return x, np.argmax(x[:, :3], axis=1)


def net(seed: int = 3) -> fa.Network:
    """A network with memory of every kind."""
    layers = [fa.Dense(40, "tanh"), fa.Dropout(0.2), fa.Dense(3, "softmax")]
    return fa.Network(12, layers, feedback="kp", loss="cross_entropy", seed=seed)


def trainer(epochs: int, *callbacks: fa.Callback) -> fa.Trainer:
    """A training that depends on all that a checkpoint must hold."""
    rule = fa.SGD(0.05, momentum=0.9, weight_decay=1e-4)
    return fa.Trainer(
        net(),
        rule,
        batch_size=10,
        epochs=epochs,
        schedule={3: 0.02},
        callbacks=callbacks,
        progress=False,
    )


def without_timing(text: str) -> list[dict[str, Any]]:
    """Lines of JSON without what may differ between two of the same."""
    skip = ("seconds", "samples_per_second", "where")
    return [
        {k: v for k, v in json.loads(line).items() if k not in skip} for line in text.splitlines()
    ]


def table(path: Path) -> list[dict[str, str]]:
    """A CSV file, likewise."""
    import csv

    with open(path, newline="", encoding="utf-8") as file:
        return [
            {k: v for k, v in row.items() if k not in ("seconds", "samples_per_second")}
            for row in csv.DictReader(file)
        ]


def chances(count: int, seconds: float, seed: int) -> list[float]:
    """Moments at random within a life of that length."""
    draw = random.Random(seed)
    return [draw.uniform(0, seconds) for _ in range(count)]


class Faults:
    """faults.c, which this process must have been started with."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)

    @staticmethod
    def built(folder: Path) -> Path | None:
        """The library, compiled; None where there is no compiler."""
        path = folder / "faults.so"
        words = ["cc", "-O1", "-shared", "-fPIC", str(HERE / "faults.c"), "-o", str(path), "-ldl"]
        try:
            subprocess.run(words, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return path

    def arm(self, folder: Path, nth: int, error: int, *, stays: bool) -> None:
        """The nth call that changes something below the folder fails so; 0: dies by SIGKILL."""
        where = os.path.realpath(folder).encode() + b"/"
        self._library.fault_arm(where, ctypes.c_long(nth), error, int(stays))

    def calls(self) -> int:
        """How many such calls there were."""
        self._library.fault_calls.restype = ctypes.c_long
        return int(self._library.fault_calls())

    def disarm(self) -> None:
        self._library.fault_arm(b"", ctypes.c_long(0), 0, 0)
