"""The hidden layers of ``fastfa train``: as text or tables, checked, and built.

``local:6x6x6,stride=2`` on the command line is in a file

    [[layers]]
    kind = "local"
    maps = 6
    kernel_size = [6, 6]
    stride = 2

and so it stands in the config.json of a run. What a layer doesn't say of itself (its activation,
bias, weight_scale, density, leaky_slope) is as the settings of these names have it.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .numeric import integer, number
from .table import NAMES

if TYPE_CHECKING:
    from ..layers import Layer


def read_layers(items: Sequence[Any]) -> list[dict[str, Any]]:
    """Each layer as a table whose keys its kind has; values are left to `build_layers`.

    Raises
    ------
    ValueError
        If a text can't be read, or a kind or a key is missing or unknown; names the layer.
    """
    return [
        _read_text(f"layers[{i}]", item)
        if isinstance(item, str)
        else _checked(f"layers[{i}]", item, item)
        for i, item in enumerate(items)
    ]


def build_layers(
    settings: argparse.Namespace, image_shape: Sequence[int], classes: int
) -> list[Layer]:
    """The layers that the settings describe, for images of this shape; the output is the last.

    Raises
    ------
    ValueError
        If a value is wrong, or a layer can't stand where it does; names the setting.
    """
    from .. import Dense, Recurrent

    names = ("activation", "bias", "weight_scale", "density")
    common = {name: getattr(settings, name) for name in names}
    make("", Dense, {"units": 1} | common)  # so that an error names the setting, not a layer
    leaky = {} if settings.leaky_slope is None else {"leaky_slope": settings.leaky_slope}
    make("", Dense, {"units": 1, "activation": "leaky_relu"} | leaky)
    if settings.layers is None:
        where, tables = "hidden", [{"kind": "dense", "units": n} for n in settings.hidden]
    else:
        where, tables = "layers", settings.layers
    built: list[Layer] = []
    shape = tuple(image_shape)
    for i, table in enumerate(tables):
        name = f"{where}[{i}]"
        values = {key: value for key, value in table.items() if key != "kind"}
        keys = _keys(table["kind"])
        own = {key: value for key, value in common.items() if key in keys}
        if isinstance(values.get("recurrent_feedback"), Mapping):
            values["recurrent_feedback"] = _build_b_rec(name, values["recurrent_feedback"])
        if table["kind"] == "recurrent" and any(isinstance(each, Recurrent) for each in built):
            raise ValueError(f"[train] {name} was a second recurrent layer; there must be one")
        if "leaky_slope" in keys and (own | values).get("activation") == "leaky_relu":
            own |= leaky
        layer = make(f"{name}.", _class(table["kind"]), own | values)
        shape = _above(name, table["kind"], layer, shape)
        built.append(layer)
    top = common | {"activation": settings.output_activation}
    top |= leaky if settings.output_activation == "leaky_relu" else {}
    built.append(make("output_", Dense, top, classes))
    if leaky and all(getattr(layer, "leaky_slope", None) is None for layer in built):
        raise ValueError(
            f"[train] leaky_slope was {settings.leaky_slope}; it must not be given, for no layer's "
            "activation is 'leaky_relu'"
        )
    return built


def make(prefix: str, kind: Callable[..., Any], values: Mapping[str, Any], *first: Any) -> Any:
    """``kind(*first, **values)``, whose errors name a setting: ``prefix`` and the argument."""
    try:
        return kind(*first, **values)
    except (TypeError, ValueError) as error:
        message = str(error)
        raise ValueError(f"[train] {prefix}{message.partition('] ')[2] or message}") from None


def _above(name: str, kind: str, layer: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of this layer above something of that shape."""
    if getattr(layer, "activation", None) == "softmax":
        raise ValueError(
            f"[train] {name}.activation was 'softmax'; it must be another one: softmax is for the "
            "output layer only"
        )
    _KINDS[kind].check_below(name, layer, shape)
    return layer.output_shape(shape)


def _fits_anywhere(name: str, layer: Any, shape: tuple[int, ...]) -> None:
    pass


def _fits_an_image(name: str, layer: Any, shape: tuple[int, ...]) -> None:
    if len(shape) != 3:
        kind = next(kind for kind, each in _KINDS.items() if each.name == type(layer).__name__)
        raise ValueError(
            f"[train] {name} was a {kind} layer above a dense one; it must be above the input or "
            "another layer of patches"
        )
    if min(layer.output_shape(shape)) < 1:
        key = "size" if hasattr(layer, "size") else "kernel_size"
        padded = ", or padding must be 'same'" if hasattr(layer, "padding") else ""
        raise ValueError(
            f"[train] {name}.{key} was {list(getattr(layer, key))}; it must not be larger than "
            f"what is below, {list(shape[1:])}{padded}"
        )


# ---- one layer, as text or table -----------------------------------------------------------------


def _read_text(name: str, text: str) -> dict[str, Any]:
    """``kind:numbers,name=value,...`` as a table."""
    kind, _, rest = text.partition(":")
    if kind.strip() == "pool":
        operation, _, rest = rest.partition(":")
        kind = f"pool:{operation.strip()}"
    kind = _kind(name, kind.strip())
    numbers, *pairs = (part.strip() for part in rest.split(","))
    said = _KINDS[kind].numbers(numbers)
    if not said:
        raise ValueError(f"[train] {name} was {text!r}; it must be {_KINDS[kind].form}")
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise ValueError(
                f"[train] {name} was {text!r}; {pair!r} in it must be name=value; names are "
                f"{', '.join(_keys(kind))}"
            )
        said.append((key.strip(), value.strip()))
    table: dict[str, Any] = {"kind": kind}
    for key, value in said:
        if key in table:
            raise ValueError(f"[train] {name} was {text!r}; it must say {key} once")
        table[key] = _value(f"{name}.{key}", key, value)
    return _checked(name, table, text)


def _checked(name: str, table: Mapping[str, Any], given: Any) -> dict[str, Any]:
    """The table, if it has the keys it needs and no others."""
    if "kind" not in table:
        raise ValueError(f"[train] {name} was {given!r}; it must have a kind: {', '.join(_KINDS)}")
    kind = _kind(name, table["kind"])
    keys = _keys(kind)
    for key in (key for key in table if key not in ("kind", *keys)):
        # In TOML, what stands below a [[layers]] belongs to it.
        astray = key in NAMES and not isinstance(given, str)
        hint = "; as a setting it must stand above all [[layers]]" if astray else ""
        raise ValueError(
            f"[train] {name} has the unknown key {key!r}; a layer of kind {kind!r} has "
            f"{', '.join(keys)}{hint}"
        )
    for key, needed in keys.items():
        if needed and key not in table:
            raise ValueError(f"[train] {name} was {given!r}; it must have {key}")
    return dict(table)


def _kind(name: str, kind: Any) -> str:
    return make(f"{name}.", _choice, {"value": kind})


def _choice(value: Any) -> str:
    from .. import _check

    return _check.choice("train", "kind", value, tuple(_KINDS))


def _class(kind: str) -> Callable[..., Any]:
    from .. import layers

    return getattr(layers, _KINDS[kind].name)


def _keys(kind: str) -> dict[str, bool]:
    """The arguments of a kind of layer, and whether it needs them."""
    arguments = inspect.signature(_class(kind)).parameters.values()
    return {argument.name: argument.default is argument.empty for argument in arguments}


def _value(name: str, key: str, text: str) -> Any:
    """The value of a key in its text."""
    reader, words = _READERS.get(key, (str, ""))
    try:
        return reader(text)
    except (KeyError, ValueError):
        raise ValueError(f"[train] {name} was {text!r}; it must be {words}") from None


def _b_rec(text: str) -> str | dict[str, Any]:
    """One of the three names, or ``uniform:scale=0.1:plasticity=kolen_pollack`` as a table."""
    from .. import _core

    if text in _core.RECURRENT_FEEDBACKS:
        return text
    matrix, *pairs = text.split(":")
    table: dict[str, Any] = {"matrix": matrix}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or key in table or key not in _OF_B_REC:
            raise ValueError("it isn't name=value, with each of the names once")
        table[key] = _OF_B_REC[key](value)
    return table


def _build_b_rec(name: str, table: Mapping[str, Any]) -> Any:
    from .. import Feedback

    where = f"{name}.recurrent_feedback"
    if "matrix" not in table or not {*table} <= {*_OF_B_REC}:
        raise ValueError(
            f"[train] {where} was {dict(table)!r}; it must have matrix, and besides only "
            f"{', '.join(key for key in _OF_B_REC if key != 'matrix')}"
        )
    return make(f"{where}.", Feedback, table)


def _pair(text: str) -> int | list[int]:
    """``2``, for both directions, or ``2x3``."""
    numbers = [integer(part) for part in text.split("x")]
    if len(numbers) > 2:
        raise ValueError("more than a pair")
    return numbers if len(numbers) == 2 else numbers[0]


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text]


_OF_B_REC: dict[str, Callable[[str], Any]] = {
    "matrix": str,
    "scale": number,
    "density": number,
    "rank": integer,
    "magnitude": str,
    "plasticity": str,
}
_INTEGER = (integer, "an integer")
_NUMBER = (number, "a number")
_SIZE = (_pair, "an integer, or two for height and width, such as 2x3")
_TRUTH = (_truth, "true or false")
_READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "units": _INTEGER,
    "maps": _INTEGER,
    "kernel_size": _SIZE,
    "size": _SIZE,
    "stride": _SIZE,
    "rate": _NUMBER,
    "weight_scale": _NUMBER,
    "density": _NUMBER,
    "leaky_slope": _NUMBER,
    "tau": _NUMBER,
    "recurrent_scale": _NUMBER,
    "input_delay": _INTEGER,
    "recurrent_feedback": (
        _b_rec,
        "zero, transpose, random, or a kind of matrix, such as sign or "
        "sparse:density=0.1, with scale, density, rank, magnitude, plasticity",
    ),
    "lr_scale": _NUMBER,
    "decay_scale": _NUMBER,
    "bias_lr_scale": _NUMBER,
    "bias_decay_scale": _NUMBER,
    "bias": _TRUTH,
    "trainable": _TRUTH,
}


# ---- the kinds -----------------------------------------------------------------------------------


def _one(key: str) -> Callable[[str], list[tuple[str, str]]]:
    """A number that is the value of ``key``."""
    return lambda text: [(key, text)] if text and "=" not in text else []


def _maps_and_kernel(text: str) -> list[tuple[str, str]]:
    if text.count("x") != 2:
        return []
    maps, _, kernel = text.partition("x")
    return [("maps", maps), ("kernel_size", kernel)]


@dataclass(frozen=True)
class _Kind:
    """How a kind of layer is written."""

    name: str  # of its class
    form: str  # for messages
    numbers: Callable[[str], list[tuple[str, str]]]  # what stands before the first comma, as keys
    check_below: Callable[[str, Any, tuple[int, ...]], None] = _fits_anywhere


_KINDS = {
    "dense": _Kind(
        "Dense", "dense:UNITS, such as dense:1500 or dense:1500,activation=tanh", _one("units")
    ),
    "local": _Kind(
        "LocallyConnected2D",
        "local:MAPSxHEIGHTxWIDTH, such as local:6x6x6 or local:6x6x6,stride=2,padding=same",
        _maps_and_kernel,
        _fits_an_image,
    ),
    "conv": _Kind(
        "Conv2D",
        "conv:MAPSxHEIGHTxWIDTH, such as conv:32x3x3 or conv:32x3x3,padding=same",
        _maps_and_kernel,
        _fits_an_image,
    ),
    "pool:max": _Kind(
        "MaxPool2D", "pool:max:SIZE, such as pool:max:2", _one("size"), _fits_an_image
    ),
    "pool:average": _Kind(
        "AvgPool2D",
        "pool:average:SIZE, such as pool:average:2x3,stride=2",
        _one("size"),
        _fits_an_image,
    ),
    "recurrent": _Kind(
        "Recurrent",
        "recurrent:UNITS, such as recurrent:50 or recurrent:50,tau=10,recurrent_scale=1.5",
        _one("units"),
    ),
    "dropout": _Kind("Dropout", "dropout:RATE, such as dropout:0.5", _one("rate")),
}
