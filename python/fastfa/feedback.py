"""Feedback: what carries the error to a hidden layer, from where, and how it changes.

Every rule is a point in route × matrix × plasticity; `rules` has names for the published ones.
"""

from __future__ import annotations

import copy
from typing import Any, Literal, Protocol

import numpy as np

from . import _check, _core
from . import _feedback_arguments as _given
from ._attributes import immutable
from .plasticity import WeightMirror

MatrixName = Literal[
    "transpose",
    "pseudoinverse",
    "sign",
    "uniform",
    "normal",
    "orthogonal",
    "sparse",
    "low_rank",
    "binary",
    "ternary",
    "hadamard",
    "procedural",
    "array",
    "zero",
]
RouteName = Literal["layerwise", "direct", "target"]
PlasticityName = Literal["fixed", "kolen_pollack", "weight_mirror"]
MagnitudeName = Literal["uniform", "fixed", "redrawn", "array"]
StorageName = Literal["bf16"]
ScaleName = Literal["equal_error", "equal_before_slope"]


class CustomFeedback(Protocol):
    """What an object must have to carry the error; see `Feedback`."""

    def propagate(self, delta: np.ndarray) -> np.ndarray:
        """B δ for each row: float64 (N, n_source) in, (N, n_l) out."""
        ...


@immutable
class Feedback:
    """The feedback into a hidden layer, ``Δh = (B δ_source) ∘ σ′(a)``.

    Parameters
    ----------
    matrix : str or object
        What carries the error, B (n_l, n_source).

        Following the weights W above, at every moment: ``transpose`` Wᵀ (backprop);
        ``pseudoinverse`` W⁺ (the paper's pseudobackprop); ``sign`` a size times sign(Wᵀ).

        Drawn once from the network's seed: ``uniform``; ``normal``; ``orthogonal`` (orthonormal
        columns, or rows if there are fewer, times a size); ``sparse`` (uniform, a share ``density``
        kept); ``low_rank`` (U V/√rank of normal U, V); ``binary`` (±scale, a bit each); ``ternary``
        (±scale or 0); ``hadamard`` (random rows and columns of a Hadamard matrix with random signs: a
        fast transform, no matrix); ``procedural`` (256 values spread evenly over (−β, β), drawn anew
        inside every product: no memory).

        ``array`` is the caller's own; ``zero`` sends nothing (shallow learning).

        An object with ``propagate(delta)`` is a custom feedback: it is called with the source's
        deltas, float64 (N, n_source), and returns what reaches the layer before ∘ σ′, finite
        (N, n_l). It may have ``toarray()`` -> (n_l, n_source) too; otherwise its matrix is what
        ``propagate`` makes of the identity. It must not call the network, nor hold a reference to it
        (a cycle that Python can't see through). Every batch calls it from the compiled loop, in
        float64: slower than the other kinds, and Python code sets the pace.
    scale : float, "equal_error" or "equal_before_slope"
        The size of B. β of U(−β, β) for ``uniform``, ``procedural`` and what ``sparse`` keeps, of the
        magnitudes U(0, β) for ``sign`` with other than uniform magnitudes; |B| for ``binary``,
        ``hadamard``, ``sign`` and what ``ternary`` keeps; the elements' standard deviation for
        ``normal``, ``orthogonal`` and ``low_rank``. With ``"equal_error"`` errors of the same
        magnitude reach every layer, the paper's rule (supplement, Note 5): the δ of each layer, after
        ∘ σ′, has the same root mean square. The mean square of B is gain²/(n_out s) into the last
        hidden layer, and everywhere on the routes direct and target; layerwise, 1/(n_source s) below.
        s is E[σ′(a)²] of the layer that B leads to, at the network's first weights and for inputs whose
        mean square is 1; `Network.calibrate_feedback` measures on examples instead.
        ``"equal_before_slope"`` is the same without s: errors are equal before ∘ σ′.
        ``Network.feedback_scales`` tells what came of it.
    gain : float, optional
        For these two rules: the size of the errors that arrive, relative to the output's δ (on the route
        target, to the target) per unit. Default: what backprop would send at default initial weights,
        √(n_out / (3 n_top)) before ∘ σ′; n_top is the size of the last hidden layer. Times η it is the
        hidden layers' learning rate: where the product is large in the first steps, units saturate.
    growth : float, optional
        For these two rules: how many times larger the errors are in a layer than in the one above.
        Default 1. Layerwise it multiplies this layer's B; on the routes direct and target B is
        multiplied by growth once for each hidden layer between this one and the output.
    route : {"layerwise", "direct", "target"}
        The source: the delta of the next layer up (feedback alignment), the output's delta (direct
        feedback alignment), or the target y* itself (direct random target projection). A matrix that
        follows the weights above is layerwise.
    plasticity : {"fixed", "kolen_pollack", "weight_mirror"} or WeightMirror
        How B changes in time, for ``uniform``, ``normal``, ``orthogonal`` and ``array``.
        ``kolen_pollack``: B gets the optimizer's own step on s hᵀδ_source − γ B, the mirror image of
        what W gets, so with weight decay the two converge (layerwise it stands still where the layer
        above isn't trainable, or is sent nothing); with ``route="direct"`` the same with the output's
        delta. ``weight_mirror``: :class:`WeightMirror` with its defaults; layerwise. Where the layer
        above has ``density`` below 1, a B that learns has the same elements as W, and the rest is
        zero for ever.
    density : float, optional
        The share of elements that are not zero, in (0, 1]: for ``sparse`` (default 0.5) and
        ``ternary`` (default 2/3).
    rank : int, optional
        Of ``low_rank``, which needs it: from 1 to min(n_l, n_source).
    array : array_like, optional
        B, shape (n_l, n_source), finite; or |B|, each at least 0. Required by and only for
        ``matrix="array"`` and ``magnitude="array"``. Copied.
    magnitude : {"uniform", "fixed", "redrawn", "array"}
        For ``sign``: all alike (uSF), drawn once (frSF), drawn for every batch (brSF), or your own,
        below a dense layer.
    refresh : int
        For ``pseudoinverse``: W⁺ is computed anew every ``refresh`` steps; between them, weights
        that are written through views don't change it.

    storage : {"bf16"}, optional
        None: B is kept in the network's dtype. ``"bf16"``: two bytes an element, half of float32's
        memory (``Network.feedback_bytes``), for ``uniform``, ``normal``, ``orthogonal`` and ``array``
        with fixed plasticity. Each element is a float32 network's, rounded to the nearest bf16 number
        (8 significant bits, at most 2⁻⁹ of it away), whatever the dtype; products are those of the
        dtype, or of ``matmul_precision``, with this B. B can't be written to.

    Raises
    ------
    ValueError, TypeError
        If a value is unknown, outside its range, or meaningless with the others.

    References
    ----------
    Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276 (2016), equation 2, and its
    preprint arXiv:1411.0247 for pseudobackprop.
    Nøkland, Advances in Neural Information Processing Systems 29 (2016), for the direct route.
    Frenkel, Lefebvre & Bol, Frontiers in Neuroscience 15:629892 (2021), for the target's.
    Liao, Leibo & Poggio, AAAI Conference on Artificial Intelligence (2016), for the sign matrices.
    Kolen & Pollack, IEEE International Conference on Neural Networks (1994), Akrout et al., Advances
    in Neural Information Processing Systems 32 (2019), and for the direct route Webster, Choi & Ahn
    (2020), for plasticity. :func:`fastfa.citation` gives those of a network.
    """

    __slots__ = (
        "array",
        "density",
        "gain",
        "growth",
        "magnitude",
        "matrix",
        "plasticity",
        "rank",
        "refresh",
        "route",
        "scale",
        "storage",
    )

    matrix: MatrixName | CustomFeedback
    scale: float | ScaleName | None
    gain: float | None
    growth: float | None
    route: RouteName
    plasticity: PlasticityName | WeightMirror
    density: float | None
    rank: int | None
    array: np.ndarray | None
    magnitude: MagnitudeName
    refresh: int
    storage: StorageName | None

    def __init__(
        self,
        matrix: MatrixName | CustomFeedback,
        *,
        scale: float | ScaleName = "equal_error",
        gain: float | None = None,
        growth: float | None = None,
        route: RouteName = "layerwise",
        plasticity: PlasticityName | WeightMirror = "fixed",
        density: float | None = None,
        rank: int | None = None,
        array: Any = None,
        magnitude: MagnitudeName = "uniform",
        refresh: int = 1,
        storage: StorageName | None = None,
    ) -> None:
        kind = _given.kind(matrix)
        of, learns = _given.route(kind, route), _given.plasticity(kind, route, plasticity)
        sizes = _given.magnitude(kind, magnitude)
        size = _given.size(kind, sizes, scale, gain, growth)
        for name, value in {
            "matrix": matrix,
            **dict(zip(("scale", "gain", "growth"), size, strict=True)),
            "route": of,
            "plasticity": learns,
            "density": _given.density(kind, density),
            "rank": _given.rank(kind, rank),
            "array": _given.array(kind, sizes, array),
            "magnitude": sizes,
            "refresh": _given.refresh(kind, refresh),
            "storage": _given.storage(kind, learns, storage),
        }.items():
            object.__setattr__(self, name, value)

    def __copy__(self) -> Feedback:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Feedback:
        if isinstance(self.matrix, str):
            return self
        return self._changed(matrix=copy.deepcopy(self.matrix, memo))  # an object may learn

    def __reduce__(self) -> tuple[Any, ...]:
        # How copies reach the worker processes of joblib, Dask and the like.
        return _remade, (self._fields(),)

    def _fields(self) -> dict[str, Any]:
        """The arguments that make this Feedback."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {"scale": "equal_error" if self.scale is None else self.scale}

    def _changed(self, **arguments: Any) -> Feedback:
        """This Feedback with some of its arguments replaced."""
        return Feedback(**(self._fields() | arguments))

    def _with_scale(self, scale: float) -> Feedback:
        return self._changed(scale=scale, gain=None, growth=None)

    def __repr__(self) -> str:
        defaults = {
            "scale": None if self.scale is None else "equal_error",
            "gain": None,
            "growth": None,
            "route": "layerwise",
            "plasticity": "fixed",
            "density": _given.DENSITIES.get(self._kind),
            "rank": None,
            "magnitude": "uniform",
            "refresh": 1,
            "storage": None,
        }
        parts = [repr(self.matrix)]
        for name, default in defaults.items():
            value = getattr(self, name)
            if value != default:
                parts.append(f"{name}={value!r}")
        if self.array is not None:
            parts.append(f"array=<{self.array.shape[0]}×{self.array.shape[1]}>")
        return f"Feedback({', '.join(parts)})"

    def toarray(self, units: int, source: int, *, seed: int = 0, layer: int = 0) -> np.ndarray:
        """B as hidden layer ``layer`` of a network with this ``seed`` starts with it.

        Parameters
        ----------
        units, source : int
            n_l, the layer's units, and n_source, the units or targets that the error comes from.
        seed : int
            The network's.
        layer : int
            The hidden layer, 0 the first. ``"equal_error"`` is taken as for the last one, n_source
            being n_out, of linear units, whose slope is 1.

        Returns
        -------
        ndarray
            float64 (units, source). A network rounds it to its dtype.

        Raises
        ------
        ValueError, TypeError
            For a matrix that follows the weights above (those of a network are in
            ``Network.feedback_matrices``), or if a size doesn't fit.
        """
        where = "toarray"
        units = _check.integer(where, "units", units, 1, 2**31 - 1)
        source = _check.integer(where, "source", source, 1, 2**31 - 1)
        seed = _check.integer(where, "seed", seed, 0, 2**64 - 1)
        layer = _check.integer(where, "layer", layer, 0, 2**24 - 1)
        if self._kind in _given.TIED:
            raise ValueError(
                f"[{where}] matrix was {self.matrix!r}; it must be one that doesn't follow the weights "
                "above: ask Network.feedback_matrices"
            )
        if self._kind == "custom":
            return self._custom_array(units, source)
        return _core.feedback_array(self._spec(), units, source, seed, layer)

    @property
    def _kind(self) -> str:
        return self.matrix if isinstance(self.matrix, str) else "custom"

    def _propagate(self, delta: np.ndarray) -> np.ndarray:
        """What the custom object sends for deltas (N, n_source): finite float64, its shape unchecked."""
        assert not isinstance(self.matrix, str)
        given = self.matrix.propagate(delta)
        sent = _check.numeric("Feedback", "propagate(delta)", given, np.dtype(np.float64))
        _check.finite("Feedback", "propagate(delta)", sent)
        return sent

    def _custom_array(self, units: int, source: int) -> np.ndarray:
        """The custom object's matrix, float64 (units, source)."""
        toarray = getattr(self.matrix, "toarray", None)
        if callable(toarray):
            name, array = "toarray()", toarray()
        else:
            name, array = "propagate(identity), transposed,", self._propagate(np.eye(source)).T
        array = np.array(_check.numeric("Feedback", name, array, np.dtype(np.float64)))
        if array.shape != (units, source):
            raise ValueError(
                f"[Feedback] {name} has shape {array.shape}; it must be {(units, source)}"
            )
        _check.finite("Feedback", name, array)
        return array

    def _spec(self) -> _core.FeedbackSpec:
        mirror, plasticity = WeightMirror(), self.plasticity
        if isinstance(plasticity, WeightMirror):
            mirror, plasticity = plasticity, "weight_mirror"
        return _core.FeedbackSpec(
            matrix=self._kind,
            route=self.route,
            scale=self.scale if isinstance(self.scale, float) else None,
            gain=self.gain or 0.0,
            growth=self.growth or 1.0,
            before_slope=self.scale == "equal_before_slope",
            array=self.array,
            density=self.density or 0.0,
            rank=self.rank or 0,
            magnitude=self.magnitude,
            refresh=self.refresh,
            plasticity=plasticity,
            mirror_growth=mirror.growth or 0.0,
            mirror_decay=-1.0 if mirror.decay is None else mirror.decay,
            mirror_noise=mirror.noise,
            mirror_every=mirror.every,
            mirror_centred=mirror.centred,
            custom=self._propagate if self._kind == "custom" else None,
            in_bf16=self.storage == "bf16",
        )


def _remade(fields: dict[str, Any]) -> Feedback:
    return Feedback(**fields)
