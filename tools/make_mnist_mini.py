"""Make the `mnist-mini` that the package embeds from the full MNIST.

    python tools/make_mnist_mini.py --root DIR      # DIR/mnist holds the four IDX files

Of each digit it takes 600 training and 100 test images, spread evenly over that digit's images in
file order: the first half of MNIST's test set is the easier one, so that the first hundred of each
digit would flatter every network. The chosen images keep their order. The same zlib gives the same
bytes each time.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from fastfa.data import DATASETS, locate, read_idx, write_idx
from fastfa.data.fetch import problem_with
from fastfa.data.registry import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS

PARTS = ((TRAIN_IMAGES, TRAIN_LABELS, 600), (TEST_IMAGES, TEST_LABELS, 100))
MOST_BYTES = 1_500_000
HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / "python" / "fastfa" / "data" / "mnist_mini"

ATTRIBUTION = """\
mnist-mini: a part of the MNIST database of handwritten digits

Authors of MNIST: Yann LeCun (Courant Institute, NYU), Corinna Cortes (Google Labs, New York),
Christopher J. C. Burges (Microsoft Research, Redmond).
MNIST was made from NIST's Special Database 1 and Special Database 3.

    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document
    recognition. Proceedings of the IEEE 86 (11), 2278-2324, 1998.

Licence: Creative Commons Attribution-ShareAlike 3.0 (CC BY-SA 3.0),
https://creativecommons.org/licenses/by-sa/3.0/

What was changed: of the 60,000 training and 10,000 test images, the 6,000 and 1,000 in these files
were kept, 600 and 100 of each digit, spread evenly over that digit's images in the order of the
original files. The images and labels themselves, and their order, are unchanged.
Made by tools/make_mnist_mini.py of fastfa. These files are under the licence above, not under that
of fastfa's code.
"""


def spread(labels: npt.NDArray[np.uint8], per_class: int) -> npt.NDArray[np.intp]:
    """Indices of `per_class` examples of each class, evenly spread, in ascending order."""
    chosen = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        # The middles of per_class equal stretches of this class's examples.
        middles = (2 * np.arange(per_class) + 1) * len(own) // (2 * per_class)
        chosen.append(own[middles])
    return np.sort(np.concatenate(chosen))


def make(root: str | None, folder: Path) -> list[Path]:
    """Write the four files and the attribution into `folder`; the paths of the four."""
    paths = locate("mnist", root)
    for file in DATASETS["mnist"].files:
        path = paths[file.name]
        problem = "is missing" if path is None else problem_with(path, file)
        if path is None or problem is not None:
            raise SystemExit(f"{path or file.name} {problem}: the original MNIST is needed")
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for images_name, labels_name, per_class in PARTS:
        labels = read_idx(str(paths[labels_name]))
        chosen = spread(labels, per_class)
        images = read_idx(str(paths[images_name]))
        for name, values in ((images_name, images), (labels_name, labels)):
            made.append(folder / f"{name}.gz")
            write_idx(made[-1], values[chosen])
    (folder / "ATTRIBUTION.txt").write_text(ATTRIBUTION, encoding="utf-8")
    total = sum(path.stat().st_size for path in made)
    assert total <= MOST_BYTES, f"{total} bytes are more than {MOST_BYTES}"
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", metavar="DIR", help="the folder that holds mnist/")
    parser.add_argument("--out", metavar="DIR", type=Path, default=FOLDER)
    args = parser.parse_args()
    for path in make(args.root, args.out):
        values = read_idx(path)
        data = gzip.decompress(path.read_bytes())
        print(path.name, values.shape, path.stat().st_size, "bytes")
        print("  for the registry:", len(data), hashlib.sha256(data).hexdigest())


if __name__ == "__main__":
    main()
