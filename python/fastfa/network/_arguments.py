"""What `Network` and `Trainer` are given, checked and laid out as the compiled core wants it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _check, _core
from .._class_names import check_names, is_text, numbered
from ..layers import KINDS, Layer, Pooling, Weighted
from ..layers.layer import Stack
from ..layers.recurrent import is_in_time
from ..optim import EXPECTED, OPTIMIZERS
from . import _device_arrays

if TYPE_CHECKING:
    from .parameters import Parameters

_MOST_UNITS = 2**31 - 1  # of a layer


def inputs(net: Parameters, where: str, name: str, values: Any, *, there: bool = False) -> Any:
    """Inputs (N, n_in), C-contiguous, finite, of the network's dtype; copied only if need be.

    Grey levels of 0 to 255 are refused, for a network would be saturated by them.

    ``there``: an array in the memory of the network's device will do as well. The device looks itself
    whether its values are finite.
    """
    if net._net.usable(values, net.input_size, False):
        return values
    if is_in_time(net.layers) and where != "forward_step":
        raise ValueError(
            f"[{where}] the network has a recurrent layer, which lives in time; use train_sequences(), "
            "forward_sequences(), evaluate_sequences() or forward_step()"
        )
    if _device_arrays.is_one(values):
        _only_there(where, name, values, there)
        size, shape = net.input_size, net.input_shape
        return _device_arrays.matrix(net, where, name, values, size, shape, "N")
    if getattr(values, "dtype", None) == np.uint8:
        raise TypeError(
            f"[{where}] {name} was of dtype uint8, in which images are kept; it must be of another: "
            f"{name} / 255 for grey levels, as fastfa.data.from_arrays makes them, or "
            f"{name}.astype({net.dtype.name!r}) for the numbers as they are"
        )
    x = _check.numeric(where, name, values, net.dtype)
    if x.ndim > 2 and x.shape[1:] == net.input_shape:
        x = x.reshape(len(x), net.input_size)
    if x.shape[1:] != (net.input_size,) or not len(x):
        shapes = f"(N, {net.input_size})"
        if len(net.input_shape) > 1:
            shapes += f" or (N, {', '.join(map(str, net.input_shape))})"
        channels, *sides = net.input_shape
        if len(sides) == 2 and x.shape[1:] == (*sides, channels):
            shapes += f" (channels first: {name}.transpose(0, 3, 1, 2))"
        raise ValueError(
            f"[{where}] {name} has shape {np.shape(values)}; it must be {shapes}, with N at least 1"
        )
    _check.finite(where, name, x)
    return x


def targets(
    net: Parameters, where: str, name: str, values: Any, n: int, *, there: bool = False
) -> Any:
    """Targets (n, n_out), laid out like inputs; within [0, 1] where the loss asks for that."""
    if net._net.usable(values, net.output_size, net.loss == "cross_entropy") and len(values) == n:
        return values
    if not (isinstance(values, np.ndarray) and values.ndim == 2) and not _device_arrays.is_one(
        values
    ):
        values = _check.as_array(where, name, values)
        if are_labels(net, values):
            numbers = labels(net, where, name, values, n)
            return of_labels(net, where, "Y", numbers, default_targets(net))
    y = outputs(net, where, name, values, n, there=there)
    if net.loss == "cross_entropy" and isinstance(y, np.ndarray):
        check_probabilities(net, where, name, float(y.min()), float(y.max()))
    return y


def are_labels(net: Parameters, values: np.ndarray) -> bool:
    """Whether (N,) values are labels: names or truth values, or, for several outputs, integers."""
    if values.ndim != 1 or not len(values):
        return False
    kinds = "b" if net.output_size == 1 else "iub"
    return values.dtype.kind in kinds or is_text(values)


def labels(net: Parameters, where: str, name: str, values: np.ndarray, n: int) -> np.ndarray:
    """Labels (n,) as the numbers of classes, int64: integers, truth values, or names of classes."""
    if values.shape != (n,):
        raise ValueError(
            f"[{where}] {name} has shape {values.shape}; for {n} examples it must be ({n},)"
        )
    classes = max(net.output_size, 2)
    if is_text(values):
        if not net.class_names:
            raise ValueError(
                f"[{where}] {name} holds names, and the network doesn't know which output is which; "
                "assign them to net.class_names, in the order of its outputs (Trainer.fit does it)"
            )
        return numbered(where, name, values, net.class_names)
    numbers = values.astype(np.int64)
    low, high = int(numbers.min()), int(numbers.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"[{where}] {name} lies in [{low}, {high}]; the network has {net.output_size} outputs, so "
            f"it must lie in [0, {classes - 1}]" + _check.from_one_hint(low, high, classes)
        )
    return numbers


def default_targets(net: Parameters) -> tuple[float, float]:
    """What the outputs of wrong and right classes are to be, where nothing else is said."""
    return (-0.9, 0.9) if net.layers[-1].activation == "tanh" else (0.0, 1.0)


def of_labels(
    net: Parameters, where: str, name: str, numbers: np.ndarray, pair: tuple[float, float]
) -> np.ndarray:
    """Targets (N, n_out) for the numbers of classes, of which one output has two."""
    check_probabilities(net, where, name, *pair)
    low, high = pair
    if net.output_size == 1:
        return np.where(numbers == 1, high, low).astype(net.dtype)[:, None]
    made = np.full((len(numbers), net.output_size), low, net.dtype)
    made[np.arange(len(numbers)), numbers] = high
    return made


def class_names(net: Parameters, value: Any) -> tuple[str, ...]:
    """The names of the classes: one for each output, or two for a single one; or none."""
    names = check_names("Network", value)
    count = max(net.output_size, 2)
    if names and len(names) != count:
        raise ValueError(
            f"[Network] class_names was {_check.shown(value)}; it must have {count} names, for "
            f"{net.output_size} outputs, or none"
        )
    return names


def check_probabilities(net: Parameters, where: str, name: str, low: float, high: float) -> None:
    """Refuse targets from low to high that are no probabilities, which cross-entropy compares."""
    if net.loss == "cross_entropy" and (low < 0 or high > 1):
        raise ValueError(
            f"[{where}] {name} lies in [{low:g}, {high:g}]; with loss='cross_entropy' it must lie in "
            "[0, 1]"
        )


def outputs(
    net: Parameters, where: str, name: str, values: Any, n: int, *, there: bool = False
) -> Any:
    """What has a value for each output, (n, n_out), laid out like inputs."""
    if _device_arrays.is_one(values):
        _only_there(where, name, values, there)
        size = net.output_size
        placed = _device_arrays.matrix(net, where, name, values, size, (size,), str(n))
        if len(placed) != n:
            raise ValueError(f"[{where}] {name} has shape {placed.shape}; it must be {(n, size)}")
        return placed
    y = _check.numeric(where, name, values, net.dtype)
    if y.shape != (n, net.output_size):
        raise ValueError(
            f"[{where}] {name} has shape {np.shape(values)}; for {n} examples and "
            f"{net.output_size} outputs it must be {(n, net.output_size)}"
        )
    _check.finite(where, name, y)
    return y


def sample_weight(
    net: Parameters, where: str, values: Any, n: int, name: str = "sample_weight"
) -> np.ndarray | None:
    """The weight of each of n examples, (n,), C-contiguous, of the network's dtype; None for None."""
    if values is None:
        return None
    if _device_arrays.is_one(values):
        _only_there(where, name, values, False)
    weights = _check.numeric(where, name, values, np.dtype(np.float64))
    if np.shape(values) != (n,):
        raise ValueError(
            f"[{where}] {name} has shape {np.shape(values)}; it must be {(n,)}, a number for each "
            "example"
        )
    _check.finite(where, name, weights)
    wrong = np.flatnonzero((weights < 0) | (weights > _core.MOST_WEIGHT))
    if len(wrong):
        raise ValueError(
            f"[{where}] {name}[{wrong[0]}] was {weights[wrong[0]]:g}; it must be at least 0 and at "
            f"most {_core.MOST_WEIGHT:g}"
        )
    return weights.astype(net.dtype, copy=False)


def check_some_weight(where: str, name: str, weights: np.ndarray | None) -> None:
    """Refuse weights that are all 0: what is measured by them has no mean."""
    if weights is not None and not weights.any():
        raise ValueError(
            f"[{where}] {name} was 0 for all {len(weights)} examples; at least one must be positive"
        )


def _only_there(where: str, name: str, values: Any, there: bool) -> None:
    if not there:
        raise TypeError(
            f"[{where}] {name} was a {_device_arrays.kind_of(values)} in a GPU's memory; here it must "
            "be in main memory"
        )


def input_shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, Sequence):
        return (_check.integer("Network", "input", value, 1, _MOST_UNITS),)
    if isinstance(value, str) or len(value) not in (2, 3):
        raise ValueError(
            f"[Network] input was {_check.shown(value)}; it must be n, (H, W) or (C, H, W)"
        )
    shape = tuple(
        _check.integer("Network", f"input[{i}]", n, 1, _MOST_UNITS) for i, n in enumerate(value)
    )
    units("input", shape)
    return shape


def units(name: str, shape: Sequence[int]) -> int:
    """How many units a layer of this shape has: no more than the core can number."""
    count = math.prod(shape)
    if count > _MOST_UNITS:
        raise ValueError(
            f"[Network] {name} has shape {tuple(shape)}, which makes {count} units; there must be at "
            f"most {_MOST_UNITS}"
        )
    return count


def layers(
    value: Any,
) -> tuple[tuple[Weighted, ...], tuple[float, ...], tuple[tuple[Pooling, ...], ...]]:
    """The weighted layers, and the dropout and pooling above the input and above each of them."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(
            f"[Network] layers was {value!r}; it must be a list of layers, such as fastfa.Dense"
        )
    stack = Stack()
    for i, layer in enumerate(value):
        if not isinstance(layer, Layer):
            *names, last = (kind.__name__ for kind in KINDS)
            raise TypeError(
                f"[Network] layers[{i}] was {layer!r}; it must be a {', '.join(names)} or {last} layer"
            )
        layer._join(stack, f"layers[{i}]")
    if stack.layers and stack.ends_in_dropout:
        raise ValueError(
            f"[Network] layers[{len(value) - 1}] is a Dropout above the output; the last must be a "
            "layer with weights"
        )
    if stack.layers and stack.pooling[-1]:
        raise ValueError(
            f"[Network] layers[{len(value) - 1}] is {type(stack.pooling[-1][-1]).__name__} above the "
            "output; the last must be a layer with weights"
        )
    return tuple(stack.layers), tuple(stack.dropout), tuple(stack.pooling)


def dtype(value: Any) -> np.dtype:
    known = ("float32", "float64")
    try:
        found = np.dtype(value)
    except TypeError:
        found = None
    if found is None or found.name not in known:
        raise ValueError(f"[Network] dtype was {value!r}; it must be {' or '.join(known)}")
    return found


def device(value: Any) -> str:
    """`value` if it is the name of a device; whether it is there, the core finds out."""
    if not isinstance(value, str):
        raise TypeError(
            f"[Network] device was {value!r}; it must be 'cpu', 'cuda' or 'cuda:<number>'"
        )
    return value


def optimizer(where: str, value: Any) -> _core.Optimizer:
    if not isinstance(value, OPTIMIZERS):
        raise TypeError(f"[{where}] optimizer was {value!r}; it must be {EXPECTED}")
    return value._spec()


def order(value: Any, n: int, where: str = "train_epoch") -> np.ndarray:
    order = _check.as_array(where, "order", value)
    if order.ndim != 1 or order.dtype.kind not in "iu" or len(order) == 0:
        raise ValueError(
            f"[{where}] order was an array of {order.dtype} and shape {order.shape}; it must be "
            "one-dimensional, of integers, and not empty"
        )
    low, high = order.min(), order.max()
    if low < 0 or high >= n:
        wrong = low if low < 0 else high
        raise ValueError(f"[{where}] order has {wrong}; every index must be in [0, {n - 1}]")
    return _check.contiguous(order, np.int64)


def state(where: str, value: Any, own: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays for all of ``own``, by the same names, of the same shapes and dtype, finite."""
    if not isinstance(value, Mapping):
        raise TypeError(f"[{where}] state was {value!r}; it must be a dict as of state_dict()")
    if missing := sorted(own.keys() - value.keys()):
        raise ValueError(f"[{where}] state lacks {', '.join(missing)}")
    if unknown := sorted(value.keys() - own.keys()):
        raise ValueError(f"[{where}] state has {', '.join(unknown)}, which the network has not")
    new = {}
    for name, array in own.items():
        new[name] = _check.numeric(where, name, value[name], array.dtype)
        if new[name].shape != array.shape:
            raise ValueError(
                f"[{where}] {name} has shape {new[name].shape}; it must be {array.shape}"
            )
        _check.finite(where, name, new[name])
    return new
