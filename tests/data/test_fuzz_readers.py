"""The targets of tools/fuzz/readers.py by Hypothesis: a data set, or an error that names the file."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SOURCE = Path(__file__).resolve().parents[2] / "tools" / "fuzz" / "readers.py"
if not SOURCE.is_file():
    pytest.skip("tools/fuzz is not here", allow_module_level=True)


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_readers", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def readers() -> Iterator[ModuleType]:
    module = load()
    yield module
    shutil.rmtree(module.FOLDER)


LIBRARIES = {"mat": "scipy.io", "timit": "soundfile"}
NAMES = ("idx", "idx_pair", "csv", "libsvm", "amat", "cifar", "npz", "sequences", "mat", "timit")


def mutated(seed: bytes, changes: list[tuple[float, float, bytes, bool]]) -> bytes:
    """The seed with some pieces replaced, removed or put in."""
    for place, length, token, keep in changes:
        at = int(place * len(seed))
        end = at if keep else at + int(length * 12)
        seed = seed[:at] + token + seed[end:]
    return seed


def need(name: str) -> None:
    if name in LIBRARIES:
        pytest.importorskip(LIBRARIES[name], reason=f"{LIBRARIES[name]} is not installed")


@pytest.mark.parametrize("name", NAMES)
def test_seeds_are_read_or_refused(readers: ModuleType, name: str) -> None:
    assert set(readers.TARGETS) == set(NAMES)
    need(name)
    for seed in readers.seeds(name):
        for choice in range(0, 256, 3):
            readers.TARGETS[name](bytes([choice]) + seed[1:])


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_are_a_data_set_or_an_error(readers: ModuleType, name: str) -> None:
    need(name)
    tokens = st.one_of(st.sampled_from([b"", *readers.TOKENS[name]]), st.binary(max_size=4))
    share = st.floats(0, 1)
    changes = st.lists(st.tuples(share, share, tokens, st.booleans()), max_size=6)

    @settings(max_examples=120, suppress_health_check=list(HealthCheck))
    @given(seed=st.sampled_from(readers.seeds(name)), changes=changes, choice=st.integers(0, 255))
    def attempt(seed: bytes, changes: list, choice: int) -> None:
        readers.TARGETS[name](bytes([choice]) + mutated(seed, changes)[1:])

    attempt()


def test_the_targets_find_what_they_are_for(readers: ModuleType, monkeypatch) -> None:
    """A reader that takes the wrong column, or raises something else, does not get past them."""
    from fastfa.data import csv_table, npz

    monkeypatch.setattr(csv_table, "_named", lambda names: [])
    with pytest.raises(AssertionError):
        readers.TARGETS["csv"](b"\0label,p0,p1\n5,0,1\n3,9,0\n")

    def wrong(*_: object) -> None:
        raise ValueError("Object arrays cannot be loaded when allow_pickle=False")

    monkeypatch.setattr(npz, "_array", wrong)
    with pytest.raises(AssertionError, match="allow_pickle"):
        readers.TARGETS["npz"](readers.seeds("npz")[1])
