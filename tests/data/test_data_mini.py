"""mnist-mini is what the tool makes of the full MNIST."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import math
import os
from pathlib import Path
from types import ModuleType

import numpy as np
from data_cases import NAMES
from fastfa import data
from hypothesis import given, settings
from hypothesis import strategies as st

TOOL = Path(__file__).resolve().parents[2] / "tools" / "make_mnist_mini.py"


def test_mnist_mini_has_its_documented_size_everywhere(no_roots: Path) -> None:
    mini = data.load("mnist-mini", no_roots)  # from the package: there is nothing in no_roots
    assert np.bincount(mini.train.labels).tolist() == [600] * 10
    assert np.bincount(mini.test.labels).tolist() == [100] * 10
    for split in (mini.train, mini.test):
        assert split.x.shape == (len(split), 784)
        assert split.x.min() == 0.0
        assert split.x.max() == 1.0
        assert len(np.unique(split.x, axis=0)) == len(split)


def test_mnist_mini_files_are_those_that_the_registry_describes() -> None:
    info = data.dataset_info("mnist-mini")
    paths = data.locate("mnist-mini")
    assert set(paths) == set(NAMES)
    size = 0
    for file in info.files:
        path = paths[file.name]
        assert path is not None
        size += path.stat().st_size
        content = gzip.decompress(path.read_bytes())
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
        assert path.read_bytes()[3:8] == bytes(5)  # neither name nor time
    assert size <= 1_500_000
    attribution = (path.parent / "ATTRIBUTION.txt").read_text(encoding="utf-8")
    for word in ("LeCun", "Cortes", "Burges", "CC BY-SA 3.0"):
        assert word in attribution


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_mnist_mini", TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


@given(
    counts=st.lists(st.integers(7, 40), min_size=1, max_size=5),
    per_class=st.integers(1, 7),
    seed=st.integers(0, 99),
)
@settings(deadline=None)
def test_the_mini_set_is_spread_evenly_over_each_class(
    counts: list[int], per_class: int, seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts), dtype=np.uint8), counts)
    np.random.default_rng(seed).shuffle(labels)
    chosen = load_tool().spread(labels, per_class)
    assert (np.diff(chosen) > 0).all()
    for label, count in enumerate(counts):
        ranks = np.searchsorted(np.flatnonzero(labels == label), chosen[labels[chosen] == label])
        stretch = count / per_class
        assert len(ranks) == per_class
        assert set(np.diff(ranks)) <= {math.floor(stretch), math.ceil(stretch)}
        assert 0 <= ranks[0] <= stretch / 2
        assert 0 < count - ranks[-1] <= stretch / 2 + 1


def test_mnist_mini_is_what_the_tool_makes_of_the_full_set(
    full_mnist: dict[str, np.ndarray], tmp_path: Path
) -> None:
    made = load_tool().make(os.environ["FASTFA_DATA"], tmp_path)
    shipped = data.locate("mnist-mini")
    assert [path.name.removesuffix(".gz") for path in made] == NAMES
    for path in made:
        original = shipped[path.name.removesuffix(".gz")]
        assert original is not None
        assert gzip.decompress(path.read_bytes()) == gzip.decompress(original.read_bytes())
    assert (tmp_path / "ATTRIBUTION.txt").read_text() == (
        original.parent / "ATTRIBUTION.txt"
    ).read_text()


def test_every_mini_image_is_in_the_same_part_of_the_full_set_with_its_label(
    full_mnist: dict[str, np.ndarray],
) -> None:
    for images, labels in (NAMES[:2], NAMES[2:]):
        full = {
            image.tobytes(): (at, label)
            for at, (image, label) in enumerate(
                zip(full_mnist[images], full_mnist[labels], strict=True)
            )
        }
        shipped = data.locate("mnist-mini")
        mini_images = data.read_idx(str(shipped[images]))
        mini_labels = data.read_idx(str(shipped[labels]))
        matches = [full[image.tobytes()] for image in mini_images]
        assert [label for _, label in matches] == mini_labels.tolist()
        positions = [at for at, _ in matches]
        assert positions == sorted(positions)
        assert positions[-1] > 0.98 * len(full)
