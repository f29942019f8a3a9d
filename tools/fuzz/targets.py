"""Fuzz targets in Python: each takes bytes, and returns if fastfa took them or refused them by name.

Whatever else comes out of one is a finding: another exception, a crash, more than a second or two
gigabytes. `drive.py` runs them.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import io
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import fastfa as fa
import numpy as np
from fastfa import cli
from fastfa.checkpoint import file as checkpoint_file
from fastfa.checkpoint import saving
from fastfa.cli import architecture, checks, ranges, settings

_FOLDER = Path(
    tempfile.mkdtemp(prefix="fastfa-fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
)


@contextlib.contextmanager
def _refusal(*kinds: type[BaseException]) -> Iterator[None]:
    """Within it, these exceptions are right if they say where they come from."""
    try:
        yield
    except kinds as error:
        if isinstance(error, ValueError | TypeError) and not str(error).startswith("["):
            raise


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
    with _refusal(ValueError, OSError):
        _use(settings.read_config(_file("a.toml", data)))


def config_json(data: bytes) -> None:
    """A config.json of a run."""
    with _refusal(ValueError, OSError):
        _use(settings.read_config(_file("config.json", data)))


def tables(data: bytes) -> None:
    """The tables [search] and [sweep]."""
    path = _file("b.toml", data)
    for table in ("search", "sweep"):
        with _refusal(ValueError, OSError):
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
    with _refusal(ValueError, OSError):
        if given.run is cli.train.run and given.config is None:
            _use(vars(settings.resolve_settings(given)))
        elif given.run is cli.compare.run and given.config is None:
            for each in cli.compare._settings(given).values():
                _use(vars(each))
        elif given.run is cli.tune.run and os.path.isfile(given.config):
            cli.tune._plan(given)


def jsonl(data: bytes) -> None:
    """A history of one JSON object a line, and its way back to a file."""
    with _refusal(ValueError, OSError):
        history = fa.History.from_jsonl(_file("h.jsonl", data))
        history.to_csv(_FOLDER / "h.csv")
        history.to_jsonl(_FOLDER / "h2.jsonl")


def sweep_lines(data: bytes) -> None:
    """runs.jsonl and sweep.json of a folder that a sweep goes on in."""
    with _refusal(ValueError, OSError):
        cli.sweep._read_lines(_file("runs.jsonl", data))
    with _refusal(ValueError, OSError):
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


# ---- constructors ----------------------------------------------------------------------------------

# fmt: off
_VALUES: list[Any] = [
    None, True, 0, 1, 2, 3, -1, 5, 2**31, 2**63, 2**64, 10**400, 0.0, 0.5, 1.0, -0.1, 1e308,
    math.nan, math.inf, 1e-320, "", "equal_error", "uniform", "normal", "sign", "sparse", "low_rank",
    "ternary", "hadamard", "procedural", "array", "transpose", "pseudoinverse", "zero", "custom",
    "layerwise", "direct", "target", "kolen_pollack", "weight_mirror", "fixed", "redrawn",
    "orthogonal", "binary", "tanh", "softmax", "logistic", "fa", "dfa", "cross_entropy", "cuda",
    b"fa", "float64", "float16", "same", [], (), (1, 2), (2, 2), [0.5], {"a": 1}, object,
    np.ones((2, 2)), np.ones((2, 0)), np.ones(3), np.full((2, 2), np.nan), np.array(["a"]),
    np.float32(0.25), np.int64(3), np.array(0.5), 1j, range(3), fa.WeightMirror(),
    fa.NodePerturbation(0.01), "é" * 50,
]
# fmt: on


class _Draw:
    """Values of the table, as the bytes say."""

    def __init__(self, data: bytes) -> None:
        self.left = list(data)

    def byte(self) -> int:
        return self.left.pop(0) if self.left else 0

    def value(self) -> Any:
        return _VALUES[self.byte() % len(_VALUES)]

    def some(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: self.value() for name in names if self.byte() % 4 == 0}

    def of(self, *usual: Any) -> Any:
        which = self.byte()
        return self.value() if which > 230 else usual[which % len(usual)]


def feedback(data: bytes) -> None:
    """Feedback, its matrix written out, and its pickle-free copy."""
    draw = _Draw(data)
    with _refusal(ValueError, TypeError):
        rule = fa.Feedback(
            draw.of("uniform", "sign", "sparse", "low_rank", "ternary", "array", "transpose"),
            **draw.some(
                (
                    "scale",
                    "gain",
                    "route",
                    "plasticity",
                    "density",
                    "rank",
                    "array",
                    "magnitude",
                    "refresh",
                )
            ),
        )
        repr(rule), copy.deepcopy(rule)
        rule.toarray(draw.of(1, 2, 3), draw.of(2, 1, 5), seed=draw.of(0), layer=draw.of(0))


def _layer(draw: _Draw) -> Any:
    kind = draw.byte() % 8
    if kind == 0:
        return draw.value()
    if kind == 1:
        return fa.Dropout(draw.of(0.5, 0.1))
    names = ("bias", "weight_scale", "trainable", "density")
    if kind == 2:
        more = draw.some((*names[:3], "stride", "padding"))
        return fa.LocallyConnected2D(
            draw.of(1, 2), draw.of(1, 2, (2, 1)), activation=draw.of("tanh", "relu"), **more
        )
    return fa.Dense(
        draw.of(2, 3, 5, 1), draw.of("tanh", "linear", "logistic", "softmax"), **draw.some(names)
    )


def network(data: bytes) -> None:
    """Layers, a network of them, and calls on it."""
    draw = _Draw(data)
    with _refusal(ValueError, TypeError, fa.DivergenceError, fa.DeviceError):
        shape = draw.of(3, (4, 4), (1, 4, 4), (2, 3, 3))
        layers = [_layer(draw) for _ in range(draw.byte() % 4 + 1)]
        if _too_large(shape, layers):
            return
        net = fa.Network(
            shape,
            layers,
            **draw.some(("feedback", "loss", "seed", "dtype", "device", "matmul_precision")),
        )
        for _ in range(draw.byte() % 6):
            _call(draw, net)


def _too_large(shape: Any, layers: list[Any]) -> bool:
    """Sizes that would honestly take a second or a gigabyte."""
    given = [shape] + [
        value
        for layer in layers
        if dataclasses.is_dataclass(layer)
        for value in vars(layer).values()
    ]
    sizes = [n for value in given for n in (value if isinstance(value, tuple | list) else [value])]
    return any(isinstance(n, int) and 1000 < n < 2**63 for n in sizes)


def _call(draw: _Draw, net: Any) -> None:
    n = draw.of(1, 2, 5)
    n = n if isinstance(n, int) and 0 <= n < 10 else 2
    x = draw.of(
        np.ones((n, net.input_size)),
        np.zeros((n, *net.input_shape)),
        np.ones((n, net.input_size), np.float32),
    )
    y = draw.of(
        np.ones((n, net.output_size)) * 0.5, np.zeros((n, net.output_size)), np.zeros(n, dtype=int)
    )
    momentum, nesterov = (
        fa.SGD(0.01, momentum=0.9, nesterov=nesterov) for nesterov in (False, True)
    )
    adaptive = fa.Adam(0.001), fa.AdamW(0.001), fa.RMSprop(0.001)
    rule = draw.of(fa.SGD(0.1), momentum, nesterov, *adaptive)
    which = draw.byte() % 8
    if which == 0:
        net.forward(x)
    elif which == 1:
        net.step(x, y, rule)
    elif which == 2:
        net.train_epoch(x, y, rule, batch_size=draw.of(1, 2, 100), **draw.some(("order",)))
    elif which == 3:
        net.evaluate(x, y)
    elif which == 4:
        net.deltas(x, y)
    elif which == 5:
        net.load_state_dict(draw.of(net.state_dict(), {}))
    elif which == 6:
        fa.metrics.alignment(net, x, y)
    else:
        net.activations(x)


def rest(data: bytes) -> None:
    """Optimizers, schedules, callbacks, the trainer."""
    draw = _Draw(data)
    net = fa.Network(2, [fa.Dense(2)])
    with _refusal(ValueError, TypeError, fa.DivergenceError):
        rule = fa.SGD(
            draw.of(0.1, 0.01), **draw.some(("momentum", "weight_decay", "reduction", "nesterov"))
        )
        if draw.byte() % 2:
            rule = fa.Adam(draw.of(0.1), **draw.some(("beta1", "beta2", "epsilon", "weight_decay")))
        schedule = draw.of(None, fa.Constant(), {2: 0.1}, {1: draw.value(), 3: draw.value()})
        callback = draw.of(fa.BestWeights("train_loss"), fa.AveragedWeights(1))
        if draw.byte() % 4 == 0:
            callback = fa.EarlyStopping(**draw.some(("patience", "monitor", "min_delta")))
        if draw.byte() % 4 == 0:
            schedule = fa.Plateau(
                **draw.some(("factor", "patience", "min_delta", "min_lr", "monitor"))
            )
        epochs = draw.of(1, 2)
        more = draw.some(("batch_size", "shuffle", "seed", "augment", "targets"))
        trainer = fa.Trainer(
            net,
            rule,
            epochs=1 if isinstance(epochs, int) and epochs > 4 else epochs,
            schedule=schedule,
            callbacks=[callback],
            progress=False,
            **more,
        )
        trainer.fit(
            (draw.of(np.eye(2)), draw.of(np.arange(2))), **draw.some(("validation", "test"))
        )


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
