"""A layer's own learning rates: factors on those of the optimizer."""

from __future__ import annotations

from functools import partial

from .. import _check

_HIGHEST = 1e9  # of any factor; training asks whether the product is in range


def checked_scales(
    where: str,
    lr_scale: float,
    decay_scale: float,
    bias_lr_scale: float | None,
    bias_decay_scale: float,
) -> dict[str, float]:
    """The four factors by name; without ``bias_lr_scale`` the bias learns as the weights do."""
    read = partial(_check.real, where, high=_HIGHEST)
    weights = read("lr_scale", lr_scale)
    return {
        "lr_scale": weights,
        "decay_scale": read("decay_scale", decay_scale),
        "bias_lr_scale": weights if bias_lr_scale is None else read("bias_lr_scale", bias_lr_scale),
        "bias_decay_scale": read("bias_decay_scale", bias_decay_scale),
    }
