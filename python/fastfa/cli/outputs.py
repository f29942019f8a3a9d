"""The folder that ``fastfa train --out`` leaves: settings, history, weights and curve."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import build_info
from ..data.atomic import atomic_write

if TYPE_CHECKING:
    from ..data import Dataset
    from ..history import History
    from ..network import Network
    from ..trainer import Trainer

CONFIG = "config.json"


def write_config(
    folder: Path, settings: argparse.Namespace, data: Dataset, trainer: Trainer
) -> None:
    """config.json: all that it takes to run this again (``--config`` reads it) and to judge it."""
    facts, net = build_info(), trainer.net
    rules = net.feedback if isinstance(net.feedback, tuple) else (net.feedback,)
    config = {
        "settings": vars(settings),
        "seeds": list(range(settings.seed, settings.seed + settings.runs)),
        "versions": {
            "fastfa": facts["version"],
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "isa": facts["isa"],
            "threads": facts["threads"],
        },
        "data": {"name": data.name, "train": len(data.train), "test": len(data.test)},
        "network": {
            "input": net.input_size,
            "layers": [
                f"{math.prod(shape)} {layer.activation}"
                for shape, layer in zip(net.shapes[1:], net.layers, strict=True)
            ],
            "dropout": net.dropout,
            "feedback": [str(rule) for rule in rules],
        },
        "augment": None if trainer.augment is None else str(trainer.augment),
    }
    with atomic_write(folder / CONFIG) as file:
        file.write((json.dumps(config, indent=2) + "\n").encode())


def write_results(folder: Path, net: Network, history: History) -> None:
    """weights.npz, history.csv and, where matplotlib is, curve.png. history.jsonl is there already.

    The weights are plain arrays: ``np.load(path, allow_pickle=False)`` reads them, and
    ``net.load_state_dict(dict(...))`` takes them.
    """
    with atomic_write(folder / "weights.npz") as file:
        np.savez(file, allow_pickle=False, **net.state_dict())
    history.to_csv(folder / "history.csv")
    if not len(history):
        return
    try:
        figure = history.plot()
    except ImportError as error:
        print(f"no curve.png: {error}", file=sys.stderr)
        return
    save_figure(figure, folder / "curve.png")


def save_figure(figure: Any, path: Path) -> None:
    """The figure as a file, of the format that the path's ending names."""
    with atomic_write(path) as file:
        figure.savefig(file, format=path.suffix[1:].lower())


def check_figure_path(path: str) -> Path:
    """Refuse, before any training, a figure that could not be saved in the end."""
    figure = Path(path)
    if figure.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"[demo] out was {path!r}; it must end in .png, .pdf or .svg")
    if not figure.absolute().parent.is_dir():
        raise ValueError(f"[demo] out was {path!r}; its folder must exist")
    return figure


def write_runs(folder: Path, records: list[dict[str, Any]]) -> None:
    """runs.csv: the last record of each run."""
    from ..history import csv_table

    with atomic_write(folder / "runs.csv") as file:
        file.write(csv_table(records).encode())


@contextlib.contextmanager
def claimed(command: str, path: str) -> Iterator[Path]:
    """The folder, made if need be, for this process alone: another one with the same is refused."""
    import fcntl

    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "a", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise ValueError(
            f"[{command}] out was {path!r}; it must be a folder that can be written "
            f"({error.strerror})"
        ) from None
    with lock:  # closing it, also by the death of the process, gives the folder free
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(
                f"[{command}] out was {path!r}, where another fastfa {command} is at work; name "
                "another folder, or wait for it"
            ) from None
        yield folder


def end_with_parent() -> None:
    """Let this process not outlive the one that started it, also if that one is killed."""
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())  # its own has a semaphore, which a sudden end leaves behind
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
