"""The convolutional layer."""

from __future__ import annotations

from collections.abc import Sequence

from .._attributes import immutable
from .images import check_channels_first, image_below
from .patches import OfPatches


@immutable
class Conv2D(OfPatches):
    """A convolution: every position looks at its patch through the same weights.

    ``h = σ(a)``, ``a[m, y, x] = Σ W[m, c, i, j] in[c, s y + i − p, s x + j − p] + b[m]``. Above an
    input of shape (H, W) or (C, H, W), or another layer with such a shape. Weights and biases are shaped
    as PyTorch's. Units are numbered in (maps, out_h, out_w) order, as those of
    :class:`LocallyConnected2D`. Weights start as for :class:`Dense`.

    Feedback *into* the layer is a matrix over its units (over what pooling above it leaves of them).
    Feedback *through* it, layerwise to the layer below, is a convolution too for ``"uniform"`` (a random
    kernel of its own, one weight for every weight of the layer), ``"sign"`` and ``"transpose"`` (true
    backprop); other matrices are dense, and ``"pseudoinverse"`` and the weight mirror are not there.

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
        As for :class:`Dense`; the default weight_scale is 1/√(channels · kernel height · width). There
        is one bias for each map.

    Raises
    ------
    ValueError, TypeError
        If a value is outside its range or of the wrong kind.

    References
    ----------
    LeCun, Bottou, Bengio & Haffner, Proceedings of the IEEE 86:2278 (1998). A random kernel as
    feedback: Liao, Leibo & Poggio, AAAI Conference on Artificial Intelligence 30 (2016).
    """

    _patches = "shared"

    def weight_shape(self, input_shape: Sequence[int]) -> tuple[int, int, int, int]:
        """(maps, channels, kernel_h, kernel_w), above an input (H, W) or (C, H, W)."""
        channels, *_ = image_below("weight_shape", input_shape)
        return (self.maps, channels, *self.kernel_size)

    def _bias_shape(self, input_shape: Sequence[int]) -> tuple[int]:
        return (self.maps,)

    def _check_input(self, shape: tuple[int, ...], where: str) -> None:
        check_channels_first(shape, where, "Conv2D")
