"""The tables [search] and [sweep] of a file of settings: which values a setting is to take.

[search]                                          # of `fastfa tune`
lr = { low = 1e-3, high = 1.0, log = true }       # a range, of a setting that is a number
activation = ["logistic", "tanh"]                 # a choice, of any setting

[sweep]                                           # of `fastfa sweep`: choices only
seeds = 5
feedback = ["bp", "fa"]
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from .dataset import is_own
from .settings import TABLES, check_config, check_value, config_content, setting_named
from .table import OWN_DATA, SETTINGS

_RANGE = ("low", "high", "log", "step")
FILES = frozenset(setting.name for setting in SETTINGS["output"])  # that a single training leaves
_WHOLE_RUN = frozenset({"seed", "runs", "threads", "root"}) | FILES | OWN_DATA
_OF_DATA: dict[str, dict[str, Any]] = {
    "search": {"lr": {"low": 1e-4, "high": 0.1, "log": True}, "hidden": [[50], [200], [1000]]},
    "sweep": {"feedback": ["bp", "fa", "dfa"], "seeds": 5},
}
FIXED = {"search": _WHOLE_RUN | {"dataset", "validation"}, "sweep": _WHOLE_RUN}


@final
@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both among them; with ``log`` each decade is as likely."""

    low: float
    high: float
    log: bool
    step: float | None
    whole: bool

    def ends(self) -> tuple[Any, ...]:
        return self.low, self.high

    def holds(self, value: Any) -> bool:
        if self.step is not None and not math.isclose(
            (value - self.low) / self.step, round((value - self.low) / self.step), abs_tol=1e-9
        ):
            return False
        return self.low <= value <= self.high


@final
@dataclass(frozen=True)
class Choice:
    """One of these values."""

    values: tuple[Any, ...]

    def ends(self) -> tuple[Any, ...]:
        return self.values

    def holds(self, value: Any) -> bool:
        return any(label(value) == label(known) for known in self.values)


Space = dict[str, Range | Choice]


def label(value: Any) -> Any:
    """The value itself, or a list's text: what a database or a table can hold."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def read_with_table(path: str | Path, table: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings in a TOML file, and its table of this name (not another command's).

    Of data in the place of such a file: they are the dataset, and the table is one to begin with.

    Raises
    ------
    ValueError
        If the file can't be read, a setting is wrong, or there is no such table or nothing in it.
    """
    if is_own_data(str(path)):
        return {"dataset": str(path)}, dict(_OF_DATA[table])
    path = Path(path)
    content = config_content(path)
    found = content.get(table)
    if not isinstance(found, Mapping) or not found:
        raise ValueError(
            f"[{TABLES[table]}] {path} has no table [{table}]; it must have one, with a line for "
            "each setting to vary"
        )
    settings = check_config(path, {k: v for k, v in content.items() if k not in TABLES})
    for name in settings.keys() & (FILES | {"runs"}):
        hint = "give --out on the command line" if name == "out" else "it is for fastfa train"
        raise ValueError(
            f"[{TABLES[table]}] {path} has the key {name!r}; it must not be there: {hint}"
        )
    return settings, dict(found)


def is_own_data(path: str) -> bool:
    """Whether this is no file of settings, but data."""
    return Path(path).suffix.lower() not in (".toml", ".json") and is_own(path)


def read_space(path: str | Path, table: str, content: Mapping[str, Any]) -> Space:
    """What each setting named in the table may be.

    Raises
    ------
    ValueError
        If a name isn't that of a setting that can vary here, or what stands there is neither a
        range nor a list of values of the setting's type.
    """
    return {name: _vary(Path(path), table, name, value) for name, value in content.items()}


def _vary(path: Path, table: str, name: str, value: Any) -> Range | Choice:
    where, setting = f"[{TABLES[table]}] {path}: {table}.{name}", setting_named(name)
    if setting is None:
        check_value(path, name, value)  # says that there is no such setting, and what is near
    if name in FIXED[table]:
        raise ValueError(f"{where} was {value!r}; it must not be there: {name} is the same for all")
    if isinstance(value, list):
        if not value:
            raise ValueError(f"{where} was []; it must have at least one value")
        choice = Choice(tuple(check_value(path, name, item) for item in value))
        if len({repr(label(item)) for item in choice.values}) < len(value):
            raise ValueError(f"{where} was {value!r}; its values must differ from each other")
        return choice
    numeric = setting is not None and setting.kind in (int, float) and setting.count is None
    if table != "search" or not numeric or not isinstance(value, Mapping):
        forms = "a list of values"
        if table == "search" and numeric:
            forms += ", or a range such as { low = 0.001, high = 1.0, log = true }"
        raise ValueError(f"{where} was {value!r}; it must be {forms}")
    return _range(path, where, name, value)


def _range(path: Path, where: str, name: str, value: Mapping[str, Any]) -> Range:
    unknown = [key for key in value if key not in _RANGE]
    if unknown or not {"low", "high"} <= value.keys():
        raise ValueError(f"{where} was {dict(value)!r}; it must have low and high, and may have "
                         "log and step")  # fmt: skip
    low, high = (check_value(path, name, value[key]) for key in ("low", "high"))
    log, step = value.get("log", False), value.get("step")
    if step is not None:
        step = check_value(path, name, step)
    whole = isinstance(low, int)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"{where} went from {low} to {high}; low must be below high")
    if not isinstance(log, bool) or (log and (low <= 0 or step is not None)):
        raise ValueError(
            f"{where}.log was {log!r}; it must be true or false, and true only if low is above 0 "
            "and there is no step"
        )
    if step is not None and not 0 < step <= high - low:
        raise ValueError(f"{where}.step was {step}; it must be above 0 and at most high - low")
    return Range(low, high, log, step, whole)


def to_toml(settings: Mapping[str, Any]) -> str:
    """Settings as a file that `read_config` reads back; those that are None are left out."""
    plain = {k: v for k, v in settings.items() if v is not None and k != "layers"}
    lines = [f"{name} = {_toml(value)}\n" for name, value in plain.items()]
    for layer in settings.get("layers") or ():  # below all else, or they would swallow it
        lines.append("\n[[layers]]\n")
        lines += [f"{name} = {_toml(value)}\n" for name, value in layer.items()]
    return "".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)  # numbers, true and false are written as JSON writes them
