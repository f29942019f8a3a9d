"""Convolutions of every cut that the kernels know, beside sums over windows in float64.

The kernels take images in bands of about 256 pixels, rows of weights and of positions in tiles, maps in
panels; copy patches whose rows are short; put positions into the lanes where maps are few; and take
3 × 3 kernels by squares of units (Winograd's algorithm) where channels and maps are many.
"""

from __future__ import annotations

import pytest
from conv_kernel_cases import DTYPES, check_kernels

# (channels, height, width), maps and kernel of two convolutions, stride, padding, examples
CASES = {
    "few maps, wide rows, bands": ((1, 28, 28), (6, 5), (5, 3), 1, "same", 3),
    "few maps, two rows at once": ((2, 13, 15), (7, 3), (3, 5), 1, "valid", 2),
    "few maps, rows around a vector": ((1, 17, 16), (3, 1), (8, 2), 1, "same", 2),
    "few maps, many examples": ((1, 5, 33), (2, 5), (4, 5), 1, "same", 19),
    "nine taps": ((1, 12, 40), (5, 9), (2, (1, 11)), 1, "same", 2),
    "copied patches": ((3, 18, 20), (20, 3), (33, 3), 1, "same", 3),
    "copied patches, stride": ((2, 19, 33), (17, (5, 3)), (9, 2), 2, "valid", 2),
    "runs in place, panels": ((16, 7, 7), (40, 5), (65, 2), 1, "same", 3),
    "bands of one row": ((1, 3, 300), (12, 3), (9, (3, 7)), 1, "same", 2),
    "bands, stride 2": ((4, 41, 37), (18, 5), (21, 3), 2, "same", 2),
    "stride 3 beyond the kernel": ((5, 31, 29), (19, 2), (16, 1), 3, "valid", 2),
    "stride of one direction": ((6, 21, 22), (10, 4), (24, 3), (1, 2), "same", 2),
    "stride of rows": ((3, 22, 21), (6, 4), (7, 3), (2, 1), "same", 2),
    "the whole image": ((7, 6, 5), (31, (6, 5)), (32, 1), 1, "valid", 9),
    "squares, panels": ((16, 8, 8), (40, 3), (65, 3), 1, "same", 3),
    "squares, odd sides, without a border": ((17, 9, 13), (33, 3), (34, 3), 1, "valid", 11),
    "squares, bands": ((16, 21, 40), (35, 3), (48, 3), 1, "same", 9),
    "squares, one unit": ((20, 5, 5), (32, 3), (37, 3), 1, "valid", 5),
    "squares, one row": ((16, 1, 71), (32, 3), (33, 3), 1, "same", 2),
    "a vector of maps": ((15, 11, 12), (16, 3), (15, 3), 1, "valid", 8),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_forward_and_both_gradients(case, dtype):
    check_kernels(*CASES[case], dtype=dtype)
