"""The .amat text files of the variations on MNIST of Larochelle et al. (ICML 2007).

H. Larochelle, D. Erhan, A. Courville, J. Bergstra, Y. Bengio, "An empirical evaluation of deep
architectures on problems with many factors of variation", ICML 2007. An example a line: 784
pixels from 0 to 1, then the digit, with white space between.

In a set's first file the first 10,000 examples are for training and the last 2,000 for validation;
the second holds 50,000 for testing. (The supplement of Lillicrap et al. 2016, note 5, trains on
the larger set and tests on the smaller.)
"""

from __future__ import annotations

import os

from .dataset import Split
from .limit import Limit
from .table import Layout, Table, read_table, split_of

_SIDEWAYS = ("mnist_background_images_", "mnist_background_random_", "mnist_noise_variations_")


def read_amat(
    path: str | os.PathLike[str], transpose: bool | None = None, *, limit: int | None = None
) -> Split:
    """Read one .amat file, plain or gzip.

    Some of the sets are stored sideways: column after column, as MATLAB has it. Which ones is
    taken from the loaders of J. Bergstra, an author of the paper (skdata,
    ``larochelle_etal_2007/dataset.py``, ``TRANSPOSE_IMAGES``): the two with backgrounds and upright
    digits are, mnist-basic and the two rotated ones are not. (Other people's loaders agree on the
    first three and differ on the rotated two.) They are stood upright here, so that an image means
    the same in each set; a network without topology cannot tell.

    Parameters
    ----------
    path : str or path-like
        The file.
    transpose : bool, optional
        Whether rows and columns shall change places. Default: as the file's name says.
    limit : int, optional
        Bytes of memory that the file may take. Default: 256 MiB, or 64 times its size if that is more.

    Returns
    -------
    Split
        ``x`` is float32 (N, 784), ``labels`` int64 (N,).

    Raises
    ------
    FileNotFoundError
        There is no such file.
    TypeError, ValueError
        A line does not hold 785 finite numbers, a pixel is not from 0 to 1, a label is no digit, or
        the numbers would take more than `limit`. The message names the file and the row. (A file that
        ends early, but at the end of a line, cannot be told from a smaller set: look at the length.)
    """
    where, bounds = "read_amat", Limit("read_amat", path, limit)
    name = bounds.name

    def first(fields: list[str]) -> Layout:
        if len(fields) != 785:
            raise ValueError(f"[{where}] {name}: row 1 has {len(fields)} fields; it must have 785")
        return Layout(False, 784)

    x, labels = read_table(bounds, None, first)
    slack = 1e-6  # of a text that was rounded
    for wrong, what in (
        ((x < -slack) | (x > 1 + slack), "a pixel"),
        (((labels < 0) | (labels > 9))[:, None], "a label"),
    ):
        if wrong.any():
            row = int(wrong.any(axis=1).argmax())
            value = (x[row] if what == "a pixel" else labels[row : row + 1])[wrong[row]][0]
            must = "from 0 to 1" if what == "a pixel" else "a digit"
            raise ValueError(
                f"[{where}] {name}: row {row + 1} has {what} of {value:g}; it must be {must}"
            )
    if transpose is None:
        transpose = os.path.basename(name).startswith(_SIDEWAYS)
    if transpose:
        x = x.reshape(-1, 28, 28).transpose(0, 2, 1).reshape(-1, 784)
    return split_of(bounds, Table(x, labels), 0, (1, 28, 28))
