"""Objects as JSON and back: each as its class's name and its arguments, which its class checks again."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from .. import _check
from .._feedback_arguments import has_array
from ..data.crop_flip import AUGMENTATIONS
from ..feedback import Feedback
from ..layers import KINDS as LAYERS
from ..layers import Activation
from ..layers.mask import Mask, mask_described
from ..optim import OPTIMIZERS
from ..perturbation import NodePerturbation
from ..plasticity import WeightMirror
from ..schedules import Constant, Cosine, Exponential, Plateau, Steps, Warmup
from .file import DTYPES

SCHEDULES = (Constant, Steps, Exponential, Plateau, Cosine, Warmup)
# Settings that came later. At these values they are left out, as in files of before.
_LATER = {
    "nesterov": False,
    "clip_norm": None,
    "clip_value": None,
    "mask": None,
    "lr_scale": 1.0,
    "decay_scale": 1.0,
    "bias_decay_scale": 0.0,
    "layers": "all",  # of NodePerturbation
    "noise_on": "pre_activation",  # of NodePerturbation
}
_KNOWN = (*LAYERS, *OPTIMIZERS, *SCHEDULES, WeightMirror, NodePerturbation, *AUGMENTATIONS)

Tensors = dict[str, np.ndarray]


def is_known(thing: Any) -> bool:
    """Whether `describe` has words for it."""
    return type(thing) in _KNOWN and (not isinstance(thing, Warmup) or is_known(thing.then))


def describe(thing: Any) -> dict[str, Any]:
    """``{"kind": name of its class, argument: value, …}``."""
    fields = {f.name: getattr(thing, f.name) for f in dataclasses.fields(thing)}
    usual = _LATER | {"bias_lr_scale": fields.get("lr_scale")}
    fields = {n: v for n, v in fields.items() if n not in usual or v != usual[n]}
    if isinstance(thing, Steps):  # JSON's keys are strings
        fields["rates"] = [list(step) for step in thing.rates.items()]
    if isinstance(thing, Warmup):
        fields["then"] = describe(thing.then)
    if isinstance(fields.get("mask"), Mask):
        fields["mask"] = fields["mask"]._described()
    if isinstance(fields.get("recurrent_feedback"), Feedback):  # its array is a tensor's business
        rule = fields["recurrent_feedback"]
        fields["recurrent_feedback"] = (
            "zero" if rule._kind == "custom" else describe_feedback(rule)  # copies carry the object
        )
    if isinstance(fields.get("activation"), Activation):
        # Its name. Copies and pickles carry the functions themselves; files have none.
        fields["activation"] = str(fields["activation"])
    return {"kind": type(thing).__name__} | fields


def build(description: Any, *classes: type, array: np.ndarray | None = None) -> Any:
    """The object that `describe` described, which must be one of these classes.

    ``array`` is that of a recurrent layer's B_rec; without it one that needs an array has another.
    """
    fields = dict(description)
    kind = fields.pop("kind", None)
    by_name = {each.__name__: each for each in classes}
    if not isinstance(kind, str) or kind not in by_name:
        raise ValueError(f"kind was {kind!r}; it must be one of {', '.join(by_name)}")
    if kind == "Steps":
        fields["rates"] = dict(fields["rates"])
    if isinstance(fields.get("mask"), dict):
        fields["mask"] = mask_described(fields["mask"])
    if isinstance(fields.get("recurrent_feedback"), dict):
        rule = fields["recurrent_feedback"]
        given = needs_array(rule)
        other = np.zeros((1, 1)) if array is None else array
        fields["recurrent_feedback"] = build_feedback(rule, other if given else None)
    if kind == "Warmup":
        fields["then"] = build(fields["then"], *SCHEDULES)
    return by_name[kind](**fields)


# A file's words for the rules of scale are those of when "equal_error" meant errors that are equal
# before ∘ σ′: so files of then mean what they meant, and a fastfa of then refuses what it would misread.
_SCALE_WORDS = {"equal_error": "equal_after_slope", "equal_before_slope": "equal_error"}


def describe_feedback(rule: Feedback) -> dict[str, Any]:
    """The arguments that aren't None, but for the array, which is a tensor's business."""
    fields = {name: getattr(rule, name) for name in Feedback.__slots__ if name != "array"}
    if rule.plasticity == "weight_mirror":
        fields["plasticity"] = describe(WeightMirror())
    elif isinstance(rule.plasticity, WeightMirror):
        fields["plasticity"] = describe(rule.plasticity)
    if isinstance(rule.scale, str):
        fields["scale"] = _SCALE_WORDS[rule.scale]
    return {name: value for name, value in fields.items() if value is not None}


def of_today(feedback: Any) -> Any:
    """A description of a Feedback, with the weight mirror as it is described now.

    Earlier files have its name alone, or ``lr``, ``noise`` and ``every``: then it was an average.
    """
    mirror = feedback.get("plasticity") if isinstance(feedback, dict) else None
    if mirror == "weight_mirror":
        mirror = describe(WeightMirror.average())
    elif isinstance(mirror, dict) and "lr" in mirror:
        given = dict(mirror)
        kind, rate = given.pop("kind", None), given.pop("lr")
        if kind == "WeightMirror":
            mirror = describe(WeightMirror.average(rate, **given))
    else:
        return feedback
    return feedback | {"plasticity": mirror}


def needs_array(description: dict[str, Any]) -> bool:
    """Whether what `describe_feedback` described has an array."""
    return has_array(description["matrix"], description.get("magnitude", ""))


def build_feedback(description: Any, array: np.ndarray | None = None) -> Feedback:
    """The Feedback of `describe_feedback`, with its array if it has one."""
    fields = dict(description)
    if isinstance(fields.get("plasticity"), dict):
        mirror = build(fields["plasticity"], WeightMirror)
        fields["plasticity"] = "weight_mirror" if mirror == WeightMirror() else mirror
    if isinstance(fields.get("scale"), str):
        ours = {word: rule for rule, word in _SCALE_WORDS.items()}
        fields["scale"] = _check.choice("Feedback", "scale", fields["scale"], tuple(ours))
        fields["scale"] = ours[fields["scale"]]
    return Feedback(**fields, array=array)


def pack(value: Any, name: str, tensors: Tensors) -> Any:
    """``value`` as JSON; arrays go to ``tensors``, under names that begin with ``name``.

    Raises
    ------
    TypeError
        If it isn't made of numbers, strings, None, arrays, and lists and dicts of these.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, np.ndarray) and value.dtype in DTYPES.values():
        tensors[name] = value
        return {"$tensor": name}
    if isinstance(value, list | tuple):
        return [pack(item, f"{name}.{i}", tensors) for i, item in enumerate(value)]
    if isinstance(value, dict) and all(
        isinstance(key, str) and not key.startswith("$") for key in value
    ):
        return {key: pack(item, f"{name}.{key}", tensors) for key, item in value.items()}
    kind = f"{value.dtype} array" if isinstance(value, np.ndarray) else type(value).__name__
    raise TypeError(
        f"{name} is a {kind}; it must be a number, a string, None, a numeric array, or a list or "
        "dict (with string keys that don't begin with '$') of these"
    )


def packed_tensors(value: Any) -> set[str]:
    """The names of the tensors that a packed value speaks of."""
    if isinstance(value, dict):
        if value.keys() == {"$tensor"}:
            return {value["$tensor"]}
        value = list(value.values())
    return set().union(*map(packed_tensors, value)) if isinstance(value, list) else set()


def unpack(value: Any, tensors: Tensors) -> Any:
    """What was packed; tuples have become lists."""
    if isinstance(value, list):
        return [unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"$tensor"}:
        return tensors[value["$tensor"]]
    if value.keys() == {"$float"}:
        return float(_check.choice("state", "$float", value["$float"], ("nan", "inf", "-inf")))
    return {key: unpack(item, tensors) for key, item in value.items()}


def difference(saved: Any, own: Any, name: str = "") -> str | None:
    """The first place where two descriptions differ, in words; None if there is none."""
    if isinstance(saved, dict) and isinstance(own, dict):
        pairs = [
            (f"{name}.{key}", saved.get(key), own.get(key)) for key in saved.keys() | own.keys()
        ]
    elif isinstance(saved, list) and isinstance(own, list) and len(saved) == len(own):
        pairs = [(f"{name}[{i}]", *both) for i, both in enumerate(zip(saved, own, strict=True))]
    else:
        same = saved == own and isinstance(saved, bool) == isinstance(own, bool)
        return None if same else f"{name.lstrip('.')} was {saved!r} there and is {own!r} here"
    found = (difference(theirs, mine, where) for where, theirs, mine in sorted(pairs, key=_place))
    return next(filter(None, found), None)


def _place(pair: tuple[Any, ...]) -> str:
    return pair[0]
