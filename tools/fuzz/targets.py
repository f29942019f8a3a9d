"""Fuzz targets in Python: each takes bytes, and returns if fastfa took them or refused them by name.

Whatever else comes out of one is a finding: another exception, a crash, more than a second or two
gigabytes. `drive.py` runs them.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fastfa as fa
import numpy as np
from constructors import feedback, network, rest
from fastfa import cli
from fastfa.checkpoint import file as checkpoint_file
from fastfa.checkpoint import saving
from fastfa.cli import architecture, checks, ranges, settings
from refusal import refusal

_FOLDER = Path(
    tempfile.mkdtemp(prefix="fastfa-fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
)


def _file(name: str, data: bytes) -> Path:
    path = _FOLDER / name
    path.write_bytes(data)
    return path


# ---- settings --------------------------------------------------------------------------------------


def _use(found: Mapping[str, Any]) -> None:
    """What `fastfa train` does with settings before it reads any data."""
    values = settings.resolve(found, {"dataset": found.get("dataset", "mnist-mini")})
    checks.check_settings(values)
    settings.parse_schedule(values.schedule)
    if all(isinstance(n, int) and n < 10**6 for n in values.hidden or ()):
        architecture.build_layers(values, (1, 28, 28), 10)


def toml(data: bytes) -> None:
    """Settings as TOML."""
    with refusal(ValueError, OSError):
        _use(settings.read_config(_file("a.toml", data)))


def config_json(data: bytes) -> None:
    """A config.json of a run."""
    with refusal(ValueError, OSError):
        _use(settings.read_config(_file("config.json", data)))


def tables(data: bytes) -> None:
    """The tables [search] and [sweep]."""
    path = _file("b.toml", data)
    for table in ("search", "sweep"):
        with refusal(ValueError, OSError):
            found, content = ranges.read_with_table(path, table)
            if table == "sweep":
                cli.sweep._seeds(str(path), content.pop("seeds", 1), found.pop("seed", 0))
            ranges.to_toml(found)
            ranges.read_space(path, table, content)


_parser = functools.cache(cli._parser)


def arguments(data: bytes) -> None:
    """A command line, its words divided by zeros, up to where the command would begin."""
    words = data.decode("utf-8", "surrogateescape").split("\0")
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            given = _parser().parse_args(words)
        except SystemExit as leaving:
            if leaving.code not in (0, 1, 2):
                raise ValueError(f"left with {leaving.code!r}") from None
            return
    with refusal(ValueError, OSError):
        if given.run is cli.train.run and given.config is None:
            _use(vars(settings.resolve_settings(given)))
        elif given.run is cli.compare.run and given.config is None:
            for each in cli.compare._settings(given).values():
                _use(vars(each))
        elif given.run is cli.tune.run and os.path.isfile(given.config):
            cli.tune._plan(given)


def jsonl(data: bytes) -> None:
    """A history of one JSON object a line, and its way back to a file."""
    with refusal(ValueError, OSError):
        history = fa.History.from_jsonl(_file("h.jsonl", data))
        history.to_csv(_FOLDER / "h.csv")
        history.to_jsonl(_FOLDER / "h2.jsonl")


def sweep_lines(data: bytes) -> None:
    """runs.jsonl and sweep.json of a folder that a sweep goes on in."""
    with refusal(ValueError, OSError):
        cli.sweep._read_lines(_file("runs.jsonl", data))
    with refusal(ValueError, OSError):
        cli.sweep._read_plan(_file("sweep.json", data))


# ---- checkpoints -----------------------------------------------------------------------------------


def checkpoint_bytes(data: bytes) -> None:
    """A whole checkpoint file."""
    path = _file("c.safetensors", data)
    with contextlib.suppress(fa.CheckpointError):
        fa.load(path)


def _small() -> Any:
    net = fa.Network(3, [fa.Dense(2, "tanh"), fa.Dropout(0.5), fa.Dense(2)], feedback="kp", seed=1)
    callbacks = [
        fa.EarlyStopping(patience=3, monitor="train_loss"),
        fa.JSONLLogger(_FOLDER / "log.jsonl"),
        fa.Checkpoint(_FOLDER / "saved.safetensors"),
    ]
    schedule = fa.Steps({2: 0.01})
    trainer = fa.Trainer(
        net,
        fa.SGD(0.1, momentum=0.5),
        epochs=1,
        schedule=schedule,
        callbacks=callbacks,
        progress=False,
    )
    rng = np.random.default_rng(0)
    trainer.fit((rng.random((20, 3)), np.arange(20) % 2))
    return trainer


# fmt: off
_ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 2**31, 2**62, 2**63, 2**64, 10**30, -(2**63),
    0.0, 0.5, -0.5, 1e308, 1e-320, "", "fa", "nan", "tanh", "uniform", "transpose", "kolen_pollack",
    "Dense", "Adam", "$float", "é\ud800", "x" * 300, [], {}, [0], [1, 2], {"$tensor": "weights.0"},
    {"$float": "inf"}, {"kind": "Dense", "units": 2}, {"custom": "f"}, {"kind": "Plateau"},
    {"kind": "Distortion"}, [[1, 0.1]], {"epoch": 1}, ["a"], [[[[]]]],
]
# fmt: on


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) within."""
    found, left = [], [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            found += [(each, key) for key in each]
            left += each.values()
        elif isinstance(each, list):
            found += [(each, i) for i in range(len(each))]
            left += each
    return found


def _edited(value: Any, data: bytes) -> Any:
    """The value after some edits: three bytes each say where, what and with what."""
    value = json.loads(json.dumps(value))
    for at in range(0, min(len(data) - 2, 24), 3):
        places = _places(value)
        container, key = places[int.from_bytes(data[at : at + 2], "little") % len(places)]
        what = data[at + 2]
        if what < 200:
            container[key] = copy.deepcopy(_ODD[what % len(_ODD)])
        elif what < 230:
            del container[key]
        elif isinstance(container, dict):
            container["other"] = container[key]
        else:
            container.append(copy.deepcopy(container[key]))
        if not _places(value):
            break
    return value


_template: list[Any] = []


def checkpoint_description(data: bytes) -> None:
    """A checkpoint of a trainer whose description was edited, with the right digest."""
    if not _template:
        _template.extend(saving.described("x", _small()))
    content, tensors = _template
    path = _FOLDER / "d.safetensors"
    content = _edited(content, data)
    if isinstance(content, dict):
        content.pop("schema", None), content.pop("version", None)
    try:
        checkpoint_file.write(path, content, tensors)
    except (UnicodeEncodeError, ValueError, TypeError):
        return  # what JSON can't hold no file says
    with contextlib.suppress(fa.CheckpointError, fa.DeviceError):
        loaded = fa.load(path)
        if isinstance(loaded, fa.Trainer) and loaded.net.input_size == 3:
            repr(loaded.net), repr(loaded.history)
            loaded.net.forward(np.zeros((2, 3)))


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (
        toml,
        config_json,
        tables,
        arguments,
        jsonl,
        sweep_lines,
        checkpoint_bytes,
        checkpoint_description,
        feedback,
        network,
        rest,
    )
}
