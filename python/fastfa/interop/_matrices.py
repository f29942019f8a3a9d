"""B as arrays, for frameworks that multiply by themselves."""

from __future__ import annotations

import numpy as np

from ..feedback import Feedback, MatrixName


def changed(rule: Feedback, **changes: object) -> Feedback:
    """The rule with some of its arguments replaced."""
    return rule._changed(**changes)


def scaled_for(
    rule: Feedback, *, last: bool, source: int = 1, sources: float | None = None
) -> Feedback:
    """The rule so that ``toarray`` gives a layerwise B of the last hidden layer, or of one below it.

    Below, "equal_error" means a variance of growth²/n_source, which is what gain² is above. The slope of
    the units is taken as 1: the layer that multiplies by B doesn't know them. ``sources`` is what counts
    as n_source where it isn't ``source``, the number of B's columns: how many outputs reach an input.
    """
    if not isinstance(rule.scale, str):
        return rule
    share = 1.0 if sources is None else (source / sources) ** 0.5
    if not last:
        return changed(rule, gain=share * (rule.growth or 1.0), growth=None)
    return rule if rule.gain is None else changed(rule, gain=share * rule.gain, growth=None)


def drawn(rule: Feedback, units: int, source: int, *, seed: int, layer: int) -> np.ndarray:
    """B (units, source), float64, of a kind that doesn't follow the weights."""
    return rule.toarray(units, source, seed=seed, layer=layer)


def magnitudes(rule: Feedback, units: int, source: int, *, seed: int, layer: int) -> np.ndarray:
    """|B| (units, source) of a "sign" rule that draws none anew, (1, 1) of uniform ones; float64."""
    if rule.array is not None:
        if rule.array.shape != (units, source):
            raise ValueError(
                f"[Feedback] array has shape {rule.array.shape}; B is {(units, source)} here, so it "
                "must be that"
            )
        return rule.array.copy()
    # The same size and, for those drawn once, the same stream as these matrices have.
    matrix: MatrixName = "binary" if rule.magnitude == "uniform" else "uniform"
    assert rule.scale is not None  # "sign" has one
    like = Feedback(matrix, scale=rule.scale, gain=rule.gain)  # toarray has no use for growth
    sizes = np.abs(like.toarray(units, source, seed=seed, layer=layer))
    return sizes[:1, :1] if rule.magnitude == "uniform" else sizes
