"""The sets of data on which defaults are measured, each as a file or name that `fastfa train` takes."""

from __future__ import annotations

import csv
import dataclasses
import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import fastfa as fa
import numpy as np


@dataclass(frozen=True)
class Source:
    """Where a set comes from; ``epochs`` is given where the default ones would take too long."""

    title: str
    make: Callable[[Path], Path] | None = None  # None: fastfa knows it by name
    target: str | None = None
    epochs: int | None = None
    left_out: tuple[str, ...] = ()


class Loaded(NamedTuple):
    """A set, ready to be trained on, and what the command is told of it."""

    name: str
    data: fa.data.Dataset  # normalised as the command does
    words: list[str]
    baseline: float | None  # of regression: the loss of who always says the mean
    epochs: int | None


def _table(path: Path, names: list[str], rows: Any, target: str, values: Any) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*names, target])
        writer.writerows([*map(float, row), value] for row, value in zip(rows, values, strict=True))
    return path


def _wine(folder: Path) -> Path:
    from sklearn.datasets import load_wine

    wine = load_wine()
    kinds = [str(wine.target_names[i]) for i in wine.target]
    return _table(folder / "wine.csv", list(wine.feature_names), wine.data, "kind", kinds)


def _digits(folder: Path) -> Path:
    from sklearn.datasets import load_digits

    digits = load_digits()
    path = folder / "digits.npz"
    np.savez(path, x=digits.images.astype(np.float32) / 16, y=digits.target)
    return path


def _houses(folder: Path) -> Path:
    """Made up, with the columns and units of California's houses: 3,000 blocks, seed 0."""
    rng = np.random.default_rng(0)
    n = 3000
    income = rng.lognormal(1.25, 0.45, n)  # 10,000 dollars
    age, people = rng.integers(1, 53, n), rng.lognormal(7.0, 0.7, n)
    rooms, household = rng.lognormal(1.65, 0.3, n), rng.lognormal(1.05, 0.2, n)
    bedrooms = rooms * rng.uniform(0.15, 0.3, n)
    along = rng.uniform(0, 1, n)  # the coast, from south to north
    inland = rng.exponential(0.8, n)  # degrees
    latitude, longitude = 32.6 + 9.4 * along, -117.2 - 7 * along + inland
    near = np.exp(-inland) * (1 + np.exp(-(((latitude - 37.7) / 0.7) ** 2)))
    value = 0.35 * income + 1.2 * near + 0.3 * np.log(rooms / household) + 0.004 * age
    value = np.minimum(value * rng.lognormal(0, 0.15, n), 5.0)  # 100,000 dollars
    columns = [income, age, rooms, bedrooms, people, household, latitude, longitude]
    names = ["income", "age", "rooms", "bedrooms", "people", "household", "latitude", "longitude"]
    return _table(folder / "houses.csv", names, np.stack(columns, 1), "value", value)


SETS = {
    "wine": Source("scikit-learn's wine, 13 columns", _wine, "kind"),
    "digits": Source("scikit-learn's digits, 8 × 8", _digits),
    "houses": Source("made-up houses, 8 columns, regression", _houses, "value"),
    "mnist-mini": Source("mnist-mini, 6,000 digits"),
    "mnist": Source("MNIST, 2 epochs", epochs=2, left_out=("estimator",)),
    "fashion-mnist": Source("Fashion-MNIST, 2 epochs", epochs=2, left_out=("estimator",)),
}


def told() -> dict[str, str]:
    return {name: source.title for name, source in SETS.items()}


@functools.lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fastfa-defaults-")  # removed at the end


@functools.lru_cache(maxsize=1)
def load(name: str, held_out: bool) -> Loaded:
    """The set; with ``held_out`` its test examples are a fifth of those for training."""
    source = SETS[name]
    words = [name]
    if source.make is None:
        raw = fa.data.load(name)
    else:
        path = source.make(Path(_folder().name))
        words = [str(path)] + ([] if source.target is None else ["--target", source.target])
        raw = fa.data.read_dataset(path, target=source.target)
    if held_out:
        own, aside = raw.train.split(0.2, 0)
        raw = dataclasses.replace(raw, train=own, test=aside)
    table = raw.is_table or raw.is_regression
    data = fa.data.normalise_dataset(raw).data if table else raw
    baseline = None
    if raw.is_regression:
        answers = np.asarray(data.test.labels, np.float64)
        baseline = 0.5 * float(np.mean((answers - np.mean(data.train.labels)) ** 2))
    return Loaded(name, data, words, baseline, source.epochs)
