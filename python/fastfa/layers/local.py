"""The locally connected layer."""

from __future__ import annotations

from collections.abc import Sequence

from .._attributes import immutable
from .images import image_below
from .patches import OfPatches


@immutable
class LocallyConnected2D(OfPatches):
    """Convolution without weight sharing: every position has weights of its own.

    ``h = σ(a)``, ``a[m, y, x] = Σ W[m, y, x, c, i, j] in[c, s y + i − p, s x + j − p] + b[m, y, x]``.
    Above an input of shape (H, W) or (C, H, W), or another such layer. Units are numbered in
    (maps, out_h, out_w) order. Weights start as for :class:`Dense`.

    Feedback *into* the layer is a matrix over its units, as for a dense layer. Feedback *through* it,
    layerwise to the layer below, keeps its pattern for ``"uniform"`` (a random weight for every
    weight of the layer), ``"sign"`` and ``"transpose"`` (true backprop); other matrices are dense,
    and ``"pseudoinverse"`` and the weight mirror are not there.

    Parameters
    ----------
    maps : int
        Units at each position, at least 1.
    kernel_size : int or (int, int)
        Height and width of a patch.
    stride : int or (int, int)
        Between neighbouring patches.
    padding : {"valid", "same"}
        ``valid``: all patches lie inside, (size − kernel) // stride + 1 positions. ``same``: zeros
        around the input, as evenly as possible (the extra one at the end), ⌈size / stride⌉ positions.
    activation, bias, weight_scale, trainable, leaky_slope, lr_scale, decay_scale, bias_lr_scale, \
bias_decay_scale
        As for :class:`Dense`; the default weight_scale is 1/√(channels · kernel height · width).

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.

    References
    ----------
    Lillicrap, Cownden, Tweed & Akerman, Nature Communications 7:13276 (2016), supplement, Note 5:
    6 maps of 6 × 6 patches. Bartunov et al., Advances in Neural Information Processing Systems 31
    (2018).
    """

    _patches = "own"

    def weight_shape(self, input_shape: Sequence[int]) -> tuple[int, int, int, int, int, int]:
        """(maps, out_h, out_w, channels, kernel_h, kernel_w), above an input (H, W) or (C, H, W)."""
        channels, *_ = image = image_below("weight_shape", input_shape)
        return (*self.output_shape(image), channels, *self.kernel_size)
