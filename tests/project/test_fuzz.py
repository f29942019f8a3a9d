"""The fuzz targets of tools/fuzz, on stored inputs and some mutations; `make fuzz` has many more."""

from __future__ import annotations

import importlib
import os
import random
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parents[2] / "tools" / "fuzz"
pytestmark = [
    pytest.mark.skipif(not FUZZ.exists(), reason="needs the source tree"),
    pytest.mark.filterwarnings("ignore"),
]
MUTATIONS = 60
NAMES = [
    "toml",
    "config_json",
    "tables",
    "arguments",
    "jsonl",
    "sweep_lines",
    "checkpoint_bytes",
    "checkpoint_description",
    "feedback",
    "network",
    "rest",
]


@pytest.fixture(scope="module")
def drive():
    sys.path.insert(0, str(FUZZ))
    yield importlib.import_module("drive")
    sys.path.remove(str(FUZZ))


@pytest.mark.parametrize("name", NAMES)
def test_what_python_reads(drive, name):
    assert drive.blind(name, MUTATIONS, 60) == MUTATIONS


def test_every_target_is_tried(drive):
    targets = importlib.import_module("targets").TARGETS
    assert set(NAMES) == targets.keys()
    assert all(drive.stored(name) for name in targets)


def test_files_of_c(drive, tmp_path):
    """fastfa_load of whole, cut and changed files: taken, or refused without a change."""
    import capi

    net = capi.Network(3, [capi.Layer(units=2), capi.Layer(units=1)])
    inputs = [data for data in drive.stored("load") if data[0] & 0x80]  # whole files
    draw, path, seen = random.Random(1), tmp_path / "net.safetensors", set()
    for i in range(10 * MUTATIONS):
        data = inputs[i] if i < len(inputs) else drive.mutated(inputs, draw)
        path.write_bytes(data[1:])
        before = {name: array.copy() for name, array in net.state().items()}
        status = net.call("load", os.fsencode(path))
        seen.add(status)
        assert status in (0, capi.STATUS["BAD_FILE"])
        if status != 0:
            assert capi.last_error().startswith(f"[load] '{path}'")
            assert all((before[name] == array).all() for name, array in net.state().items())
    assert seen == {0, capi.STATUS["BAD_FILE"]}
