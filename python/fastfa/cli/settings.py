"""The settings of ``fastfa train``: one table that makes the options and reads the files.

A setting is named the same everywhere: ``--batch-size`` on the command line is ``batch_size`` in
a TOML file and in the config.json that a run leaves. The command line wins over a file, and a
file over the defaults.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Setting:
    """One setting: its name and type, its default, and how it is told to a user.

    ``count`` is how many values it takes: None for one value, ``"+"`` for a list, 2 for a pair.
    """

    name: str
    kind: type
    default: Any
    help: str
    metavar: str | None = None
    count: str | int | None = None


# fmt: off
SETTINGS: dict[str, tuple[Setting, ...]] = {
    "network": (
        Setting("hidden", int, [1000], "units of the hidden layers: several numbers, or the "
                "option several times", "UNITS", "+"),
        Setting("activation", str, "logistic", "of the hidden layers: logistic, tanh, relu, ...",
                "NAME"),
        Setting("output_activation", str, "logistic", "of the output layer: logistic, softmax, "
                "tanh, linear, ...", "NAME"),
        Setting("loss", str, "cross_entropy", "cross_entropy or squared_error", "NAME"),
        Setting("weight_scale", float, None, "omega: initial weights are uniform in (-omega, "
                "omega); default: 1/sqrt(inputs) of each layer", "OMEGA"),
        Setting("density", float, 1.0, "the share of each layer's weights that exists", "SHARE"),
        Setting("bias", bool, True, "whether layers have biases"),
        Setting("dtype", str, "float32", "float32 or float64", "NAME"),
    ),
    "feedback": (
        Setting("feedback", str, "fa", "the learning rule: bp, fa, dfa, drtp, shallow, sparse_fa, "
                "usf, brsf, frsf, kp, wm, pbp, or np (node perturbation)", "RULE"),
        Setting("feedback_matrix", str, None, "what carries the error instead of the rule's own "
                "matrix: uniform, normal, orthogonal, sparse, low_rank, binary, ternary, hadamard, "
                "procedural, sign, transpose, pseudoinverse, zero", "KIND"),
        Setting("feedback_route", str, None, "layerwise, direct from the output, or target",
                "ROUTE"),
        Setting("feedback_scale", float, None, "beta: the size of the feedback weights; default: "
                "errors of equal magnitude reach every layer", "BETA"),
        Setting("feedback_gain", float, None, "the same as a multiple of the output error",
                "GAIN"),
        Setting("feedback_density", float, None, "of sparse and ternary matrices: the share that "
                "isn't zero", "SHARE"),
        Setting("feedback_rank", int, None, "of low_rank matrices", "RANK"),
        Setting("feedback_magnitude", str, None, "of sign matrices: uniform, fixed or redrawn",
                "NAME"),
        Setting("feedback_refresh", int, None, "pseudoinverse anew every N steps; default: 1",
                "N"),
        Setting("plasticity", str, None, "how feedback weights change: fixed, kolen_pollack or "
                "weight_mirror; default: the rule's own", "NAME"),
        Setting("mirror_lr", float, None, "of the weight mirror, in (0, 1]; default: as the batch "
                "and the layer allow", "RATE"),
        Setting("mirror_noise", float, None, "standard deviation of its noise; default: 1", "SD"),
        Setting("mirror_every", int, None, "steps between its phases; default: 1", "N"),
        Setting("perturbation", float, None, "sigma: the noise of node perturbation (feedback np); "
                "default: 0.01", "SIGMA"),
    ),
    "training": (
        Setting("optimizer", str, "sgd", "sgd or adam", "NAME"),
        Setting("lr", float, None, "eta: the learning rate; default: 0.1, with adam 0.001", "ETA"),
        Setting("momentum", float, 0.0, "alpha, of sgd", "ALPHA"),
        Setting("beta1", float, None, "of adam: memory of the mean; default: 0.9", "BETA1"),
        Setting("beta2", float, None, "of adam: memory of the square; default: 0.999", "BETA2"),
        Setting("epsilon", float, None, "of adam; default: 1e-8", "EPSILON"),
        Setting("weight_decay", float, 0.0, "gamma", "GAMMA"),
        Setting("reduction", str, "mean", "of sgd: mean or sum of a batch's updates", "NAME"),
        Setting("batch_size", int, 100, "examples in an update; 1 is online learning", "N"),
        Setting("epochs", int, 20, "passes through the training set", "N"),
        Setting("shuffle", bool, True, "whether each epoch has an order of its own"),
        Setting("schedule", str, "constant", "constant, plateau, plateau:factor=0.1,patience=3, "
                "exponential:0.95 or steps:10=0.01,20=0.001 (epoch=rate)", "SCHEDULE"),
        Setting("early_stopping", int, None, "stop after N epochs without a lower validation "
                "error, and keep the best weights", "N"),
        Setting("seed", int, 0, "of weights, feedback, shuffles and the validation split", "N"),
        Setting("runs", int, 1, "repeat with this many seeds, counting from --seed", "N"),
        Setting("threads", int, None, "of the compiled core; default: its own choice", "N"),
    ),
    "data": (
        Setting("validation", float, None, "split this fraction off the training set",
                "FRACTION"),
        Setting("targets", float, None, "target values of wrong and right class; default: 0 1, "
                "with tanh outputs -0.9 0.9", "LOW HIGH", 2),
        Setting("normalise", bool, False, "whether to shift and scale the inputs to mean 0 and "
                "standard deviation 1 (of the training set)"),
        Setting("root", str, None, "folder to look in for data first", "DIR"),
    ),
    "output": (
        Setting("out", str, None, "folder for history, weights, settings and curve", "DIR"),
    ),
}
# fmt: on

_DATASET = Setting(
    "dataset",
    str,
    None,
    "mnist, fashion-mnist, mnist-mini, or another that `fastfa data list` shows",
)
_BY_NAME = {setting.name: setting for group in SETTINGS.values() for setting in group}
_BY_NAME[_DATASET.name] = _DATASET
_RATES = {"adam": 0.001}  # the default learning rate of an optimizer, else _RATE
_RATE = 0.1


def default_of(name: str) -> Any:
    """The default of a setting."""
    return _BY_NAME[name].default


def add_options(parser: argparse.ArgumentParser) -> None:
    """One option for each setting. One that isn't given leaves no trace, so a file can tell it."""
    parser.add_argument("dataset", nargs="?", default=argparse.SUPPRESS, help=_DATASET.help)
    for title, settings in SETTINGS.items():
        group = parser.add_argument_group(title)
        for setting in settings:
            _add_option(group, setting)


def _add_option(group: argparse._ArgumentGroup, setting: Setting) -> None:
    options: dict[str, Any] = {"dest": setting.name, "default": argparse.SUPPRESS}
    text = setting.help
    if setting.default not in (None, [], False, True):
        shown = setting.default if setting.count is None else " ".join(map(str, setting.default))
        text += f" (default: {shown})"
    if setting.kind is bool:
        options["action"] = argparse.BooleanOptionalAction
        text += f" (default: {'yes' if setting.default else 'no'})"
    else:
        options["type"] = setting.kind
        names = (setting.metavar or "VALUE").split()
        options["metavar"] = names[0] if len(names) == 1 else tuple(names)
        if setting.count is not None:
            options["nargs"] = setting.count
            options["action"] = "extend" if setting.count == "+" else "store"
    group.add_argument(f"--{setting.name.replace('_', '-')}", help=text, **options)


def resolve_settings(arguments: argparse.Namespace) -> argparse.Namespace:
    """Every setting's value: from the command line, else from ``--config``, else its default.

    Raises
    ------
    ValueError
        If the file has an unknown or ill-typed key, or no dataset is named.
    """
    values = {name: setting.default for name, setting in _BY_NAME.items()}
    if arguments.config is not None:
        values |= read_config(arguments.config)
    values |= {name: value for name, value in vars(arguments).items() if name in _BY_NAME}
    if values["dataset"] is None:
        raise ValueError("[train] no dataset was named; give one, such as: fastfa train mnist-mini")
    if values["lr"] is None:
        values["lr"] = _RATES.get(values["optimizer"], _RATE)
    return argparse.Namespace(**values)


def read_config(path: str | Path) -> dict[str, Any]:
    """The settings in a TOML file, or in the config.json that an earlier run wrote.

    Raises
    ------
    ValueError
        If the file isn't what it claims to be, or a key is unknown or has a value of a wrong
        type; names the file and the key.
    """
    import tomllib

    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)["settings"] if _is_json(path) else tomllib.loads(text)
        if not isinstance(content, Mapping):
            raise TypeError("its settings are not a table")
    except (KeyError, TypeError) as error:
        raise ValueError(f"[config] {path} is not a config.json of fastfa: {error}") from None
    except ValueError as error:  # the decoders' errors are ValueErrors
        raise ValueError(f"[config] {path}: {error}") from None
    return {
        name: _checked(path, name, value)
        for name, value in content.items()
        if not (_is_json(path) and value is None)
    }


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _checked(path: Path, name: str, value: Any) -> Any:
    setting = _BY_NAME.get(name)
    if setting is None:
        import difflib

        close = difflib.get_close_matches(name.replace("-", "_"), _BY_NAME, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(f"[config] {path} has the unknown key {name!r}{hint}")
    if setting.count is None:
        if _is(setting.kind, value):
            return setting.kind(value)
        raise ValueError(
            f"[config] {path}: {name} was {value!r}; it must be {_WORDS[setting.kind]}"
        )
    right = isinstance(value, list) and all(_is(setting.kind, item) for item in value)
    if right and (setting.count == "+" or len(value) == setting.count):
        return [setting.kind(item) for item in value]
    many = "" if setting.count == "+" else f" of {setting.count}"
    raise ValueError(
        f"[config] {path}: {name} was {value!r}; it must be a list{many}, each item "
        f"{_WORDS[setting.kind]}"
    )


_WORDS = {int: "an integer", float: "a number", str: "a string", bool: "true or false"}


def _is(kind: type, value: Any) -> bool:
    """Whether ``value`` is of ``kind``, where an integer is a number but true isn't an integer."""
    if isinstance(value, bool) or kind is bool:
        return kind is bool and isinstance(value, bool)
    return isinstance(value, int | float) if kind is float else isinstance(value, kind)


def parse_schedule(text: str) -> Any:
    """The schedule that a ``--schedule`` names.

    Parameters
    ----------
    text
        ``constant``, ``plateau``, ``plateau:name=value,...``, ``exponential:decay`` or
        ``steps:epoch=rate,...``.

    Raises
    ------
    ValueError
        If it names none.
    """
    from ..schedules import Constant, Exponential, Plateau, Steps

    kind, _, rest = text.partition(":")
    try:
        if kind == "constant" and not rest:
            return Constant()
        if kind == "exponential":
            return Exponential(float(rest))
        if kind == "steps":
            return Steps({int(epoch): float(rate) for epoch, rate in _pairs(rest)})
        if kind == "plateau":
            kinds = {"factor": float, "patience": int, "min_delta": float, "min_lr": float,
                     "monitor": str}  # fmt: skip
            return Plateau(**{name: kinds[name](value) for name, value in _pairs(rest)})
    except (KeyError, TypeError, ValueError) as error:
        if str(error).startswith("["):
            raise
        raise ValueError(f"[train] schedule was {text!r}; {_SCHEDULES}") from None
    raise ValueError(f"[train] schedule was {text!r}; {_SCHEDULES}")


_SCHEDULES = (
    "it must be constant, plateau, plateau:factor=0.1,patience=3,min_delta=0.01,min_lr=0,"
    "monitor=train_loss, exponential:0.95 or steps:10=0.01,20=0.001"
)


def _pairs(text: str) -> list[tuple[str, str]]:
    """``a=1,b=2`` as pairs."""
    pairs = [item.partition("=") for item in text.split(",") if item]
    if any(not separator for _, separator, _ in pairs):
        raise ValueError("no =")
    return [(name.strip(), value.strip()) for name, _, value in pairs]
