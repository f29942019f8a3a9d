"""The folder that ``fastfa train --out`` leaves: settings, history, weights and curve."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import build_info
from .._interrupts import interrupt_behind
from ..atomic import atomic_write
from ..data import SequenceDataset
from .folder import place

if TYPE_CHECKING:
    from ..history import History
    from ..network import Network
    from ..trainer import Trainer
    from .dataset import Prepared

CONFIG, STATISTICS, PREDICTIONS = "config.json", "normalisation.npz", "predictions.csv"


def write_config(
    folder: Path, settings: argparse.Namespace, prepared: Prepared, digest: str, trainer: Trainer
) -> None:
    """config.json: all that it takes to run this again (``--config`` reads it) and to judge it.

    With normalisation.npz, where inputs were normalised: the mean and standard deviation of each.
    """
    data, statistics = prepared.data, prepared.statistics
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
        "data": {
            "name": data.name,
            "train": len(data.train),
            "test": len(data.test),
            "sha256": digest,
            **_of_data(prepared),
        },
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
    if statistics is not None:
        own = {name: value for name, value in statistics._asdict().items() if name != "data"}
        with atomic_write(folder / STATISTICS) as file:
            np.savez(file, allow_pickle=False, **own)


def _of_data(prepared: Prepared) -> dict[str, Any]:
    """What is known of the data besides: how they were divided, names, how they were normalised."""
    data, statistics = prepared.data, prepared.statistics
    known = {
        "origin": data.origin,
        "class_names": list(data.class_names),
        "feature_names": list(data.feature_names),
    }
    if statistics is not None:
        in_time = isinstance(data, SequenceDataset)
        own = "per feature" if data.is_table or in_time else "per channel"
        known["normalised"] = own if statistics.mean.ndim else "all together"
    return {name: value for name, value in known.items() if value}


def write_results(folder: Path, net: Network, history: History, *, log: bool = False) -> bool:
    """weights.npz and history.csv; whether both could be written.

    history.jsonl is there already, but with ``log`` is written too. The weights are plain arrays:
    ``np.load(path, allow_pickle=False)`` reads them, and ``net.load_state_dict(dict(...))`` takes them.
    """

    def weights(path: Path) -> None:
        with atomic_write(path) as file:
            np.savez(file, allow_pickle=False, **net.state_dict())

    done = [
        written(folder / "weights.npz", weights),
        written(folder / "history.csv", history.to_csv),
    ]
    if log:
        done.append(written(folder / "history.jsonl", history.to_jsonl))
    return all(done)


def write_predictions(folder: Path, net: Network, prepared: Prepared) -> bool:
    """predictions.csv: of each test example the target and what the network says of it, by name, or of
    regression in the target's own units; whether it could be written."""
    from ..history import History

    data, test = prepared.data, prepared.data.test
    if isinstance(data, SequenceDataset):
        return written(folder / PREDICTIONS, History(_in_time(net, data, prepared)).to_csv)
    rows: list[dict[str, Any]] = []
    for begin in range(0, len(test), 4096):
        labels, x = test.labels[begin : begin + 4096], test.x[begin : begin + 4096]
        if data.is_regression:
            mean, sd = 0.0, 1.0
            if prepared.statistics is not None:
                mean, sd = prepared.statistics.target_mean, prepared.statistics.target_sd
            pairs = zip(labels * sd + mean, net.forward(x)[:, 0] * sd + mean, strict=True)
            rows += [{"target": float(label), "predicted": float(y)} for label, y in pairs]
        else:
            names = data.class_names or range(data.classes)
            pairs = zip(labels, net.predict(x), strict=True)
            rows += [{"target": names[label], "predicted": names[y]} for label, y in pairs]
    return written(folder / PREDICTIONS, History(rows).to_csv)


def _in_time(net: Network, data: SequenceDataset, prepared: Prepared) -> list[dict[str, Any]]:
    """Of each step that counts, or of each sequence's last one, the same."""
    rows: list[dict[str, Any]] = []
    test, found = data.test, prepared.statistics
    mean, sd = (0.0, 1.0) if found is None else (found.target_mean, found.target_sd)
    steps = test.x.shape[1]
    for at in range(len(test)):
        said = net.forward_sequences(test.x[at : at + 1])[0]
        end = steps if test.lengths is None else int(test.lengths[at])
        for t in range(end - 1 if test.at_end else 0, end):
            if test.mask is not None and not test.mask[at, t]:
                continue
            row: dict[str, Any] = {"sequence": at, "step": t}
            target = test.y[at] if test.at_end else test.y[at, t]
            for name, values in (("target", target), ("predicted", said[t])):
                if not data.is_regression:
                    row[name] = data.class_names[int(values.argmax())]
                    continue
                for k, value in enumerate(values):
                    row[name if len(values) == 1 else f"{name}.{k}"] = float(value) * sd + mean
            rows.append(row)
    return rows


def written(path: Path, write: Callable[[Path], None]) -> bool:
    """Write a file; whether it could be. What keeps one from being written is told and ends nothing."""
    try:
        write(path)
    except (OSError, MemoryError) as error:
        tell_unwritten(path, error)
        return False
    return True


def tell_unwritten(path: Path, error: BaseException, more: str = "") -> None:
    """Say on standard error that a file could not be written."""
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    print(f"fastfa: error: {path} could not be written: {why}{more}", file=sys.stderr)


def draw(path: Path, make: Callable[[], Any]) -> bool | None:
    """Draw a figure and save it; whether that could be done, None without matplotlib.

    matplotlib reads settings of the user's own, and may fail in many ways: TeX that is missing, a
    backend that doesn't exist. None of them is to cost anything but the figure.
    """
    try:
        save_figure(make(), path)
    except ImportError as error:
        print(f"no {path.name}: {error}", file=sys.stderr)
        return None
    except Exception as error:
        if stop := interrupt_behind(error):
            raise stop from None
        print(f"fastfa: error: {path} was not drawn: {_one_line(error)}", file=sys.stderr)
        return False
    return True


def _one_line(error: Exception) -> str:
    return next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)[:300]


def save_figure(figure: Any, path: Path) -> None:
    """The figure as a file, of the format that the path's ending names."""
    with atomic_write(path) as file:
        figure.savefig(file, format=path.suffix[1:].lower())


def check_figure_path(path: str) -> Path:
    """Refuse, before any training, a figure that could not be saved in the end."""
    figure = place("demo", "out", path)
    if figure.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"[demo] out was {path!r}; it must end in .png, .pdf or .svg")
    if not figure.absolute().parent.is_dir():
        raise ValueError(f"[demo] out was {path!r}; its folder must exist")
    if figure.is_dir():
        raise ValueError(f"[demo] out was {path!r}; it must be a file")
    return figure


def write_runs(folder: Path, records: list[dict[str, Any]]) -> bool:
    """runs.csv: the last record of each run; whether it could be written."""
    from ..history import History

    return written(folder / "runs.csv", History(records).to_csv)


def end_with_parent() -> None:
    """Let this process not outlive the one that started it, also if that one is killed."""
    import multiprocessing

    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())  # its own has a semaphore, which a sudden end leaves behind
    parent = os.getppid()

    def watch() -> None:
        if sys.platform == "win32":  # where the number stays the same when the parent has ended
            if (process := multiprocessing.parent_process()) is None:
                return
            process.join()
        else:
            while os.getppid() == parent:
                time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
