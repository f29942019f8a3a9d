"""Settings for the digits, tried on held-out training examples. The test set is never read.

A trial is one training, with one seed, on the training digits but for the last ones, scored on these.
It is a JSON file: all settings, what it was made with, and the errors after each epoch. A trial whose
file is there is not made again, and one that was cut off goes on from its last whole epoch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from .. import DivergenceError, _check, build_info
from ..data import Dataset, load
from . import _mnist, mnist
from ._experiment import Settings
from ._json import plain, write_json

HELD_OUT = 10_000  # training digits, the last ones


def held_out(data: Dataset, last: int = HELD_OUT) -> Dataset:
    """The training examples alone, the `last` of them in the place of the test set."""
    n = len(data.train)
    if not 0 < last < n:
        raise ValueError(f"[search] last was {last}; it must be in 1 to {n - 1}, of {n} examples")
    first, rest = np.arange(n - last), np.arange(n - last, n)
    return replace(data, train=data.train.take(first), test=data.train.take(rest))


def _experiment(folder: Path) -> Any:
    """What trains the networks of the trials in this folder."""
    return mnist if folder.name == "mnist" else _mnist


def whole(given: Settings, experiment: Any = _mnist) -> dict[str, Any]:
    """All settings of a trial that gives some of them; the others are the experiment's DEFAULTS."""
    return {"data": "mnist"} | experiment.DEFAULTS | dict(given)


def place(folder: Path, net: str, given: Settings, seed: int) -> Path:
    """The file of a trial: its network's name, seed, and a digest of the settings that are given."""
    others = whole({}, _experiment(folder))
    told = {key: value for key, value in given.items() if others.get(key) != value}
    text = json.dumps(plain(told), sort_keys=True)
    return folder / f"{net}-{seed}-{hashlib.sha256(text.encode()).hexdigest()[:10]}.json"


def trial(
    folder: Path,
    net: str,
    given: Settings,
    *,
    seed: int = 0,
    last: int = HELD_OUT,
    unfinished: Path | None = None,
) -> dict[str, Any]:
    """Make a trial, or read it if its file is there.

    Parameters
    ----------
    folder
        For the file.
    net
        What the network is called in its experiment.
    given
        The settings of the training, as `_mnist.training` takes them, that `whole` doesn't have; in a
        folder `mnist`, as `mnist.training` does.
    seed
        Of the network and the order of examples.
    last
        How many training examples are held out.
    unfinished
        A folder for checkpoints, which are removed when the trial is done.
    """
    path = place(folder, net, given, seed)
    experiment = _experiment(folder)
    spec = whole(given, experiment)
    if path.exists():
        _check.regular_file("search", path)
        return json.loads(path.read_text(encoding="utf-8"))
    checkpoint = None if unfinished is None else unfinished / f"{path.stem}.safetensors"
    begun = perf_counter()
    try:
        result = experiment.training(spec, held_out(load(spec["data"]), last), seed, checkpoint)
    except DivergenceError as error:  # which is a result, too
        result = {"diverged": str(error)}
    facts = build_info()
    found = {
        "net": net,
        "seed": seed,
        "held_out": last,
        "settings": spec,
        "fastfa": facts["version"],
        "isa": facts["isa"],
        "wall_seconds": perf_counter() - begun,  # of the last part, where it was cut off
        "result": result,
    }
    write_json(path, found)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return found
