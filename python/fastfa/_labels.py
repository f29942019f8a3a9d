"""What figures and tables call a measure, and in which unit they show it."""

from __future__ import annotations

_SETS = {"train": "Training", "validation": "Validation", "test": "Test"}
FRACTIONS = {f"{name}_error" for name in _SETS}  # what `Trainer` records as a fraction of examples
# Of an alignment, those in degrees; the others have no unit.
ANGLES = {
    "angle_bp": "Angle to backprop's update",
    "angle_bp_sd": "S.d. of the angle to backprop's update",
    "angle_bp_layer": "Angle to backprop's update, as one vector",
    "angle_pbp": "Angle to pseudobackprop's update",
    "angle_pbp_sd": "S.d. of the angle to pseudobackprop's",
    "weight_angle": "Angle between B and Wᵀ",
    "neuron_angles": "Angle between rows of B and of Wᵀ",
    "angle_bptt": "Angle to backprop through time",
    "angle_bptt_sd": "S.d. of the angle to backprop through time",
    "angle_bptt_layer": "Angle to backprop through time, as one vector",
    "angle_bptt_steps": "Angle to backprop through time, step by step",
    "gradient_angle": "Angle to backprop's weight change",
}
_OTHERS = {
    "trace_bw": "tr(BW)",
    "trace_abe": "h·Bδ, mean over the examples",
    "descent": "eᵀWBe, mean over the examples",
    "descent_positive": "Fraction of examples with eᵀWBe > 0",
    "norm_ratio": "Length of the update, backprop's = 1",
    "lr": "Learning rate",
    "seconds": "Seconds of training",
    "samples_per_second": "Examples per second",
}


def label(key: str) -> str:
    """What an axis says of ``key``, with its unit: "Test error (%)"."""
    measure, _, rest = key.partition(".")  # "angle_bp.0" is that of the first hidden layer
    layer, _, counted = rest.partition(".")
    if layer.isdecimal() and counted == "defined":
        return f"{measure} of hidden layer {int(layer) + 1}: measurements with a value"
    where = f", layer {int(layer) + 1}" if layer.isdecimal() and not counted else ""
    if measure in ANGLES:
        return f"{ANGLES[measure]}{where} (degrees)"
    if measure in _OTHERS:
        return _OTHERS[measure] + where
    name, _, what = key.partition("_")
    if what in ("loss", "error") and name in _SETS:
        return f"{_SETS[name]} {what}" + (" (%)" if key in FRACTIONS else "")
    text = key.replace("_", " ")
    return text[:1].upper() + text[1:]


def factor(key: str) -> int:
    """By which the value of ``key`` is multiplied for the unit of its `label`."""
    return 100 if key in FRACTIONS else 1
