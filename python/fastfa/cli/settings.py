"""From the table of the settings of ``fastfa train``: its options, and how its files are read.

A setting is named the same everywhere: ``--batch-size`` on the command line is ``batch_size`` in
a TOML file and in the config.json that a run leaves. The command line wins over a file, and a
file over the defaults.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..optim import BY_NAME, owners
from .architecture import read_layers
from .numeric import WHOLE, integer, is_finite, number
from .table import DATASET, SETTINGS, Setting

_BY_NAME = {setting.name: setting for group in SETTINGS.values() for setting in group}
_BY_NAME[DATASET.name] = DATASET
_LONGEST = 10_000_000  # bytes of a file of settings
_RIVALS = {"hidden", "layers"}
TABLES = {"search": "tune", "sweep": "sweep"}  # what a file may say beside settings, and to whom


def default_of(name: str) -> Any:
    """The default of a setting."""
    return _BY_NAME[name].default


def setting_named(name: str) -> Setting | None:
    """The setting of this name, if there is one."""
    return _BY_NAME.get(name)


def add_options(
    parser: argparse.ArgumentParser, *, without: frozenset[str] = frozenset(), dataset: bool = True
) -> None:
    """One option for each setting. One that isn't given leaves no trace, so a file can tell it.

    ``without`` names settings that a command has no use for. Where the command's own argument comes
    first (``dataset`` is False), the dataset is an option like the others.
    """
    if dataset:
        parser.add_argument("dataset", nargs="?", default=argparse.SUPPRESS, help=DATASET.help)
    for title, settings in SETTINGS.items():
        own = [setting for setting in settings if setting.name not in without]
        if title == "data" and not dataset:
            own.insert(0, DATASET)
        if own:
            group = parser.add_argument_group(title)
            for setting in own:
                _add_option(group, setting)


def _add_option(group: argparse._ArgumentGroup, setting: Setting) -> None:
    options: dict[str, Any] = {"dest": setting.name, "default": argparse.SUPPRESS}
    text = setting.help
    if setting.default not in (None, [], False, True):
        shown = setting.default if setting.count is None else " ".join(map(str, setting.default))
        text += f" (default: {shown})"
    if setting.kind is bool:
        options["action"] = argparse.BooleanOptionalAction
        if setting.default is not None:
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
        If the file has an unknown or ill-typed key, no dataset is named, or hidden layers are
        described twice.
    """
    file = {} if arguments.config is None else read_config(arguments.config)
    return resolve(file, given_settings(arguments))


def given_settings(
    arguments: argparse.Namespace, without: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The settings that the command line gave; ``without`` those that are the command's own."""
    names = _BY_NAME.keys() - without
    return {name: value for name, value in vars(arguments).items() if name in names}


def resolve(file: Mapping[str, Any], given: Mapping[str, Any]) -> argparse.Namespace:
    """Every setting's value: ``given``, else from ``file``, else its default. Raises as above."""
    values = {name: setting.default for name, setting in _BY_NAME.items()}
    for source in (file, given):
        if source.keys() >= _RIVALS:
            raise ValueError(
                f"[train] hidden was {source['hidden']!r} beside layers; it must not be given: "
                "both describe the hidden layers"
            )
    if given.get("augment") == "none":  # this must switch a file's distortions off
        file = {name: value for name, value in file.items() if not name.startswith("augment_")}
    for source in (file, given):
        if source.keys() & _RIVALS:
            values |= dict.fromkeys(_RIVALS)  # one of them wins over the other, as over itself
        values |= source
    if values["layers"] is not None:
        values["layers"] = read_layers(values["layers"])
    if values["dataset"] is None:
        raise ValueError("[train] no dataset was named; give one, such as: fastfa train mnist-mini")
    kind = values["optimizer"] if values["optimizer"] in BY_NAME else "sgd"  # else refused later
    if values["lr"] is None:
        values["lr"] = BY_NAME[kind]._rate
    if values["weight_decay"] is None:
        values["weight_decay"] = owners("weight_decay")[kind]
    return argparse.Namespace(**values)


def read_config(path: str | Path) -> dict[str, Any]:
    """The settings in a TOML file, or in the config.json that an earlier run wrote.

    Raises
    ------
    ValueError
        If the file isn't what it claims to be, or a key is unknown or has a value of a wrong
        type; names the file and the key.
    """
    path = Path(path)
    return check_config(path, config_content(path))


def config_content(path: Path) -> dict[str, Any]:
    """What stands in the file, unchecked but for being a table. Raises as `read_config`."""
    import tomllib

    try:
        with open(path, "rb") as file:  # which may be a pipe, as of a shell's <(...)
            data = file.read(_LONGEST + 1)
        if len(data) > _LONGEST:
            raise ValueError(f"it is longer than {_LONGEST:,} bytes")
        text = data.decode("utf-8-sig")  # some editors begin a file with a byte-order mark
        content = json.loads(text)["settings"] if _is_json(path) else tomllib.loads(text)
        if not isinstance(content, Mapping):
            raise TypeError("its settings are not a table")
    except (KeyError, TypeError) as error:
        raise ValueError(f"[config] {path} is not a config.json of fastfa: {error}") from None
    except ValueError as error:  # the decoders' errors are ValueErrors
        raise ValueError(f"[config] {path}: {error}") from None
    except RecursionError:
        raise ValueError(f"[config] {path}: its brackets are nested too deep") from None
    return {k: v for k, v in content.items() if not (_is_json(path) and v is None)}


def check_config(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in this content of the file. Raises as `read_config`."""
    for table, command in TABLES.items():
        if table in content:
            raise ValueError(
                f"[config] {path} has the table [{table}]; it is for: fastfa {command} {path}"
            )
    return {name: check_value(path, name, value) for name, value in content.items()}


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def check_value(path: Path, name: str, value: Any) -> Any:
    """``value`` as the setting ``name`` wants it. Raises as `read_config`."""
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
            f"[config] {path}: {name} was {shown(value)}; it must be {_words(setting.kind, value)}"
        )
    right = isinstance(value, list) and all(_is_item(setting, item) for item in value)
    if right and (setting.count == "+" or len(value) == setting.count):
        return [item if setting.tables else setting.kind(item) for item in value]
    many = "" if setting.count == "+" else f" of {setting.count}"
    words = _words(setting.kind, *(value if isinstance(value, list) else ()))
    words += f", or a table: [[{name}]]" if setting.tables else ""
    raise ValueError(
        f"[config] {path}: {name} was {shown(value)}; it must be a list{many}, each item {words}"
    )


_WORDS = {int: "an integer", float: "a number", str: "a string", bool: "true or false"}


def _words(kind: type, *values: Any) -> str:
    """What the values must be; for numbers too large for it, with its limit."""
    if kind is int and any(type(value) is int and value not in WHOLE for value in values):
        return "an integer of at most 64 bits"
    if kind is float and any(type(v) in (int, float) and not is_finite(v) for v in values):
        return "a finite number"
    return _WORDS[kind]


def shown(value: Any) -> str:
    """``value`` for a message: not longer than a line, whatever a file has in its place."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python writes no number of more than 4,300 digits
        return f"a huge {type(value).__name__}"
    return text if len(text) <= 100 else f"{text[:60]}… ({len(text):,} characters)"


def _is(kind: type, value: Any) -> bool:
    """Whether ``value`` is of ``kind``, where an integer is a number but true isn't an integer."""
    if isinstance(value, bool) or kind is bool:
        return kind is bool and isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and value in WHOLE
    if kind is float:
        return isinstance(value, int | float) and is_finite(value)
    return isinstance(value, kind)


def _is_item(setting: Setting, value: Any) -> bool:
    return _is(setting.kind, value) or (setting.tables and isinstance(value, Mapping))


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What differs, by name: ``lr was 0.1, is 0.2; version was …``."""
    parts = []
    for key in dict.fromkeys([*old, *new]):
        before, now = old.get(key), new.get(key)
        if before == now:
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            parts.append(differences(before, now))
        else:
            parts.append(f"{key} was {json.dumps(before)}, is {json.dumps(now)}")
    return "; ".join(parts)


def parse_schedule(text: str, epochs: int = 1) -> Any:
    """The schedule that a ``--schedule`` names.

    Parameters
    ----------
    text
        ``constant``, ``plateau``, ``plateau:name=value,...``, ``exponential:decay``, ``cosine``,
        ``cosine:name=value,...`` or ``steps:epoch=rate,...``.
    epochs
        Of the training, over which ``cosine`` falls if it isn't told.

    Raises
    ------
    ValueError
        If it names none.
    """
    from ..schedules import Constant, Cosine, Exponential, Plateau, Steps

    kind, _, rest = text.partition(":")
    try:
        if kind == "constant" and not rest:
            return Constant()
        if kind == "exponential":
            return Exponential(number(rest))
        if kind == "steps":
            return Steps({integer(epoch): number(rate) for epoch, rate in _pairs(rest)})
        if kind == "plateau":
            kinds: dict[str, Callable[[str], Any]] = {
                "factor": number,
                "patience": integer,
                "min_delta": number,
                "min_lr": number,
                "monitor": str,
            }
            return Plateau(**{name: kinds[name](value) for name, value in _pairs(rest)})
        if kind == "cosine":
            kinds = {"epochs": integer, "min_lr": number}
            given = {name: kinds[name](value) for name, value in _pairs(rest)}
            return Cosine(**{"epochs": epochs} | given)
    except (KeyError, TypeError, ValueError) as error:
        if str(error).startswith("["):
            raise
        raise ValueError(f"[train] schedule was {text!r}; {_SCHEDULES}") from None
    raise ValueError(f"[train] schedule was {text!r}; {_SCHEDULES}")


_SCHEDULES = (
    "it must be constant, plateau, plateau:factor=0.1,patience=3,min_delta=0.01,min_lr=0,"
    "monitor=train_loss, exponential:0.95, cosine, cosine:epochs=30,min_lr=0 or "
    "steps:10=0.01,20=0.001"
)


def _pairs(text: str) -> list[tuple[str, str]]:
    """``a=1,b=2`` as pairs."""
    pairs = [item.partition("=") for item in text.split(",") if item]
    if any(not separator for _, separator, _ in pairs):
        raise ValueError("no =")
    return [(name.strip(), value.strip()) for name, _, value in pairs]
